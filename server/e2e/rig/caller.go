package rig

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
)

// RealClient is a real client that does what a test says, see servers/caller.mjs.
type RealClient struct {
	T      testing.TB
	Script *Script
}

// ToolAnswer is what a tool answered.
type ToolAnswer struct {
	Text     string
	IsError  bool
	Progress []float64
}

// StartRealClient signs user in with a client at address.
func StartRealClient(t testing.TB, address, sdk, mode, user string) *RealClient {
	t.Helper()
	options, err := json.Marshal(map[string]string{"url": address, "redirectURI": ClientURI, "name": "Caller", "sdk": sdk, "mode": mode})
	if err != nil {
		t.Fatal(err)
	}
	c := &RealClient{t, StartScript(t, nil, "servers/caller.mjs", string(options))}
	var start struct{ Authorize string }
	c.Script.Read(&start)
	c.Script.Write(map[string]string{"callback": NewBrowser(t).SignIn(start.Authorize, ClientURI, user).String()})
	c.Answer(nil)
	return c
}

func (c *RealClient) Answer(v any) error {
	c.T.Helper()
	var a struct {
		Result json.RawMessage
		Error  string
	}
	c.Script.Read(&a)
	if a.Error != "" {
		return fmt.Errorf("%s", a.Error)
	}
	if v != nil {
		if err := json.Unmarshal(a.Result, v); err != nil {
			c.T.Fatalf("%s: %v", a.Result, err)
		}
	}
	return nil
}

func (c *RealClient) Try(v any, what string, more map[string]any) error {
	c.T.Helper()
	command := map[string]any{"do": what}
	for k, m := range more {
		command[k] = m
	}
	c.Script.Write(command)
	return c.Answer(v)
}

func (c *RealClient) Must(v any, what string, more map[string]any) {
	c.T.Helper()
	if err := c.Try(v, what, more); err != nil {
		c.T.Fatalf("%s %v: %v", what, more, err)
	}
}

// Tool calls a tool, which must answer without an error.
func (c *RealClient) Tool(name string, arguments map[string]any) ToolAnswer {
	c.T.Helper()
	got := c.TryTool(name, arguments)
	if got.IsError {
		c.T.Errorf("%s: %s", name, got.Text)
	}
	return got
}

func (c *RealClient) TryTool(name string, arguments map[string]any) (got ToolAnswer) {
	c.T.Helper()
	c.Must(&got, "call", map[string]any{"name": name, "arguments": arguments})
	return got
}

func (c *RealClient) List(what string) (names []string) {
	c.T.Helper()
	c.Must(&names, "list", map[string]any{"what": what})
	return names
}

// Official is one of the official example servers, with arguments.
func Official(t testing.TB, name string, args ...string) MCPServer {
	t.Helper()
	path, err := filepath.Abs("node_modules/@modelcontextprotocol/server-" + name + "/dist/index.js")
	if err != nil {
		t.Fatal(err)
	}
	return MCPServer{Command: NeedNode(t), Args: append([]string{path}, args...)}
}

// Write has the client call the tool that writes a file, and doesn't wait.
func (c *RealClient) Write(file, content string) {
	c.T.Helper()
	c.Script.Write(map[string]any{"do": "call", "name": "write_file", "arguments": map[string]string{"path": file, "content": content}})
}
