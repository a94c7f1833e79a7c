package gateway

import (
	"encoding/json"
	"net/http"
)

// JSON-RPC error codes. The two of transport sessions are those that the
// official SDKs answer with in the revisions that have sessions.
const (
	codeInvalid        = -32600 // JSON-RPC 2.0 §5.1: not a valid request
	codeServer         = -32000
	codeUnknownSession = -32001
)

// refusal is an answer given before or instead of mcp-go's.
type refusal struct {
	status  int // HTTP
	code    int // JSON-RPC
	message string
}

var (
	sessionMissing = &refusal{http.StatusBadRequest, codeServer,
		"The Mcp-Session-Id header is missing. Start with initialize, or use protocol version 2026-07-28."}
	// One answer whether a session is unknown, ended or another grant's: the
	// id of somebody else's session must not be worth guessing.
	sessionUnknown = &refusal{http.StatusNotFound, codeUnknownSession,
		"Session not found. Initialize again."}
)

// write answers with the refusal as a JSON-RPC error. Without an id, as raw
// JSON, the error has none: null is no request id in MCP.
func (f *refusal) write(w http.ResponseWriter, id json.RawMessage) {
	var answer struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	answer.JSONRPC, answer.ID = "2.0", id
	answer.Error.Code, answer.Error.Message = f.code, f.message
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(f.status)
	w.Write(append(body, '\n')) // a client that left needs no answer
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	(&refusal{status, code, message}).write(w, nil)
}
