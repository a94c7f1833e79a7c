package resource

import (
	"encoding/json"
	"net/http"
)

// refuse answers with an error before MCP or OAuth has seen the request: a
// JSON-RPC error without id at an MCP path, the OAuth form elsewhere.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, description string) {
	if isMCP(r.URL.Path) {
		writeJSON(w, status, struct {
			Version string         `json:"jsonrpc"`
			Error   map[string]any `json:"error"`
		}{"2.0", map[string]any{"code": -32600, "message": description}})
		return
	}
	writeJSON(w, status, oauthError{code, description})
}

type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// writeJSON answers status with v. Refusals are never to be stored.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // a client that left needs no answer
}
