package servers

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// mounted is a set of official example servers.
type mounted struct {
	*mount.Set
	t *testing.T
}

func mountServers(t *testing.T, servers ...config.Server) *mounted {
	t.Helper()
	set, err := mount.New(mount.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	m := &mounted{set, t}
	t.Cleanup(m.Close)
	t.Cleanup(func() {
		for _, one := range servers {
			if lines, _ := m.Logs(one.Name); t.Failed() {
				t.Logf("%s: %+v", one.Name, lines)
			}
		}
	})
	m.Apply(servers)
	return m
}

// npmServer is an official example server over stdin and stdout.
func npmServer(t *testing.T, name string, args ...string) config.Server {
	t.Helper()
	node := rig.NeedNode(t)
	script, err := filepath.Abs("node_modules/@modelcontextprotocol/server-" + name + "/dist/index.js")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(script); err != nil {
		rig.Missing(t, "server/e2e/node_modules/@modelcontextprotocol/server-"+name)
	}
	return config.Server{Name: name, Command: node, Args: append([]string{script}, args...)}
}

func (m *mounted) catalog(server string) *mount.Catalog {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := m.Catalog(ctx, server, mount.Client{}, mount.Needed)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func (m *mounted) tool(server, sub, name, arguments string, peer rpc.Peer) string {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := mount.Client{Caller: &oauth.Caller{Session: "s-" + sub, User: status.User{Sub: sub}}, Era: m.catalog(server).Era,
		Capabilities: json.RawMessage(`{"sampling":{},"elicitation":{"form":{}},"roots":{}}`)}
	params := `{"name":"` + name + `","arguments":` + arguments + `,"_meta":{"progressToken":"p"}}`
	result, err := m.Call(ctx, server, client, "tools/call", json.RawMessage(params), peer)
	if err != nil {
		m.t.Fatalf("%s: %v", name, err)
	}
	return string(result.Raw())
}

// host is a client that can be asked.
type host struct {
	mu    sync.Mutex // guards heard
	heard []string
}

func (h *host) Notify(method string, params json.RawMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, method+" "+string(params))
}

func (h *host) Request(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	h.Notify(method, params)
	switch method {
	case "sampling/createMessage":
		return json.RawMessage(`{"role":"assistant","content":{"type":"text","text":"a sampled word"},"model":"m"}`), nil
	case "elicitation/create":
		return json.RawMessage(`{"action":"decline"}`), nil
	}
	return json.RawMessage(`{"roots":[]}`), nil
}

func TestMountEverything(t *testing.T) {
	m := mountServers(t, npmServer(t, "everything"))
	c := m.catalog("everything")
	if len(c.Tools) < 8 || len(c.Prompts) == 0 || len(c.Resources) == 0 || len(c.Templates) == 0 {
		t.Errorf("%d tools, %d prompts, %d resources, %d templates", len(c.Tools), len(c.Prompts), len(c.Resources), len(c.Templates))
	}
	h := &host{}
	if got := m.tool("everything", "ana", "echo", `{"message":"<hi>"}`, h); !strings.Contains(got, "Echo: <hi>") {
		t.Errorf("echo: %s", got)
	}
	m.tool("everything", "ana", "trigger-long-running-operation", `{"duration":1,"steps":3}`, h)
	if got := strings.Join(h.heard, "\n"); strings.Count(got, `"progressToken":"p"`) != 3 {
		t.Errorf("progress: %s", got)
	}
	got := m.tool("everything", "ana", "trigger-sampling-request", `{"prompt":"say","maxTokens":10}`, h)
	if !strings.Contains(got, "a sampled word") {
		t.Errorf("sampling: %s", got)
	}
	got = m.tool("everything", "ana", "trigger-elicitation-request", `{}`, h)
	if !strings.Contains(got, "decline") {
		t.Errorf("elicitation: %s", got)
	}
	// The environment that it tells is the small one.
	t.Setenv("DRAWBRIDGE_CANARY", "ours")
	if got := m.tool("everything", "bob", "get-env", `{}`, h); strings.Contains(got, "DRAWBRIDGE") || !strings.Contains(got, "PATH") {
		t.Errorf("environment: %s", got)
	}
}

func TestMountFilesystem(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("what it says"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mountServers(t, npmServer(t, "filesystem", dir))
	if c := m.catalog("filesystem"); len(c.Tools) < 10 {
		t.Errorf("%d tools", len(c.Tools))
	}
	got := m.tool("filesystem", "ana", "read_text_file", `{"path":"`+filepath.Join(dir, "a.txt")+`"}`, nil)
	if !strings.Contains(got, "what it says") {
		t.Errorf("got %s", got)
	}
	if got := m.tool("filesystem", "ana", "read_text_file", `{"path":"/etc/passwd"}`, nil); !strings.Contains(got, "isError") {
		t.Errorf("got %s", got)
	}
}

func TestMountMemory(t *testing.T) {
	conf := npmServer(t, "memory")
	conf.Env = map[string]string{"MEMORY_FILE_PATH": filepath.Join(t.TempDir(), "memory.jsonl")}
	m := mountServers(t, conf)
	if c := m.catalog("memory"); len(c.Tools) < 5 || c.Era != rpc.Legacy {
		t.Errorf("%v, %d tools", c.Era, len(c.Tools))
	}
	m.tool("memory", "ana", "create_entities", `{"entities":[{"name":"Ana","entityType":"person","observations":["likes tea"]}]}`, nil)
	if err := m.Restart("memory"); err != nil {
		t.Fatal(err)
	}
	if got := m.tool("memory", "ana", "read_graph", `{}`, nil); !strings.Contains(got, "likes tea") {
		t.Errorf("got %s", got)
	}
}
