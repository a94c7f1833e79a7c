package program

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// The newcomer's one command: it says where to go, lets both people in, and
// ends when told to.
func TestDemo(t *testing.T) {
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	app := &rig.App{T: t, URL: fmt.Sprintf("http://127.0.0.1:%d", rig.FreePort(t))}
	app.MCPURL = app.URL + "/mcp"
	demo := rig.StartProcess(t, rig.Homeless(t), path, "demo", "--headless", "--listen", strings.TrimPrefix(app.URL, "http://"))
	var said strings.Builder
	for !strings.Contains(said.String(), app.MCPURL) {
		fmt.Fprintln(&said, demo.Line())
	}
	rig.WaitFor(t, "the demo", func() bool {
		resp, err := rig.PlainHTTP.Get(app.URL + "/health")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == 200
	})
	client := app.Register(t, rig.ClientURI)
	for _, user := range []string{"alice", "bob"} {
		tokens := app.SignIn(t, rig.NewBrowser(t), client, user)
		if got := app.MCP(t, tokens.Access).CallTool("add", map[string]any{"a": 19, "b": 23}); got != "42" {
			t.Errorf("add gave %q", got)
		}
		app.MustRefresh(t, client, tokens.Refresh)
	}
	if err := demo.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, code := demo.Wait(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// The demo's provider alone, so that `run` can be tried against it.
func TestDemoProviderOnly(t *testing.T) {
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	provider := rig.StartProcess(t, rig.Homeless(t), path, "demo", "--provider-only", "--listen", "127.0.0.1:0")
	issuer, ok := strings.CutPrefix(provider.Line(), "issuer ")
	if !ok {
		t.Fatal("the first line is not: issuer URL")
	}
	app := rig.StartBinary(t, rig.AppOptions{Issuer: issuer})
	tokens := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})
	_ = provider.Cmd.Process.Signal(syscall.SIGTERM)
}
