package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// BackendOptions say how the tools are served alone.
type BackendOptions struct {
	ServerInfo json.RawMessage // what the server says it is: an object with name and version

	// OnCall hears of each finished tool call; err is nil if the tool did what
	// it was asked. It must not block. nil: nobody hears.
	OnCall func(caller *oauth.Caller, tool string, err error)

	Log *slog.Logger // nil: none
}

// Backend serves the tools at an MCP path, and nothing else.
func (s *Server) Backend(o BackendOptions) gateway.Backend {
	if o.OnCall == nil {
		o.OnCall = func(*oauth.Caller, string, error) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &alone{s, o}
}

type alone struct {
	server *Server
	opts   BackendOptions
}

func (a *alone) Describe(context.Context, gateway.Client) (rpc.Description, error) {
	return rpc.Description{Capabilities: json.RawMessage(`{"tools":{"listChanged":true}}`), ServerInfo: a.opts.ServerInfo}, nil
}

func (a *alone) Call(ctx context.Context, c gateway.Client, method string, params json.RawMessage) (json.RawMessage, error) {
	switch method {
	case "tools/list":
		return a.list(), nil
	case "tools/call":
		name, ok := rpc.String(rpc.Get(params, "name"))
		if !ok {
			return nil, rpc.Errorf(rpc.CodeInvalidParams, "tools/call needs the name of a tool.")
		}
		return a.call(ctx, c.Caller(), name, rpc.Get(params, "arguments"))
	}
	return nil, rpc.Errorf(rpc.CodeMethodNotFound, "Drawbridge offers tools only.")
}

func (a *alone) list() json.RawMessage {
	b := []byte(`{"tools":[`)
	for i, t := range a.server.List() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, t.Raw...)
	}
	return append(b, `]}`...)
}

// call calls a tool and tells of it. A panic is an error, whose cause is for
// the log only.
func (a *alone) call(ctx context.Context, caller *oauth.Caller, name string, arguments json.RawMessage) (result json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.opts.Log.Error("tool panicked", "tool", name, "cause", p, "stack", string(debug.Stack()))
			a.opts.OnCall(caller, name, errPanicked)
			err = errPanicked
		}
	}()
	result, err = a.server.call(ctx, caller, name, arguments)
	if !errors.Is(err, errUnknown) {
		a.opts.OnCall(caller, name, err)
	}
	if wrong := (*mistake)(nil); errors.As(err, &wrong) {
		return text(quote(wrong.message), true), nil
	}
	return result, err
}

var errPanicked = rpc.Errorf(rpc.CodeInternal, "The tool failed inside Drawbridge. Its log says why.")

func (a *alone) Notified(context.Context, gateway.Client, string, json.RawMessage) {}

func (a *alone) Subscribe(context.Context, gateway.Client, string, func(json.RawMessage)) (func(), error) {
	return nil, rpc.Errorf(rpc.CodeMethodNotFound, "Drawbridge offers tools only.")
}

// InputSchema returns nil: no argument of these tools travels in a header.
func (a *alone) InputSchema(context.Context, gateway.Client, string) json.RawMessage { return nil }

func (a *alone) Ended(string) {}
