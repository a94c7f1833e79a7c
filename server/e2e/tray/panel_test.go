package tray

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"os"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
	"github.com/drawbridge-app/drawbridge/tray"
)

// In a real panel, with a mouse: a real client signs in, the menu shows it, a
// click on Revoke ends its access, and a panel that starts anew shows the whole
// menu again. Pictures are left in out/.
func TestTrayPanel(t *testing.T) {
	p := startPanel(t)
	app, menu := p.start(t, rig.AppOptions{Config: func(c *config.Config) { c.Access = config.Access{Emails: []string{"alice@example.com"}} }})
	client := rig.StartScript(t, nil, "clients/sdk-v1.mjs", fmt.Sprintf(`{"url":%q,"redirectURI":%q,"name":"Claude"}`, app.MCPURL, rig.ClientURI))
	var start struct{ Authorize string }
	client.Read(&start)
	client.Write(map[string]string{"callback": rig.NewBrowser(t).SignIn(start.Authorize, rig.ClientURI, "alice").String()})
	var first rig.SDKCalls
	client.Read(&first)
	rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "bob")
	menu.Await("● Ready, 1 session")
	menu.Await("Recent events", "Sign-in refused · bob@example.com")

	rows := menu.count()
	p.openMenu()
	p.picture("menu")
	for _, list := range [][2]string{{"Connect a client", "connect"}, {"Recent events", "events"}} {
		title, name := list[0], list[1]
		p.descend([2]int{menu.place(title), rows})
		p.picture(name)
	}
	p.descend([2]int{menu.place("Sessions"), rows})
	p.picture("sessions")
	session := p.descend([2]int{menu.place("Sessions"), rows}, [2]int{0, menu.count("Sessions")})[2]
	inside := menu.count("Sessions", "alice@example.com")
	x, y := session.row(inside-1, inside)
	dark := p.picture("revoke")
	p.move(x, y)
	p.until("the row to be lit", func(now, before image.Image) bool {
		row := window{x: session.x + 8, y: y - 6, w: session.w - 16, h: 12}
		return !same(now, dark, row) && same(now, before, row)
	})
	p.picture("revoke")
	p.click()
	menu.Await("● Ready, 0 sessions")
	client.Write(map[string]string{"do": "call"})
	if out, code := client.Wait(); code == 0 {
		t.Errorf("after Revoke the client still gets: %s", out)
	}

	p.restart()
	p.descend([2]int{menu.place("Connect a client"), menu.count()})
	p.picture("restarted")
}

// statesEnv makes this test's process the one with the tray.
const statesEnv = "DRAWBRIDGE_TRAY_STATES"

// Each state has an icon of its own in a real panel. The server behind it is
// not real: it is in the state that it is told.
func TestTrayPanelStates(t *testing.T) {
	states := map[string]status.Status{
		"starting": {State: status.Starting},
		"ready":    {State: status.Ready, Tunnel: status.Tunnel{State: "up"}},
		"paused":   {State: status.Paused, Update: status.Update{Version: "1.2.0", URL: "https://drawbridge.example/notes"}},
		"error":    {State: status.Error, Error: "the keychain is locked, so data-key could not be read: unlock it, then try again"},
		"unset":    {State: status.Error, Error: "Drawbridge is not set up: there is no configuration at /home/ana/.config/drawbridge/config.toml yet. Open Setup with `drawbridge console`, or run `drawbridge setup`."},
		"provider": {State: status.Ready, IDP: status.IDP{State: status.IDPMisconfigured, Error: "dev-1.okta.com refused the client secret: run drawbridge setup"}},
		"tunnel":   {State: status.Ready, Tunnel: status.Tunnel{State: "down", Error: "ngrok refused the authtoken: run drawbridge setup"}},
		"ask":      {State: status.Ready, Tunnel: status.Tunnel{State: "up"}},
	}
	if os.Getenv(statesEnv) != "" {
		s := &stormServer{changes: make(chan struct{}, 1)}
		_ = tray.Serve(t.Context(), s, tray.Options{}, func(context.Context) error {
			for in := bufio.NewScanner(os.Stdin); in.Scan(); {
				st := states[in.Text()]
				st.Version = "v1.0.0"
				if in.Text() != "unset" {
					st.MCPURL, st.LocalURL = "https://name.ngrok.app/mcp", "http://127.0.0.1:8000"
				}
				snap := status.Snapshot{Status: st}
				if in.Text() == "ask" {
					snap.Approvals = make([]status.Approval, 2)
				}
				s.set(snap)
			}
			return nil
		})
		return
	}
	p := startPanel(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := rig.StartProcess(t, []string{statesEnv + "=1"}, self, "-test.run=^TestTrayPanelStates$")
	menu := OpenTray(t, p.bus, child.Cmd.Process.Pid)
	seen := map[string]string{}
	for name, st := range states {
		_, _ = fmt.Fprintln(child.Stdin, name)
		menu.until("the state "+name, func() bool {
			_, ok := menu.Find(headlines[name])
			_, asked := menu.Find("2 calls need your approval")
			return ok && asked == (name == "ask") && st.State != ""
		})
		p.openMenu()
		trays, _ := p.windows()
		if name == "unset" { // an error as others are
			p.picture("state-" + name)
			p.closeMenu()
			continue
		}
		other := ""
		p.until("the icon of "+name+" to look like no other", func(now, before image.Image) bool {
			icon := pixels(now, trays[0])
			if other = seen[icon]; other != "" || icon != pixels(before, trays[0]) {
				return false
			}
			seen[icon] = name
			return true
		})
		p.picture("state-" + name)
		p.closeMenu()
	}
}

// pixels is a part of the screen as text.
func pixels(img image.Image, part window) string {
	var text []byte
	for y := range part.h {
		for x := range part.w {
			r, g, b, _ := img.At(part.x+x, part.y+y).RGBA()
			text = append(text, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return string(text)
}

// headlines is how the first line of the menu begins in each state.
var headlines = map[string]string{"starting": "○", "ready": "● Connected", "paused": "‖", "error": "✕ The keychain is locked", "unset": "○ Drawbridge is not set up",
	"provider": "▲ Nobody can sign in", "tunnel": "▲ Nobody can connect", "ask": "● Connected"}
