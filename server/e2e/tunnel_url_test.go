package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// noDomain leaves the choice of the URL to ngrok.
func noDomain(o *AppOptions) { also(o, func(c *config.Config) { c.Tunnel.Domain = "" }) }

// startUndecided starts a Drawbridge that learns its URL from the tunnel.
func startUndecided(t *testing.T, e *edge.Edge) *tunnelApp {
	t.Helper()
	app := startTunnelApp(t, e, func(o *AppOptions) {
		noDomain(o)
		o.Undecided = true
	})
	app.waitAddress(t)
	return app
}

// waitAddress waits until a Drawbridge that learns its URL has learned it.
func (app *tunnelApp) waitAddress(t *testing.T) {
	t.Helper()
	waitFor(t, "Drawbridge to be ready", func() bool { return app.Srv.Snapshot().Status.State == status.Ready })
	app.setAddress(app.Status(t))
}

// The first URL that ngrok gives is the one for good: another is refused until
// the owner takes it, and then everybody signs in again.
func TestTunnelURLStays(t *testing.T) {
	e := startEdge(t, edge.Options{})
	app := startUndecided(t, e)
	first := "https://" + app.Host
	if app.URL != first {
		t.Fatalf("the URL is %s, want %s", app.URL, first)
	}
	_, tokens, alive := app.signedIn(t)
	alive()

	// The same account after a restart, with ngrok away at first.
	e.Away(true)
	app.Stop()
	app.Start()
	app.waitAddress(t)
	if st := app.Status(t); st.MCPURL != first+"/mcp" {
		t.Fatalf("after a restart the MCP URL is %q", st.MCPURL)
	}
	e.Away(false)
	app.waitTunnel("up")
	alive()

	// Another account.
	const second = "other-name.ngrok-free.test"
	edges.Store(second, e.VisitorAddr())
	e.Change(func(o *edge.Options) { o.Domain = second })
	e.Drop()
	down := app.waitTunnel("down", "https://"+second, first, "Test client", "https://"+second+"/auth/callback", "drawbridge tunnel accept")
	if !down.NextAttempt.IsZero() {
		t.Errorf("it is tried again: %+v", down)
	}
	if e.Online(second) {
		t.Error("the other URL was left open")
	}
	if st := app.Status(t); st.MCPURL != first+"/mcp" || st.State != status.Ready {
		t.Errorf("status %+v", st)
	}
	if r := app.onLoopback(t, "/.well-known/oauth-protected-resource/mcp"); !strings.Contains(r, first+"/mcp") || strings.Contains(r, second) {
		t.Errorf("metadata changed: %s", r)
	}

	// The old account again: nothing was lost.
	e.Change(func(o *edge.Options) { o.Domain = app.Host })
	app.Srv.Retry()
	app.waitTunnel("up")
	alive()
	if _, err := app.control(t).AcceptURL(t.Context()); err == nil {
		t.Error("accepted a URL that nobody offers")
	}

	// Another account, and the owner's word.
	e.Change(func(o *edge.Options) { o.Domain = second })
	e.Drop()
	app.waitTunnel("down", "drawbridge tunnel accept")
	next, err := app.control(t).AcceptURL(t.Context())
	if err != nil || !strings.Contains(next, "https://"+second+"/mcp") || !strings.Contains(next, "https://"+second+"/auth/callback") {
		t.Fatalf("accept: %q, %v", next, err)
	}
	app.waitTunnel("up")
	waitFor(t, "the new URL", func() bool {
		st := app.Status(t)
		return st.State == status.Ready && st.MCPURL == "https://"+second+"/mcp"
	})
	app.setAddress(app.Status(t))
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
	app.Provider.mu.Lock()
	app.Provider.callback = "https://" + second + "/auth/callback"
	app.Provider.mu.Unlock()
	_, _, alive = app.signedIn(t)
	app.Stop()
	app.Start()
	app.waitAddress(t)
	app.waitTunnel("up")
	alive()
}

// While nobody knows the first URL, status says why.
func TestTunnelNoURLYet(t *testing.T) {
	var refuse refusing
	e := startEdge(t, edge.Options{Refuse: refuse.at(false)})
	refuse.say("no\r\n\r\nERR_NGROK_107\r\n")
	app := newTunnelApp(t, e, func(o *AppOptions) {
		noDomain(o)
		o.Undecided = true
	})
	waitFor(t, "the reason", func() bool {
		st := app.Status(t)
		return st.State == status.Error && strings.Contains(st.Error, "ERR_NGROK_107") && st.MCPURL == ""
	})
	refuse.say("")
	app.Srv.Retry()
	waitFor(t, "ready", func() bool {
		st := app.Status(t)
		return st.State == status.Ready && st.MCPURL == "https://"+app.Host+"/mcp"
	})
}

// The URL in the configuration is the person's word: ngrok giving another is
// no reason to change it, and accepting it is done in the file.
func TestTunnelURLConfigured(t *testing.T) {
	e := startEdge(t, edge.Options{})
	app := startTunnelApp(t, e, nil)
	e.Change(func(o *edge.Options) { o.Give = "https://third.ngrok-free.test" })
	e.Drop()
	app.waitTunnel("down", "third.ngrok-free.test", "config.toml")
	if _, err := app.control(t).AcceptURL(t.Context()); err == nil || !strings.Contains(err.Error(), "config.toml") {
		t.Errorf("accept: %v", err)
	}
}

// onLoopback is an answer of the local listener.
func (app *tunnelApp) onLoopback(t *testing.T, path string) string {
	t.Helper()
	resp, err := plainHTTP.Get(app.Status(t).LocalURL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := make([]byte, 8192)
	n, _ := resp.Body.Read(body)
	return string(body[:n])
}
