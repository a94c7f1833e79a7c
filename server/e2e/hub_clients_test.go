package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// realClient is a real client that does what a test says, see servers/caller.mjs.
type realClient struct {
	t      testing.TB
	script *Script
}

// call is what a tool answered.
type call struct {
	Text     string
	IsError  bool
	Progress []float64
}

var realClients = []struct{ name, sdk, mode string }{
	{"sdk 1.x", "v1", "legacy"}, {"client 2.x, legacy", "v2", "legacy"}, {"client 2.x, 2026-07-28", "v2", modernVersion},
}

// startRealClient signs user in with a client at address.
func startRealClient(t testing.TB, address, sdk, mode, user string) *realClient {
	t.Helper()
	options, err := json.Marshal(map[string]string{"url": address, "redirectURI": clientURI, "name": "Caller", "sdk": sdk, "mode": mode})
	if err != nil {
		t.Fatal(err)
	}
	c := &realClient{t, StartScript(t, nil, "servers/caller.mjs", string(options))}
	var start struct{ Authorize string }
	c.script.Read(&start)
	c.script.Write(map[string]string{"callback": NewBrowser(t).SignIn(start.Authorize, clientURI, user).String()})
	c.answer(nil)
	return c
}

func (c *realClient) answer(v any) error {
	c.t.Helper()
	var a struct {
		Result json.RawMessage
		Error  string
	}
	c.script.Read(&a)
	if a.Error != "" {
		return fmt.Errorf("%s", a.Error)
	}
	if v != nil {
		if err := json.Unmarshal(a.Result, v); err != nil {
			c.t.Fatalf("%s: %v", a.Result, err)
		}
	}
	return nil
}

func (c *realClient) try(v any, what string, more map[string]any) error {
	c.t.Helper()
	command := map[string]any{"do": what}
	for k, m := range more {
		command[k] = m
	}
	c.script.Write(command)
	return c.answer(v)
}

func (c *realClient) must(v any, what string, more map[string]any) {
	c.t.Helper()
	if err := c.try(v, what, more); err != nil {
		c.t.Fatalf("%s %v: %v", what, more, err)
	}
}

// tool calls a tool, which must answer without an error.
func (c *realClient) tool(name string, arguments map[string]any) call {
	c.t.Helper()
	got := c.tryTool(name, arguments)
	if got.IsError {
		c.t.Errorf("%s: %s", name, got.Text)
	}
	return got
}

func (c *realClient) tryTool(name string, arguments map[string]any) (got call) {
	c.t.Helper()
	c.must(&got, "call", map[string]any{"name": name, "arguments": arguments})
	return got
}

func (c *realClient) list(what string) (names []string) {
	c.t.Helper()
	c.must(&names, "list", map[string]any{"what": what})
	return names
}

// official is one of the official example servers, with arguments.
func official(t testing.TB, name string, args ...string) mcpJSON {
	t.Helper()
	path, err := filepath.Abs("node_modules/@modelcontextprotocol/server-" + name + "/dist/index.js")
	if err != nil {
		t.Fatal(err)
	}
	return mcpJSON{Command: needNode(t), Args: append([]string{path}, args...)}
}

// Real clients use real servers through a sign-in, all at once, while one
// server is killed again and again and another never answers.
func TestRealServersAndClients(t *testing.T) {
	folder := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("not for clients"), 0o600); err != nil {
		t.Fatal(err)
	}
	knowledge := official(t, "memory")
	knowledge.Env = map[string]string{"MEMORY_FILE_PATH": filepath.Join(t.TempDir(), "memory.jsonl")}
	app := StartApp(t, mounting(t, AppOptions{}, map[string]mcpJSON{
		"files": official(t, "filesystem", folder), "everything": official(t, "everything"), "memory": knowledge,
		"dies":  script(t, "conformance.mjs", "legacy"),
		"hangs": {Command: needNode(t), Args: []string{"-e", "process.stdin.resume()"}},
	}))
	waitFor(t, "the servers that can start", func() bool {
		ok := 0
		for _, s := range app.Status(t).Servers {
			if s.State == "ok" {
				ok++
			}
		}
		return ok == 4
	})
	for i, k := range realClients {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			c := startRealClient(t, app.MCPURL, k.sdk, k.mode, "alice")
			useServers(t, c, folder, secret, fmt.Sprint("entity", i))
			t.Logf("%s: %v", k.name, time.Since(begin))
		})
	}
}

// memory is held while the memory server is used: it loses what two calls write
// at the same time.
var memory sync.Mutex

func useMemory(c *realClient, entity string) {
	memory.Lock()
	defer memory.Unlock()
	c.tool("create_entities", map[string]any{"entities": []any{map[string]any{"name": entity, "entityType": "t", "observations": []string{"o"}}}})
	if got := c.tool("read_graph", nil).Text; !strings.Contains(got, entity) {
		c.t.Errorf("graph %q", got)
	}
}

func useServers(t *testing.T, c *realClient, folder, secret, entity string) {
	tools := c.list("tools")
	for _, want := range []string{"echo", "everything__echo", "read_text_file", "create_entities", "get-sum"} {
		if !slices.Contains(tools, want) {
			t.Errorf("%s is not in %v", want, tools)
		}
	}
	for round := range 3 {
		file := filepath.Join(folder, fmt.Sprint(entity, round, ".txt"))
		c.tool("write_file", map[string]any{"path": file, "content": "grüezi " + entity})
		if got, _ := os.ReadFile(file); string(got) != "grüezi "+entity {
			t.Errorf("the file holds %q", got)
		}
		if got := c.tool("read_text_file", map[string]any{"path": file}).Text; !strings.Contains(got, "grüezi "+entity) {
			t.Errorf("read %q", got)
		}
		if got := c.tool("everything__echo", map[string]any{"message": entity}).Text; got != "Echo: "+entity {
			t.Errorf("echo %q", got)
		}
		if got := c.tool("get-sum", map[string]any{"a": 19, "b": 23}).Text; !strings.Contains(got, "42") {
			t.Errorf("sum %q", got)
		}
		_ = c.tryTool("test_crash", nil) // ends the process of dies
		if got := c.tryTool("test_simple_text", nil); got.IsError && !strings.HasPrefix(got.Text, "dies ") {
			t.Errorf("after a crash: %q", got.Text)
		}
	}
	useMemory(c, entity)
	_ = c.try(nil, "rootsChanged", nil) // a client of 2026-07-28 has no way to say so
	// A client's roots open nothing that the owner did not allow.
	if got := c.tryTool("read_text_file", map[string]any{"path": secret}); !got.IsError || strings.Contains(got.Text, "not for clients") {
		t.Errorf("the client's roots opened the disk: %+v", got)
	}
	slow := c.tool("trigger-long-running-operation", map[string]any{"duration": 1, "steps": 4})
	if !strings.Contains(slow.Text, "completed") || len(slow.Progress) < 3 || !slices.IsSorted(slow.Progress) {
		t.Errorf("progress: %+v", slow)
	}
	// The servers' questions reach the client's person and model, in both eras.
	if got := c.tool("trigger-sampling-request", map[string]any{"prompt": "p", "maxTokens": 10}).Text; !strings.Contains(got, "sampled") {
		t.Errorf("sampling: %q", got)
	}
	if got := c.tool("trigger-elicitation-request", nil).Text; !strings.Contains(got, "Ana") {
		t.Errorf("elicitation: %q", got)
	}
	if resources := c.list("resources"); len(resources) < 3 {
		t.Errorf("resources %v", resources)
	}
	var text string
	c.must(&text, "read", map[string]any{"uri": "demo://resource/dynamic/text/1"})
	if text == "" {
		t.Error("the resource of a template is empty")
	}
	c.must(&text, "prompt", map[string]any{"name": "args-prompt", "arguments": map[string]string{"city": "Bern"}})
	if !strings.Contains(text, "Bern") {
		t.Errorf("prompt %q", text)
	}
	var values []string
	c.must(&values, "complete", map[string]any{"ref": map[string]string{"type": "ref/prompt", "name": "completable-prompt"}, "argument": map[string]string{"name": "department", "value": "E"}})
	if !slices.Contains(values, "Engineering") {
		t.Errorf("completion %v", values)
	}
}
