package resource

import (
	"encoding/json"
	"net/http"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Metadata serves the RFC 9728 document of resource, whose tokens come from
// issuer. Clients compare both byte for byte (§3.3). offline_access is left
// out of scopes: a refresh token is the authorization server's matter (MCP,
// "Refresh Tokens").
//
// The document may be kept for a minute: enough for the several probes that a
// client makes while it connects, and short enough that nobody is sent to
// yesterday's tunnel after the public URL has changed.
func Metadata(resource, issuer string, scopes []string) http.Handler {
	body, err := json.Marshal(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name"`
	}{resource, []string{issuer}, oauth.WithoutOffline(scopes), []string{"header"}, "Drawbridge"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeJSON(w, http.StatusMethodNotAllowed, oauthError{"invalid_request", "Use GET."})
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=60")
		h.Set("X-Content-Type-Options", "nosniff")
		w.Write(body)
	})
}
