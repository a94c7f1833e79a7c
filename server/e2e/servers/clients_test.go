package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

var realClients = []struct{ name, sdk, mode string }{
	{"sdk 1.x", "v1", "legacy"}, {"client 2.x, legacy", "v2", "legacy"}, {"client 2.x, 2026-07-28", "v2", rig.ModernVersion},
}

// Real clients use real servers through a sign-in, all at once, while one
// server is killed again and again and another never answers.
func TestRealServersAndClients(t *testing.T) {
	folder := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("not for clients"), 0o600); err != nil {
		t.Fatal(err)
	}
	knowledge := rig.Official(t, "memory")
	knowledge.Env = map[string]string{"MEMORY_FILE_PATH": filepath.Join(t.TempDir(), "memory.jsonl")}
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{
		"files": rig.Official(t, "filesystem", folder), "everything": rig.Official(t, "everything"), "memory": knowledge,
		"dies":  rig.NodeServer(t, "conformance.mjs", "legacy"),
		"hangs": {Command: rig.NeedNode(t), Args: []string{"-e", "process.stdin.resume()"}},
	}))
	rig.WaitFor(t, "the servers that can start", func() bool {
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
			c := rig.StartRealClient(t, app.MCPURL, k.sdk, k.mode, "alice")
			useServers(t, c, folder, secret, fmt.Sprint("entity", i))
			t.Logf("%s: %v", k.name, time.Since(begin))
		})
	}
}

// memory is held while the memory server is used: it loses what two calls write
// at the same time.
var memory sync.Mutex

func useMemory(c *rig.RealClient, entity string) {
	memory.Lock()
	defer memory.Unlock()
	c.Tool("create_entities", map[string]any{"entities": []any{map[string]any{"name": entity, "entityType": "t", "observations": []string{"o"}}}})
	if got := c.Tool("read_graph", nil).Text; !strings.Contains(got, entity) {
		c.T.Errorf("graph %q", got)
	}
}

func useServers(t *testing.T, c *rig.RealClient, folder, secret, entity string) {
	tools := c.List("tools")
	for _, want := range []string{"echo", "everything__echo", "read_text_file", "create_entities", "get-sum"} {
		if !slices.Contains(tools, want) {
			t.Errorf("%s is not in %v", want, tools)
		}
	}
	for round := range 3 {
		file := filepath.Join(folder, fmt.Sprint(entity, round, ".txt"))
		c.Tool("write_file", map[string]any{"path": file, "content": "grüezi " + entity})
		if got, _ := os.ReadFile(file); string(got) != "grüezi "+entity {
			t.Errorf("the file holds %q", got)
		}
		if got := c.Tool("read_text_file", map[string]any{"path": file}).Text; !strings.Contains(got, "grüezi "+entity) {
			t.Errorf("read %q", got)
		}
		if got := c.Tool("everything__echo", map[string]any{"message": entity}).Text; got != "Echo: "+entity {
			t.Errorf("echo %q", got)
		}
		if got := c.Tool("get-sum", map[string]any{"a": 19, "b": 23}).Text; !strings.Contains(got, "42") {
			t.Errorf("sum %q", got)
		}
		_ = c.TryTool("test_crash", nil) // ends the process of dies
		if got := c.TryTool("test_simple_text", nil); got.IsError && !strings.HasPrefix(got.Text, "dies ") {
			t.Errorf("after a crash: %q", got.Text)
		}
	}
	useMemory(c, entity)
	_ = c.Try(nil, "rootsChanged", nil) // a client of 2026-07-28 has no way to say so
	// A client's roots open nothing that the owner did not allow.
	if got := c.TryTool("read_text_file", map[string]any{"path": secret}); !got.IsError || strings.Contains(got.Text, "not for clients") {
		t.Errorf("the client's roots opened the disk: %+v", got)
	}
	slow := c.Tool("trigger-long-running-operation", map[string]any{"duration": 1, "steps": 4})
	if !strings.Contains(slow.Text, "completed") || len(slow.Progress) < 3 || !slices.IsSorted(slow.Progress) {
		t.Errorf("progress: %+v", slow)
	}
	// The servers' questions reach the client's person and model, in both eras.
	if got := c.Tool("trigger-sampling-request", map[string]any{"prompt": "p", "maxTokens": 10}).Text; !strings.Contains(got, "sampled") {
		t.Errorf("sampling: %q", got)
	}
	if got := c.Tool("trigger-elicitation-request", nil).Text; !strings.Contains(got, "Ana") {
		t.Errorf("elicitation: %q", got)
	}
	if resources := c.List("resources"); len(resources) < 3 {
		t.Errorf("resources %v", resources)
	}
	var text string
	c.Must(&text, "read", map[string]any{"uri": "demo://resource/dynamic/text/1"})
	if text == "" {
		t.Error("the resource of a template is empty")
	}
	c.Must(&text, "prompt", map[string]any{"name": "args-prompt", "arguments": map[string]string{"city": "Bern"}})
	if !strings.Contains(text, "Bern") {
		t.Errorf("prompt %q", text)
	}
	var values []string
	c.Must(&values, "complete", map[string]any{"ref": map[string]string{"type": "ref/prompt", "name": "completable-prompt"}, "argument": map[string]string{"name": "department", "value": "E"}})
	if !slices.Contains(values, "Engineering") {
		t.Errorf("completion %v", values)
	}
}
