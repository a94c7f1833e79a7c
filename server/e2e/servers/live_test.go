package servers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// What a server says without being asked reaches the clients that want it: log
// messages at the level they chose, progress, changes of a resource and of the
// list of tools. A call that is given up is cancelled at the server.
func TestServersSpeakUp(t *testing.T) {
	for _, era := range [][]string{nil, {"legacy"}} {
		for _, path := range []string{"/mcp", "/s/fixture/mcp"} {
			t.Run(strings.Join(append([]string{"server of"}, append(era, "at", path)...), " "), func(t *testing.T) {
				t.Parallel()
				app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"fixture": rig.ConformanceServer(t, "stdio", era...)}))
				app.WaitForServers(t)
				for _, k := range realClients {
					c := rig.StartRealClient(t, app.URL+path, k.sdk, k.mode, "alice")
					speaksUp(t, c, k.mode == "legacy")
				}
			})
		}
	}
}

func speaksUp(t *testing.T, c *rig.RealClient, legacy bool) {
	t.Helper()
	if got := c.Tool("test_tool_with_progress", nil); !slices.Equal(got.Progress, []float64{0, 50, 100}) {
		t.Errorf("progress %v", got.Progress)
	}
	if !legacy {
		return // its client listens in another way, which the conformance suite does
	}
	var heard struct {
		Logs    []string
		Changed int
		Updated []string
	}
	c.Must(nil, "level", map[string]any{"level": "error"})
	c.Tool("test_tool_with_logging", nil)
	c.Must(&heard, "heard", nil)
	if len(heard.Logs) != 0 {
		t.Errorf("at level error it heard %v", heard.Logs)
	}
	c.Must(nil, "level", map[string]any{"level": "info"})
	c.Tool("test_tool_with_logging", nil)
	if c.Must(&heard, "heard", nil); !slices.Equal(heard.Logs, []string{"Tool execution started", "Tool processing data", "Tool execution completed"}) {
		t.Errorf("at level info it heard %v", heard.Logs)
	}
	c.Must(nil, "subscribe", map[string]any{"uri": "test://watched-resource"})
	c.Tool("test_touch_resource", nil)
	rig.WaitFor(t, "the resource's change", func() bool {
		c.Must(&heard, "heard", nil)
		return slices.Equal(heard.Updated, []string{"test://watched-resource"})
	})
	before := heard.Changed
	c.Tool("test_trigger_tool_change", nil)
	rig.WaitFor(t, "the list's change", func() bool {
		c.Must(&heard, "heard", nil)
		return heard.Changed > before
	})
}

// Servers come and go with mcp.json while clients work; each has its own path,
// its own metadata and its own tokens.
func TestServersComeAndGo(t *testing.T) {
	one, two := rig.SmallServer(t, 2), rig.SmallServer(t, 3)
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"one": one}))
	app.WaitForServers(t)
	c := app.Register(t, rig.ClientURI)
	m := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), c, "alice").Access)
	tools := func() string { return strings.Join(m.Listing(t, "tools/list"), " ") }
	if got := tools(); got != "add echo whoami one__echo echo1" {
		t.Errorf("tools %s", got)
	}
	rig.WriteServers(t, app.Options.ConfigFile, map[string]rig.MCPServer{"one": one, "two": two})
	rig.WaitFor(t, "two to come", func() bool { return tools() == "add echo whoami one__echo one__echo1 two__echo two__echo1 echo2" })

	var doc struct{ Resource string }
	app.Get(t, "/.well-known/oauth-protected-resource/s/two/mcp").JSON(t, &doc)
	if doc.Resource != app.URL+"/s/two/mcp" {
		t.Errorf("metadata for %s", doc.Resource)
	}
	if r := app.Get(t, "/s/two/mcp"); r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "/.well-known/oauth-protected-resource/s/two/mcp") {
		t.Errorf("answered %d, %q", r.Status, r.Header.Get("WWW-Authenticate"))
	}
	alone := app.MCPAt(t, app.SignInAt(t, c, "alice", "/s/two/mcp").Access, "/s/two/mcp")
	if got := strings.Join(alone.Listing(t, "tools/list"), " "); got != "echo echo1 echo2" {
		t.Errorf("alone %s", got)
	}
	if got := m.CallTool("two__echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("got %q", got)
	}

	rig.WriteServers(t, app.Options.ConfigFile, map[string]rig.MCPServer{"one": one})
	rig.WaitFor(t, "two to go", func() bool { return tools() == "add echo whoami one__echo echo1" })
	if r := alone.Call("tools/list", map[string]any{}); r.Status != http.StatusNotFound {
		t.Errorf("its path still answers %d: %s", r.Status, rig.Clip(r.Body))
	}
	if got := m.CallTool("one__echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("one answers %q", got)
	}

	// A slip in the file changes nothing, and status says so.
	rig.WriteServers(t, app.Options.ConfigFile, map[string]rig.MCPServer{"drawbridge": one})
	rig.WaitFor(t, "a note", func() bool { return strings.Contains(strings.Join(app.Status(t).Notes, " "), "mcp.json was not taken") })
	if got := tools(); got != "add echo whoami one__echo echo1" {
		t.Errorf("tools %s", got)
	}
	// One bad entry leaves the others mounted, and the one that it was.
	rig.WriteServers(t, app.Options.ConfigFile, map[string]rig.MCPServer{"one": one, "two": {}})
	rig.WaitFor(t, "a note", func() bool {
		return strings.Contains(strings.Join(app.Status(t).Notes, " "), "the server `two` has neither")
	})
	if got := tools(); got != "add echo whoami one__echo echo1" {
		t.Errorf("tools %s", got)
	}
	// Put back, it takes its sessions back.
	rig.WriteServers(t, app.Options.ConfigFile, map[string]rig.MCPServer{"one": one, "two": two})
	rig.WaitFor(t, "two to come back", func() bool { return strings.Contains(tools(), "two__echo") })
	alone.Session = ""
	if got := alone.CallTool("echo2", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("two answers %q", got)
	}
}
