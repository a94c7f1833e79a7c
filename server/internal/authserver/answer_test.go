package authserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// What stands beside a refusal in JSON: how to authenticate for who tried to (RFC
// 6749 §5.2), when to come again where that helps, and that nothing is kept.
func TestRefusalHeaders(t *testing.T) {
	const basic = `Basic realm="Drawbridge"`
	for name, c := range map[string]struct {
		refusal       *oauth.Error
		authorization string
		challenge     string
		again         string
	}{
		"a client that failed by Basic": {oauth.InvalidClient("no"), "Basic eDp5", basic, ""},
		"a client without a header":     {oauth.InvalidClient("no"), "", "", ""},
		"another refusal":               {oauth.InvalidGrant("no"), "Basic eDp5", "", ""},
		"not now":                       {oauth.Unavailable(1500*time.Millisecond, "no"), "", "", "2"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/token", nil)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w := httptest.NewRecorder()
		failJSON(w, r, c.refusal)
		h := w.Header()
		if h.Get("WWW-Authenticate") != c.challenge || h.Get("Retry-After") != c.again || h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" {
			t.Errorf("%s: %v", name, h)
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", metadataMaxAge)
	writeJSON(w, http.StatusOK, "kept")
	if h := w.Header(); h.Get("Cache-Control") != "public, max-age=300" || h.Get("Pragma") != "" {
		t.Errorf("what may be kept: %v", h)
	}
}
