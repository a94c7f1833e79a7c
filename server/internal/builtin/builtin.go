// Package builtin holds Drawbridge's own tools: echo, add and whoami. They
// change nothing and reach nothing outside.
//
// It decides nothing about who may call them. Start at [New]; [Server.Backend]
// serves them at an MCP path alone.
package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Tools says which tools are on.
type Tools struct {
	Echo, Add, Whoami bool
}

// AllTools is every tool.
var AllTools = Tools{Echo: true, Add: true, Whoami: true}

// Tool is one tool as tools/list shows it.
type Tool struct {
	Name     string
	ReadOnly bool            // its readOnlyHint
	Raw      json.RawMessage // the whole object
}

// Server is the tools that are on.
type Server struct {
	on atomic.Pointer[[]kind] // sorted by name; never changed once stored
}

// New returns a server of the tools t.
func New(t Tools) *Server {
	s := &Server{}
	s.Set(t)
	return s
}

// Set switches the tools on and off while they are served, and reports whether
// the list is another now. Telling the clients is left to the caller.
func (s *Server) Set(t Tools) (changed bool) {
	on := map[string]bool{"add": t.Add, "echo": t.Echo, "whoami": t.Whoami}
	var list []kind
	for _, k := range kinds {
		if on[k.Name] {
			list = append(list, k)
		}
	}
	old := s.on.Swap(&list)
	return old == nil || !slices.EqualFunc(*old, list, func(a, b kind) bool { return a.Name == b.Name })
}

// List returns the tools that are on, sorted by name.
func (s *Server) List() []Tool {
	var list []Tool
	for _, k := range *s.on.Load() {
		list = append(list, k.Tool)
	}
	return list
}

// Call calls a tool. The result is that of tools/call. What is wrong with the
// arguments is part of it, so that the model reads it and tries again (MCP
// 2025-11-25 and later, "Tools", "Error Handling"); an unknown tool is an
// *rpc.Error.
func (s *Server) Call(ctx context.Context, caller *oauth.Caller, name string, arguments json.RawMessage) (json.RawMessage, error) {
	result, err := s.call(ctx, caller, name, arguments)
	if wrong := (*mistake)(nil); errors.As(err, &wrong) {
		return text(quote(wrong.message), true), nil
	}
	return result, err
}

// mistake is what is wrong with the arguments of a call.
type mistake struct{ message string }

func (m *mistake) Error() string { return m.message }

func (s *Server) call(ctx context.Context, caller *oauth.Caller, name string, arguments json.RawMessage) (json.RawMessage, error) {
	for _, k := range *s.on.Load() {
		if k.Name == name {
			return k.call(ctx, caller, arguments)
		}
	}
	return nil, errUnknown
}

var errUnknown = rpc.Errorf(rpc.CodeInvalidParams, "There is no tool of that name.")

// text is a result of one text, given as JSON.
func text(quoted []byte, isError bool) json.RawMessage {
	b := make([]byte, 0, len(quoted)+64)
	b = append(append(b, `{"content":[{"type":"text","text":`...), quoted...)
	b = append(b, `}]`...)
	if isError {
		b = append(b, `,"isError":true`...)
	}
	return append(b, '}')
}

// quote makes text JSON.
func quote(text string) []byte {
	b, _ := json.Marshal(text) // a string is always JSON
	return b
}
