package tunnel

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The real program with an authtoken in its environment opens the tunnel, and
// its commands steer it.
func TestTunnelProgram(t *testing.T) {
	t.Setenv("DRAWBRIDGE_NGROK_AUTHTOKEN", rig.Authtoken)
	var refuse rig.Refusing
	e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(false)})
	cas := filepath.Join(t.TempDir(), "edge.pem")
	if err := os.WriteFile(cas, e.CAs(), 0o600); err != nil {
		t.Fatal(err)
	}
	provider := rig.WatchProvider(t, "https://"+e.Domain())
	app := rig.StartBinary(t, rig.AppOptions{Issuer: provider.Issuer, Config: func(c *config.Config) {
		c.Tunnel = config.Tunnel{ConnectURL: e.AgentAddr(), ConnectCAs: cas}
	}})
	tunnel := func(state string, words ...string) {
		t.Helper()
		rig.WaitFor(t, "the tunnel "+state, func() bool {
			var st status.Status
			app.CommandJSON(t, &st, "status", "--json")
			ok := st.Tunnel.State == state
			for _, w := range words {
				ok = ok && strings.Contains(st.Tunnel.Error, w)
			}
			return ok
		})
	}
	tunnel("up")
	if app.MCPURL != "https://"+e.Domain()+"/mcp" {
		t.Fatalf("the MCP URL is %q", app.MCPURL)
	}
	b := rig.NewBrowser(t)
	b.HTTP.Transport = rig.PlainHTTP.Transport
	client := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, b, client, "alice")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})

	// Killed, it comes back at the same address, and the session with it.
	app.Kill()
	app.Start()
	tunnel("up")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})

	refuse.Say("no\r\n\r\nERR_NGROK_107\r\n")
	e.Drop()
	tunnel("down", "ERR_NGROK_107", "enter it in Setup")
	refuse.Say("")
	if _, code := app.Command("tunnel", "retry"); code != 0 {
		t.Errorf("tunnel retry: exit code %d", code)
	}
	tunnel("up")
	if _, code := app.Command("tunnel", "accept"); code != 1 {
		t.Errorf("tunnel accept with nothing to accept: exit code %d", code)
	}
	const second = "program-2.ngrok-free.test"
	rig.Edges.Store(second, e.VisitorAddr())
	e.Change(func(o *edge.Options) { o.Domain = second })
	e.Drop()
	tunnel("down", second, "drawbridge tunnel accept")
	out, code := app.Command("tunnel", "accept")
	if code != 0 || !strings.Contains(out, "https://"+second+"/auth/callback") {
		t.Errorf("tunnel accept: exit code %d: %s", code, out)
	}
	tunnel("up")
	if r := app.MCP(t, tokens.Access).Initialize(); r.Status == http.StatusOK {
		t.Error("a token of the old URL still works")
	}
	if out, code := app.Command("doctor"); !strings.Contains(out, "tunnel") {
		t.Errorf("doctor: exit code %d: %s", code, out)
	}
}
