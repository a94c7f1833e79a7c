// Package rpc holds what gateway, which speaks JSON-RPC 2.0 to clients, shares
// with mount, which speaks it to servers: errors, eras, and reading and changing
// raw JSON. It sends and receives nothing. Start at [Members] and [Peer].
package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Error is a JSON-RPC error object. Whoever returns one as an error means it
// for the peer, word for word; any other error is an internal one, of which the
// peer learns nothing.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *Error) Error() string { return fmt.Sprintf("%s (JSON-RPC error %d)", e.Message, e.Code) }

// Errorf returns an error for the peer.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// The codes of JSON-RPC 2.0 §5.1 and of MCP 2026-07-28, "Error Codes".
const (
	CodeParse             = -32700
	CodeInvalidRequest    = -32600
	CodeMethodNotFound    = -32601
	CodeInvalidParams     = -32602
	CodeInternal          = -32603
	CodeHeaderMismatch    = -32020
	CodeMissingCapability = -32021
	CodeBadVersion        = -32022
)

// Era tells the two kinds of MCP apart.
type Era int

const (
	// Legacy is 2024-11-05 to 2025-11-25: initialize, transport sessions, and
	// requests of the server to the client.
	Legacy Era = iota
	// Modern is 2026-07-28: each request is complete in itself, with its revision and
	// the client's capabilities in _meta.
	Modern
)

func (e Era) String() string {
	if e == Modern {
		return "modern"
	}
	return "legacy"
}

// Description is what an MCP server says of itself: the result of initialize
// (Legacy) or server/discover (Modern), apart from its protocol revisions.
type Description struct {
	Capabilities json.RawMessage `json:"capabilities,omitempty"` // an object
	ServerInfo   json.RawMessage `json:"server_info,omitempty"`  // an object
	Instructions string          `json:"instructions,omitempty"`
}

// Peer is the client while one of its requests is answered.
type Peer interface {
	// Notify sends a notification on the stream of the request that is being
	// answered. It drops what the client has not asked for (log messages below
	// its level) and what comes too late.
	Notify(method string, params json.RawMessage)
	// Request asks the client (sampling/createMessage, elicitation/create,
	// roots/list) and waits for its answer. A client of the Modern era can't be
	// asked: then the error is ErrCannotAsk. The client's own error is an
	// *Error.
	Request(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)
}

// ErrCannotAsk says that the client can't be asked anything while it waits.
var ErrCannotAsk = errors.New("the client takes no requests")
