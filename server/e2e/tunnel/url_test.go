package tunnel

import (
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// noDomain leaves the choice of the URL to ngrok.
func noDomain(o *rig.AppOptions) { rig.Also(o, func(c *config.Config) { c.Tunnel.Domain = "" }) }

// startUndecided starts a Drawbridge that learns its URL from the tunnel.
func startUndecided(t *testing.T, e *edge.Edge) *rig.TunnelApp {
	t.Helper()
	app := rig.StartTunnelApp(t, e, func(o *rig.AppOptions) {
		noDomain(o)
		o.Undecided = true
	})
	app.WaitAddress(t)
	return app
}

// The first URL that ngrok gives is the one for good: another is refused until
// the owner takes it, and then everybody signs in again.
func TestTunnelURLStays(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := startUndecided(t, e)
	first := "https://" + app.Host
	if app.URL != first {
		t.Fatalf("the URL is %s, want %s", app.URL, first)
	}
	_, tokens, alive := app.SignedIn(t)
	alive()

	// The same account after a restart, with ngrok away at first.
	e.Away(true)
	app.Stop()
	app.Start()
	app.WaitAddress(t)
	if st := app.Status(t); st.MCPURL != first+"/mcp" {
		t.Fatalf("after a restart the MCP URL is %q", st.MCPURL)
	}
	e.Away(false)
	app.WaitTunnel("up")
	alive()

	// Another account.
	const second = "other-name.ngrok-free.test"
	rig.Edges.Store(second, e.VisitorAddr())
	e.Change(func(o *edge.Options) { o.Domain = second })
	e.Drop()
	down := app.WaitTunnel("down", "https://"+second, first, "Test client", "https://"+second+"/auth/callback", "drawbridge tunnel accept")
	if !down.NextAttempt.IsZero() {
		t.Errorf("it is tried again: %+v", down)
	}
	if e.Online(second) {
		t.Error("the other URL was left open")
	}
	if st := app.Status(t); st.MCPURL != first+"/mcp" || st.State != status.Ready {
		t.Errorf("status %+v", st)
	}
	if r := app.OnLoopback(t, "/.well-known/oauth-protected-resource/mcp"); !strings.Contains(r, first+"/mcp") || strings.Contains(r, second) {
		t.Errorf("metadata changed: %s", r)
	}

	// The old account again: nothing was lost.
	e.Change(func(o *edge.Options) { o.Domain = app.Host })
	app.Srv.Retry()
	app.WaitTunnel("up")
	alive()
	if _, err := app.Control(t).AcceptURL(t.Context()); err == nil {
		t.Error("accepted a URL that nobody offers")
	}

	// Another account, and the owner's word.
	e.Change(func(o *edge.Options) { o.Domain = second })
	e.Drop()
	app.WaitTunnel("down", "drawbridge tunnel accept")
	next, err := app.Control(t).AcceptURL(t.Context())
	if err != nil || !strings.Contains(next, "https://"+second+"/mcp") || !strings.Contains(next, "https://"+second+"/auth/callback") {
		t.Fatalf("accept: %q, %v", next, err)
	}
	app.WaitTunnel("up")
	rig.WaitFor(t, "the new URL", func() bool {
		st := app.Status(t)
		return st.State == status.Ready && st.MCPURL == "https://"+second+"/mcp"
	})
	app.SetAddress(app.Status(t))
	if r := app.MCP(t, tokens.Access).Initialize(); r.Status != http.StatusUnauthorized {
		t.Errorf("a token of the old URL gives %d", r.Status)
	}
	if n := len(app.Sessions(t)); n != 0 {
		t.Errorf("%d sessions of the old URL", n)
	}
	ended := app.Events(t, status.SessionRevoked)
	if len(ended) != 1 || !strings.Contains(ended[0].Reason, "URL was changed") {
		t.Errorf("events %+v", ended)
	}
	app.Provider.Mu.Lock()
	app.Provider.Callback = "https://" + second + "/auth/callback"
	app.Provider.Mu.Unlock()
	_, _, alive = app.SignedIn(t)
	app.Stop()
	app.Start()
	app.WaitAddress(t)
	app.WaitTunnel("up")
	alive()
}

// While nobody knows the first URL, status says why.
func TestTunnelNoURLYet(t *testing.T) {
	var refuse rig.Refusing
	e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(false)})
	refuse.Say("no\r\n\r\nERR_NGROK_107\r\n")
	app := rig.NewTunnelApp(t, e, func(o *rig.AppOptions) {
		noDomain(o)
		o.Undecided = true
	})
	rig.WaitFor(t, "the reason", func() bool {
		st := app.Status(t)
		return st.State == status.Error && strings.Contains(st.Error, "ERR_NGROK_107") && st.MCPURL == ""
	})
	refuse.Say("")
	app.Srv.Retry()
	rig.WaitFor(t, "ready", func() bool {
		st := app.Status(t)
		return st.State == status.Ready && st.MCPURL == "https://"+app.Host+"/mcp"
	})
}

// The URL in the configuration is the person's word: ngrok giving another is
// no reason to change it, and accepting it is done in the file.
func TestTunnelURLConfigured(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, nil)
	e.Change(func(o *edge.Options) { o.Give = "https://third.ngrok-free.test" })
	e.Drop()
	app.WaitTunnel("down", "third.ngrok-free.test", "config.toml")
	if _, err := app.Control(t).AcceptURL(t.Context()); err == nil || !strings.Contains(err.Error(), "config.toml") {
		t.Errorf("accept: %v", err)
	}
}
