package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// The JSON-RPC error codes of transport sessions are those that the official
// SDKs answer with in the revisions that have sessions.
const (
	codeServer         = -32000
	codeUnknownSession = -32001
)

type refusal struct {
	status int // HTTP
	said   rpc.Error
}

func (f *refusal) Error() string { return f.said.Message }

func refusalf(status, code int, format string, args ...any) *refusal {
	return &refusal{status, rpc.Error{Code: code, Message: fmt.Sprintf(format, args...)}}
}

var (
	sessionMissing = refusalf(http.StatusBadRequest, codeServer,
		"The Mcp-Session-Id header is missing. Start with initialize, or use protocol version 2026-07-28.")
	// One answer whether a session is unknown, ended or another grant's: the
	// id of somebody else's session must not be worth guessing.
	sessionUnknown = refusalf(http.StatusNotFound, codeUnknownSession, "Session not found. Initialize again.")
	// Whether the grant has ended, and what to do then, the next request tells
	// in the way that clients understand.
	ended = refusalf(http.StatusServiceUnavailable, rpc.CodeInternal, "The request was ended before it was answered. Send it again.")
)

// message is the refusal as a JSON-RPC error. Without an id, as raw JSON, the
// error has none: null is no request id in MCP.
func (f *refusal) message(id json.RawMessage) []byte {
	body, err := json.Marshal(struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   *rpc.Error      `json:"error"`
	}{"2.0", id, &f.said})
	if err != nil { // its data is not JSON
		return []byte(`{"jsonrpc":"2.0","error":{"code":-32603,"message":"` + internal + `"}}`)
	}
	return body
}

// write answers a request that has no exchange yet.
func (f *refusal) write(w http.ResponseWriter, id json.RawMessage) {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = typeJSON, noStore
	w.WriteHeader(f.status)
	_, _ = w.Write(f.message(id)) // a client that left needs no answer
}

// internal is all that a client learns of an error that is not meant for it.
const internal = "Drawbridge could not answer this request. Its log says why."
