package e2e

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
	"github.com/drawbridge-app/drawbridge/server/status"
)

// refusing lets agents in but for what it is told to say.
type refusing struct{ text atomic.Value }

func (r *refusing) say(text string) { r.text.Store(text) }

// at returns the hook: at login if url is not asked for, else at the bind.
func (r *refusing) at(bind bool) func(string, string) string {
	r.say("")
	return func(_, url string) string {
		if (url != "") != bind {
			return ""
		}
		return r.text.Load().(string)
	}
}

// A network that breaks is noticed, told, and mended without anybody's help; no
// session is lost.
func TestTunnelRecoversAlone(t *testing.T) {
	e := startEdge(t, edge.Options{})
	app := startTunnelApp(t, e, nil)
	_, _, alive := app.signedIn(t)
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
			before := len(app.tunnelEvents())
			fault.cause()
			if fault.mend != nil {
				down := app.waitTunnel("down", "ngrok can't be reached")
				if down.Since.IsZero() || down.NextAttempt.IsZero() {
					t.Errorf("no since or next attempt: %+v", down)
				}
				if r, err := http.Get(app.Status(t).LocalURL + "/health"); err != nil || r.StatusCode != http.StatusOK {
					t.Errorf("on loopback: %v, %v", r, err)
				}
				fault.mend()
			}
			mended := time.Now()
			waitFor(t, "tunnel.down and tunnel.up", func() bool { return len(app.tunnelEvents()) >= before+2 })
			app.waitTunnel("up")
			if took := time.Since(mended); took > fault.within {
				t.Errorf("back after %v", took)
			}
			events := app.tunnelEvents()[before:]
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
	e := startEdge(t, edge.Options{})
	app := startTunnelApp(t, e, nil)
	_, _, alive := app.signedIn(t)
	froze := time.Now()
	e.Freeze(true)
	app.waitTunnel("down")
	noticed := time.Since(froze)
	e.Freeze(false)
	app.waitTunnel("up")
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
		{"a malformed authtoken", "ERR_NGROK_105", false, "The authtoken you specified does not look like a proper ngrok authtoken.\nYour authtoken: " + authtoken, []string{"dashboard.ngrok.com/get-started/your-authtoken", "drawbridge setup"}},
		{"a revoked authtoken", "ERR_NGROK_107", false, "The authtoken you specified is properly formed, but it is invalid.\nYour authtoken: " + authtoken, []string{"reset or revoked", "drawbridge setup"}},
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
			var refuse refusing
			e := startEdge(t, edge.Options{Refuse: refuse.at(c.bind)})
			refuse.say(c.text + "\r\n\r\n" + c.code + "\r\n")
			app := newTunnelApp(t, e, nil)
			down := app.waitTunnel("down", append(c.want, c.code)...)
			if !down.NextAttempt.IsZero() {
				t.Errorf("there will be another attempt: %+v", down)
			}
			logins := len(e.Logins())
			time.Sleep(1500 * time.Millisecond) // nothing is to happen in it
			if n := len(e.Logins()); n != logins || n != 1 {
				t.Errorf("%d attempts at first, %d a while later", logins, n)
			}
			events := app.tunnelEvents()
			if len(events) != 1 || events[0].Type != status.TunnelDown || !strings.Contains(events[0].Reason, c.code) {
				t.Errorf("events %+v", events)
			}
			if r, err := http.Get(app.Status(t).LocalURL + "/health"); err != nil || r.StatusCode != http.StatusOK {
				t.Errorf("on loopback: %v, %v", r, err)
			}
			refuse.say("")
			if err := app.control(t).RetryTunnel(t.Context()); err != nil {
				t.Fatal(err)
			}
			app.waitTunnel("up")
			for _, where := range []string{app.Log.String(), down.Error, events[0].Reason} {
				if strings.Contains(where, authtoken) {
					t.Error("the authtoken was told")
				}
			}
		})
	}
}

// A new authtoken counts at the next attempt; none at all is said, too.
func TestTunnelAuthtoken(t *testing.T) {
	e := startEdge(t, edge.Options{Refuse: func(token, _ string) string {
		if token != authtoken {
			return "authentication failed: The authtoken is invalid. Your authtoken: " + token + "\r\n\r\nERR_NGROK_107\r\n"
		}
		return ""
	}})
	app := newTunnelApp(t, e, func(o *AppOptions) {
		if err := o.Keystore.Delete(t.Context(), keystore.NgrokAuthtoken); err != nil {
			t.Fatal(err)
		}
	})
	app.waitTunnel("down", "there is no ngrok authtoken", "DRAWBRIDGE_NGROK_AUTHTOKEN")
	set := func(token string) {
		if err := app.Keystore.Set(t.Context(), keystore.NgrokAuthtoken, keystore.NewSecret(token)); err != nil {
			t.Fatal(err)
		}
		app.Srv.Retry()
	}
	set("an-old-authtoken")
	app.waitTunnel("down", "ERR_NGROK_107")
	set(authtoken)
	app.waitTunnel("up")
	if strings.Contains(app.Log.String()+fmt.Sprint(app.Events(t)), "an-old-authtoken") {
		t.Error("the refused authtoken was told")
	}
}

// An authtoken that is revoked while the tunnel is open closes it at the next
// connection, and is not tried for ever.
func TestTunnelRevokedLater(t *testing.T) {
	var refuse refusing
	e := startEdge(t, edge.Options{Refuse: refuse.at(false)})
	app := startTunnelApp(t, e, nil)
	_, _, alive := app.signedIn(t)
	refuse.say("The authtoken was revoked.\r\n\r\nERR_NGROK_107\r\n")
	e.Drop()
	app.waitTunnel("down", "ERR_NGROK_107")
	refuse.say("")
	app.Srv.Retry()
	app.waitTunnel("up")
	alive()
}

// Somebody stops the agent in ngrok's dashboard: that is their word, and the
// tunnel stays closed until the person here opens it again.
func TestTunnelStoppedInDashboard(t *testing.T) {
	e := startEdge(t, edge.Options{})
	app := startTunnelApp(t, e, nil)
	e.StopAgents()
	if st := app.waitTunnel("down", "dashboard", "drawbridge tunnel retry"); !st.NextAttempt.IsZero() {
		t.Errorf("it will be tried again: %+v", st)
	}
	app.Srv.Retry()
	app.waitTunnel("up")
}

// Our own line that ngrok has not yet noticed to be gone looks like somebody
// else's; it is waited for.
func TestTunnelTakenByItsOwnGhost(t *testing.T) {
	var refuse refusing
	e := startEdge(t, edge.Options{Refuse: refuse.at(true)})
	app := startTunnelApp(t, e, nil)
	refuse.say("The endpoint is already online.\r\n\r\nERR_NGROK_334\r\n")
	e.Drop()
	if st := app.waitTunnel("down", "ERR_NGROK_334"); st.NextAttempt.IsZero() {
		t.Errorf("it is not tried again: %+v", st)
	}
	refuse.say("")
	app.waitTunnel("up")
}

// The app starts, and serves on loopback, while ngrok is away.
func TestTunnelAwayAtStart(t *testing.T) {
	e := startEdge(t, edge.Options{})
	e.Away(true)
	app := newTunnelApp(t, e, nil)
	app.waitTunnel("down", "can't be reached")
	r, err := http.Get(app.Status(t).LocalURL + "/.well-known/oauth-protected-resource/mcp")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("on loopback: %v, %v", r, err)
	}
	_ = r.Body.Close()
	e.Away(false)
	app.waitTunnel("up")
}

// An ingress whose certificate nobody vouches for is not believed, and a broken
// file of authorities is named.
func TestTunnelIngress(t *testing.T) {
	e := startEdge(t, edge.Options{})
	app := newTunnelApp(t, e, func(o *AppOptions) { also(o, func(c *config.Config) { c.Tunnel.ConnectCAs = "" }) })
	app.waitTunnel("down", "certificate")
	app = newTunnelApp(t, e, func(o *AppOptions) { also(o, func(c *config.Config) { c.Tunnel.ConnectCAs = "/nowhere/ca.pem" }) })
	app.waitTunnel("down", "connect_cas")
}

// After a sleep nobody waits for the heartbeat to miss a dead connection.
func TestTunnelSleep(t *testing.T) {
	var slept atomic.Int64
	e := startEdge(t, edge.Options{})
	app := startTunnelApp(t, e, func(o *AppOptions) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
	})
	_, _, alive := app.signedIn(t)
	e.Freeze(true)
	woke := time.Now()
	slept.Store(int64(5 * time.Minute))
	waitFor(t, "the dead line to be given up", func() bool { return app.tunnel().State != "up" })
	if took := time.Since(woke); took > 8*time.Second {
		t.Errorf("given up after %v", took)
	}
	e.Freeze(false)
	app.waitTunnel("up")
	alive()
}
