package tunnel

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A network that breaks is noticed, told, and mended without anybody's help; no
// session is lost.
func TestTunnelRecoversAlone(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, nil)
	_, _, alive := app.SignedIn(t)
	for _, fault := range []struct {
		name   string
		cause  func()
		mend   func() // nil: it mends itself
		within time.Duration
	}{
		{"a dropped session", e.Drop, nil, 2 * time.Second},
		{"an outage of the edge", func() { e.Away(true); e.Drop() }, func() { e.Away(false) }, 8 * time.Second},
		{"an endpoint closed from the other side", func() {
			if err := e.StopEndpoint(app.Host, "ERR_NGROK_9999", "stopped"); err != nil {
				t.Error(err)
			}
		}, nil, 2 * time.Second},
	} {
		t.Run(fault.name, func(t *testing.T) {
			before := len(app.TunnelEvents())
			fault.cause()
			if fault.mend != nil {
				down := app.WaitTunnel("down", "ngrok can't be reached")
				if down.Since.IsZero() || down.NextAttempt.IsZero() {
					t.Errorf("no since or next attempt: %+v", down)
				}
				if r, err := http.Get(app.Status(t).LocalURL + "/health"); err != nil || r.StatusCode != http.StatusOK {
					t.Errorf("on loopback: %v, %v", r, err)
				}
				fault.mend()
			}
			mended := time.Now()
			rig.WaitFor(t, "tunnel.down and tunnel.up", func() bool { return len(app.TunnelEvents()) >= before+2 })
			app.WaitTunnel("up")
			if took := time.Since(mended); took > rig.Within(fault.within) {
				t.Errorf("back after %v", took)
			}
			events := app.TunnelEvents()[before:]
			if events[0].Type != status.TunnelDown || events[0].Outcome != status.Failed || events[0].Reason == "" || events[len(events)-1].Type != status.TunnelUp {
				t.Errorf("events %+v", events)
			}
			alive()
		})
	}
}

// A connection that has silently died is given up after the heartbeat's time.
func TestTunnelFrozen(t *testing.T) {
	t.Parallel()
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, nil)
	_, _, alive := app.SignedIn(t)
	before := len(app.TunnelEvents())
	froze := time.Now()
	e.Freeze(true)
	rig.WaitFor(t, "tunnel.down", func() bool { return len(app.TunnelEvents()) > before }) // the state lasts for a moment only
	noticed := time.Since(froze)
	e.Freeze(false)
	app.WaitTunnel("up")
	alive()
	t.Logf("a frozen connection was noticed after %v", noticed.Round(time.Second))
	if noticed > 30*time.Second {
		t.Errorf("noticed after %v", noticed)
	}
}

// What trying again can't mend stops the attempts, says what to do, and goes on
// when that was done.
func TestTunnelFatal(t *testing.T) {
	for _, c := range []struct {
		name string
		code string
		bind bool // refused when the endpoint is asked for, not at login
		text string
		want []string
	}{
		{"a malformed authtoken", "ERR_NGROK_105", false, "The authtoken you specified does not look like a proper ngrok authtoken.\nYour authtoken: " + rig.Authtoken, []string{"dashboard.ngrok.com/get-started/your-authtoken", "enter it in Setup"}},
		{"a revoked authtoken", "ERR_NGROK_107", false, "The authtoken you specified is properly formed, but it is invalid.\nYour authtoken: " + rig.Authtoken, []string{"reset or revoked", "enter it in Setup"}},
		{"too many agents", "ERR_NGROK_108", false, "Your account is limited to 3 simultaneous ngrok agent sessions.", []string{"as many agents"}},
		{"an agent too old", "ERR_NGROK_121", false, "Your agent version is too old.", []string{"Update Drawbridge"}},
		{"a used-up quota", "ERR_NGROK_727", true, "You have exceeded your limit on requests.", []string{"month's requests", "larger plan"}},
		{"a domain not bound", "ERR_NGROK_313", true, "Only paid plans may bind custom subdomains.", []string{"domain", "dashboard.ngrok.com/domains"}},
		{"a domain not reserved", "ERR_NGROK_319", true, "You must reserve a domain.", []string{"Reserve it"}},
		{"a domain of somebody else", "ERR_NGROK_320", true, "The domain is reserved for another account.", []string{"another ngrok account"}},
		{"a taken domain", "ERR_NGROK_334", true, "The endpoint is already online.", []string{"online at this URL already"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var refuse rig.Refusing
			e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(c.bind)})
			refuse.Say(c.text + "\r\n\r\n" + c.code + "\r\n")
			app := rig.NewTunnelApp(t, e, nil)
			down := app.WaitTunnel("down", append(c.want, c.code)...)
			if !down.NextAttempt.IsZero() {
				t.Errorf("there will be another attempt: %+v", down)
			}
			logins := len(e.Logins())
			time.Sleep(1500 * time.Millisecond) // nothing is to happen in it
			if n := len(e.Logins()); n != logins || n != 1 {
				t.Errorf("%d attempts at first, %d a while later", logins, n)
			}
			events := app.TunnelEvents()
			if len(events) != 1 || events[0].Type != status.TunnelDown || !strings.Contains(events[0].Reason, c.code) {
				t.Errorf("events %+v", events)
			}
			if r, err := http.Get(app.Status(t).LocalURL + "/health"); err != nil || r.StatusCode != http.StatusOK {
				t.Errorf("on loopback: %v, %v", r, err)
			}
			refuse.Say("")
			if err := app.Control(t).RetryTunnel(t.Context()); err != nil {
				t.Fatal(err)
			}
			app.WaitTunnel("up")
			for _, where := range []string{app.Log.String(), down.Error, events[0].Reason} {
				if strings.Contains(where, rig.Authtoken) {
					t.Error("the authtoken was told")
				}
			}
		})
	}
}

// A new authtoken counts at the next attempt; none at all is said, too.
func TestTunnelAuthtoken(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{Refuse: func(token, _ string) string {
		if token != rig.Authtoken {
			return "authentication failed: The authtoken is invalid. Your authtoken: " + token + "\r\n\r\nERR_NGROK_107\r\n"
		}
		return ""
	}})
	app := rig.NewTunnelApp(t, e, func(o *rig.AppOptions) {
		if err := o.Keystore.Delete(t.Context(), keystore.NgrokAuthtoken); err != nil {
			t.Fatal(err)
		}
	})
	app.WaitTunnel("down", "there is no ngrok authtoken", "DRAWBRIDGE_NGROK_AUTHTOKEN")
	set := func(token string) {
		if err := app.Keystore.Set(t.Context(), keystore.NgrokAuthtoken, keystore.NewSecret(token)); err != nil {
			t.Fatal(err)
		}
		app.Srv.Retry()
	}
	set("an-old-authtoken")
	app.WaitTunnel("down", "ERR_NGROK_107")
	set(rig.Authtoken)
	app.WaitTunnel("up")
	if strings.Contains(app.Log.String()+fmt.Sprint(app.Events(t)), "an-old-authtoken") {
		t.Error("the refused authtoken was told")
	}
}

// An authtoken that is revoked while the tunnel is open closes it at the next
// connection, and is not tried for ever.
func TestTunnelRevokedLater(t *testing.T) {
	var refuse rig.Refusing
	e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(false)})
	app := rig.StartTunnelApp(t, e, nil)
	_, _, alive := app.SignedIn(t)
	refuse.Say("The authtoken was revoked.\r\n\r\nERR_NGROK_107\r\n")
	e.Drop()
	app.WaitTunnel("down", "ERR_NGROK_107")
	refuse.Say("")
	app.Srv.Retry()
	app.WaitTunnel("up")
	alive()
}

// Somebody stops the agent in ngrok's dashboard: that is their word, and the
// tunnel stays closed until the person here opens it again.
func TestTunnelStoppedInDashboard(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, nil)
	e.StopAgents()
	if st := app.WaitTunnel("down", "dashboard", "drawbridge tunnel retry"); !st.NextAttempt.IsZero() {
		t.Errorf("it will be tried again: %+v", st)
	}
	app.Srv.Retry()
	app.WaitTunnel("up")
}

// Our own line that ngrok has not yet noticed to be gone looks like somebody
// else's; it is waited for.
func TestTunnelTakenByItsOwnGhost(t *testing.T) {
	var refuse rig.Refusing
	e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(true)})
	app := rig.StartTunnelApp(t, e, nil)
	refuse.Say("The endpoint is already online.\r\n\r\nERR_NGROK_334\r\n")
	e.Drop()
	if st := app.WaitTunnel("down", "ERR_NGROK_334"); st.NextAttempt.IsZero() {
		t.Errorf("it is not tried again: %+v", st)
	}
	refuse.Say("")
	app.WaitTunnel("up")
}

// The app starts, and serves on loopback, while ngrok is away.
func TestTunnelAwayAtStart(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	e.Away(true)
	app := rig.NewTunnelApp(t, e, nil)
	app.WaitTunnel("down", "can't be reached")
	r, err := http.Get(app.Status(t).LocalURL + "/.well-known/oauth-protected-resource/mcp")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("on loopback: %v, %v", r, err)
	}
	_ = r.Body.Close()
	e.Away(false)
	app.WaitTunnel("up")
}

// An ingress whose certificate nobody vouches for is not believed, and a broken
// file of authorities is named.
func TestTunnelIngress(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.NewTunnelApp(t, e, func(o *rig.AppOptions) { rig.Also(o, func(c *config.Config) { c.Tunnel.ConnectCAs = "" }) })
	app.WaitTunnel("down", "certificate")
	app = rig.NewTunnelApp(t, e, func(o *rig.AppOptions) {
		rig.Also(o, func(c *config.Config) { c.Tunnel.ConnectCAs = "/nowhere/ca.pem" })
	})
	app.WaitTunnel("down", "connect_cas")
}

// After a sleep nobody waits for the heartbeat to miss a dead connection.
func TestTunnelSleep(t *testing.T) {
	var slept atomic.Int64
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, func(o *rig.AppOptions) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
	})
	_, _, alive := app.SignedIn(t)
	e.Freeze(true)
	woke := time.Now()
	slept.Store(int64(5 * time.Minute))
	rig.WaitFor(t, "the dead line to be given up", func() bool { return app.Tunnel().State != "up" })
	if took := time.Since(woke); took > rig.Within(8*time.Second) {
		t.Errorf("given up after %v", took)
	}
	e.Freeze(false)
	app.WaitTunnel("up")
	alive()
}
