package attempts

import (
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A client that has done its part waits for a person whose browser stands
// before ngrok's own page.
func TestTimelineInterstitial(t *testing.T) {
	clock := &rig.MovedClock{}
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{Interstitial: true}), func(o *rig.AppOptions) { o.Now = clock.Now })
	rig.WaitFor(t, "the warning page to be noticed", func() bool { return len(app.Srv.Snapshot().Status.Notes) > 0 })
	app.Register(t, rig.ClientURI)
	app.MustConclude(t, "browser.awaited", "", "Test client has registered")
	clock.Advance(6 * time.Minute)
	app.MustConclude(t, "ngrok.warning", "error", "press Visit Site")
}

// While the tunnel is down nobody is to be blamed for not coming; what has
// ended stays what it was.
func TestTimelineTunnelDown(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, nil)
	tokens := app.SignIn(t, app.Browser(t), app.Register(t, rig.ClientURI), "alice")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
	app.Register(t, rig.ClientURI, "http://localhost:1/other")
	e.Away(true)
	e.Drop()
	app.WaitTunnel("down")
	app.MustConclude(t, "tunnel.down", "", "The tunnel is down")
	if list := app.Attempts(t); len(list) != 2 || list[1].VerdictKey != "connected" {
		t.Errorf("told as %s", rig.Outline(list))
	}
	e.Away(false)
	app.WaitTunnel("up")
	app.MustConclude(t, "browser.awaited", "", "")
}
