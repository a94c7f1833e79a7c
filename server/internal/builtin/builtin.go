// Package builtin holds the tools that Drawbridge brings along: echo, add and
// whoami. They are tools of mcp-go like any other, and the place where one more
// tool that is written in Go belongs.
//
// It decides nothing about who may call a tool, and speaks no MCP: package hub
// does both. Start at [Server]; a new tool is a line in [table].
package builtin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Tool is one tool as tools/list shows it.
type Tool struct {
	Name string
	Raw  json.RawMessage // the whole object

	parameters []parameter
	handler    server.ToolHandlerFunc
}

// Server is the tools that are on.
type Server struct {
	on atomic.Pointer[[]Tool] // sorted by name; never changed once stored
}

// New returns a server of the tools t.
func New(t config.Tools) *Server {
	s := &Server{}
	s.Set(t)
	return s
}

// Set switches the tools on and off while they are served. Telling the clients
// is left to the caller.
func (s *Server) Set(t config.Tools) {
	on := map[string]bool{"add": t.Add, "echo": t.Echo, "whoami": t.Whoami}
	list := slices.DeleteFunc(slices.Clone(all), func(tool Tool) bool { return !on[tool.Name] })
	s.on.Store(&list)
}

// all is [table], ready to be called.
var all = register(table())

func register(tools []server.ServerTool) []Tool {
	var list []Tool
	for _, t := range tools {
		raw, err := json.Marshal(t.Tool)
		if err != nil {
			panic(fmt.Sprintf("builtin: %s can't be listed: %v", t.Tool.Name, err))
		}
		list = append(list, Tool{t.Tool.Name, raw, parametersOf(t.Tool), t.Handler})
	}
	slices.SortFunc(list, func(a, b Tool) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// List returns the tools that are on, sorted by name. It is not to be changed.
func (s *Server) List() []Tool { return *s.on.Load() }

// All returns every tool, also those that are off.
func All() []Tool { return slices.Clone(all) }

// Call calls a tool. The result is that of tools/call. What is wrong with the
// arguments is part of it, so that the model reads it and tries again (MCP
// 2025-11-25 and later, "Tools", "Error Handling"); an unknown tool is an
// *rpc.Error. The handler finds the caller with [oauth.CallerOf].
func (s *Server) Call(ctx context.Context, caller *oauth.Caller, name string, arguments json.RawMessage) (json.RawMessage, error) {
	for _, t := range *s.on.Load() {
		if t.Name == name {
			return t.call(oauth.WithCaller(ctx, caller), arguments)
		}
	}
	return nil, rpc.Errorf(rpc.CodeInvalidParams, "There is no tool of that name.")
}

// call goes to the handler itself. mcp-go's HandleMessage would read and write
// the whole request once more: 15 to 35 µs instead of 2.
func (t Tool) call(ctx context.Context, arguments json.RawMessage) (json.RawMessage, error) {
	members, err := read(t.parameters, arguments)
	if err != nil {
		return encode(mcp.NewToolResultError(err.Error()))
	}
	answer, err := t.handler(ctx, mcp.CallToolRequest{Params: mcp.CallToolParams{Name: t.Name, Arguments: members, RawArguments: arguments}})
	if err != nil {
		return nil, err
	}
	return encode(answer)
}

// encode writes a result as JSON. One text alone is what most tools answer, and
// is written without the detour through a map that mcp-go makes.
func encode(r *mcp.CallToolResult) (json.RawMessage, error) {
	if len(r.Content) != 1 || r.Meta != nil || r.StructuredContent != nil || r.RawStructuredContent != nil || r.ResultType != "" {
		return json.Marshal(r)
	}
	c, ok := r.Content[0].(mcp.TextContent)
	if !ok || c.Meta != nil || c.Annotations != nil {
		return json.Marshal(r)
	}
	quoted, err := json.Marshal(c.Text)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, len(quoted)+64), `{"content":[{"type":"text","text":`...)
	b = append(append(b, quoted...), `}]`...)
	if r.IsError {
		b = append(b, `,"isError":true`...)
	}
	return append(b, '}'), nil
}
