package e2e

import (
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
)

// A client that has done its part waits for a person whose browser stands
// before ngrok's own page.
func TestTimelineInterstitial(t *testing.T) {
	clock := &movedClock{}
	app := startTunnelApp(t, startEdge(t, edge.Options{Interstitial: true}), func(o *AppOptions) { o.Now = clock.Now })
	waitFor(t, "the warning page to be noticed", func() bool { return len(app.Srv.Snapshot().Status.Notes) > 0 })
	app.Register(t, clientURI)
	app.mustConclude(t, "browser.awaited", "", "Test client has registered")
	clock.Advance(6 * time.Minute)
	app.mustConclude(t, "ngrok.warning", "error", "press Visit Site")
}

// While the tunnel is down nobody is to be blamed for not coming; what has
// ended stays what it was.
func TestTimelineTunnelDown(t *testing.T) {
	e := startEdge(t, edge.Options{})
	app := startTunnelApp(t, e, nil)
	tokens := app.SignIn(t, app.browser(t), app.Register(t, clientURI), "alice")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
	app.Register(t, clientURI, "http://localhost:1/other")
	e.Away(true)
	e.Drop()
	app.waitTunnel("down")
	app.mustConclude(t, "tunnel.down", "", "The tunnel is down")
	if list := app.Attempts(t); len(list) != 2 || list[1].VerdictKey != "connected" {
		t.Errorf("told as %s", outline(list))
	}
	e.Away(false)
	app.waitTunnel("up")
	app.mustConclude(t, "browser.awaited", "", "")
}
