package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// codeNotFound is what 2025-11-25 and earlier say of an unknown resource;
// 2026-07-28 says rpc.CodeInvalidParams.
const (
	codeNotFound    = -32002
	codeURLRequired = -32042 // URLElicitationRequired, 2025-11-25
)

// errNoServer is the answer about a server that does not exist, or of which the
// caller may use nothing.
var errNoServer = rpc.Errorf(rpc.CodeInvalidRequest, "There is no such server here.")

func invalid(format string, args ...any) *rpc.Error {
	return rpc.Errorf(rpc.CodeInvalidParams, format, args...)
}

func shorten(s string) string { return status.Clean(s, 100) }

func notFound(era rpc.Era, uri string) *rpc.Error {
	e := rpc.Errorf(codeNotFound, "Resource not found: %s", shorten(uri))
	if era == rpc.Modern {
		e.Code = rpc.CodeInvalidParams
	}
	e.Data = encode(object{"uri": rpc.Quote(uri)})
	return e
}

// refusal turns why a server did not answer into what a client may read: its
// own error word for word, else a sentence. The rest is for the log.
func (h *Hub) refusal(server string, err error) error {
	var own *rpc.Error
	if err == nil || errors.As(err, &own) || errors.Is(err, context.Canceled) {
		return err
	}
	return rpc.Errorf(rpc.CodeInternal, "%s", h.sentence(server, err))
}

func (h *Hub) sentence(server string, err error) string {
	var known *mount.Error
	if errors.As(err, &known) {
		h.o.Log.Warn("server did not answer", "server", server, "error", known.Message, "cause", known.Cause)
		return known.Message
	}
	h.o.Log.Warn("server did not answer", "server", server, "cause", err)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("The server %s takes too long. Try again later.", server)
	}
	return fmt.Sprintf("The server %s could not answer. The owner of this Drawbridge can see why in its log.", server)
}

// failed is a tool's result that tells the model what went wrong (MCP, "Tools",
// "Error Handling").
func failed(sentence string) rpc.Object {
	return rpc.Object{}.With("isError", json.RawMessage("true")).With("content", json.RawMessage(`[{"type":"text","text":`+string(rpc.Quote(sentence))+`}]`))
}
