package rig

import (
	"encoding/json"
	"regexp"
	"testing"
)

// AuthorizeURL finds the address that a client asks a person to open.
var AuthorizeURL = regexp.MustCompile(`(https?://\S+/authorize\?\S+)`)

// SignInAtListener opens the address that script asks for and goes on until
// the script's own listener answers.
func SignInAtListener(t *testing.T, script *Script, user string) *Page {
	t.Helper()
	b := NewBrowser(t)
	return b.Walk(b.Open(script.Logged(AuthorizeURL)), user, "")
}

// StdioClient speaks MCP with a program over its standard input and output.
type StdioClient struct {
	Script *Script
	id     int
}

func (c *StdioClient) Request(method string, params map[string]any) json.RawMessage {
	c.Script.t.Helper()
	c.id++
	c.Script.Write(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	for {
		var m struct {
			ID     int
			Result json.RawMessage
			Error  json.RawMessage
		}
		c.Script.Read(&m)
		switch {
		case m.ID != c.id: // a notification, or a question of the server
		case m.Error != nil:
			c.Script.t.Fatalf("%s: %s", method, m.Error)
		default:
			return m.Result
		}
	}
}

// CheckTools calls the three tools and checks what they say.
func (c *StdioClient) CheckTools(t *testing.T) {
	t.Helper()
	tool := func(name string, args map[string]any) (r ToolResult) {
		if err := json.Unmarshal(c.Request("tools/call", map[string]any{"name": name, "arguments": args}), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	CheckToolResults(t, tool("echo", map[string]any{"message": "grüezi"}), tool("add", map[string]any{"a": 19, "b": 23}), tool("whoami", map[string]any{}))
}

// ToolResult is the result of tools/call, as far as the tests read it.
type ToolResult struct {
	Content           []struct{ Text string }
	StructuredContent json.RawMessage
	IsError           bool
}

func CheckToolResults(t *testing.T, echo, add, whoami ToolResult) {
	t.Helper()
	if len(echo.Content) == 0 || echo.Content[0].Text != "Echo: grüezi" {
		t.Errorf("echo gave %+v", echo)
	}
	if len(add.Content) == 0 || add.Content[0].Text != "42" {
		t.Errorf("add gave %+v", add)
	}
	if email := PersonIn(t, whoami.StructuredContent); email != "alice@example.com" {
		t.Errorf("whoami named %q", email)
	}
}
