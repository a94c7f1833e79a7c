package tunnel

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Pausing closes the tunnel at once, resuming opens it within two seconds, and
// sessions outlive both.
func TestTunnelPause(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	_, tokens, alive := app.SignedIn(t)
	ended := app.MCP(t, tokens.Access).Stream()
	for range 3 {
		began := time.Now()
		if err := app.Srv.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		rig.WaitFor(t, "the endpoint to go", func() bool { return !app.Edge.Online(app.Host) })
		if took := time.Since(began); took > rig.Within(2*time.Second) {
			t.Errorf("closed after %v", took)
		}
		select {
		case <-ended:
		case <-time.After(rig.Within(2 * time.Second)):
			t.Error("a stream outlives the pause")
		}
		if r := app.Get(t, "/health"); r.Status != http.StatusNotFound || r.Header.Get("Ngrok-Error-Code") != "ERR_NGROK_3200" {
			t.Errorf("paused, the public URL answers %d", r.Status)
		}
		if st := app.Status(t); st.State != status.Paused || st.Tunnel.State != "off" {
			t.Errorf("paused: %s, tunnel %+v", st.State, st.Tunnel)
		}
		began = time.Now()
		if err := app.Srv.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		app.WaitTunnel("up")
		alive()
		if took := time.Since(began); took > rig.Within(2*time.Second) {
			t.Errorf("open and serving after %v", took)
		}
	}
	var told []string
	for _, e := range app.TunnelEvents() {
		told = append(told, e.Type+" "+e.Outcome)
	}
	if want := "tunnel.up ok, tunnel.down ok, tunnel.up ok, tunnel.down ok, tunnel.up ok, tunnel.down ok, tunnel.up ok"; strings.Join(told, ", ") != want {
		t.Errorf("events %v", told)
	}

	// Paused across a restart.
	if err := app.Srv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	logins := len(app.Edge.Logins())
	app.Stop()
	app.Options.Undecided = true // it will be paused, not ready
	app.Start()
	rig.WaitFor(t, "the paused start", func() bool { return app.Status(t).State == status.Paused })
	if n := len(app.Edge.Logins()); n != logins {
		t.Errorf("%d attempts while paused", n-logins)
	}
	if err := app.Srv.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	app.WaitTunnel("up")
	alive()
}

// Paused before its first address is known, Drawbridge can be resumed.
func TestTunnelPausedWithoutAddress(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	e.Away(true)
	app := rig.NewTunnelApp(t, e, func(o *rig.AppOptions) {
		noDomain(o)
		o.Undecided = true
	})
	rig.WaitFor(t, "the tunnel to be down", func() bool { return app.Status(t).State == status.Error })
	if err := app.Srv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the pause", func() bool { return app.Status(t).State == status.Paused })
	for _, c := range app.Srv.Doctor(t.Context()) {
		if c.Name == "redirect URI" && !c.OK {
			t.Errorf("doctor: %+v", c)
		}
	}
	e.Away(false)
	if err := app.Srv.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "ready", func() bool {
		return app.Status(t).MCPURL == "https://"+app.Host+"/mcp" && app.Status(t).State == status.Ready
	})
}

// A request that is under way when the tunnel closes has five seconds to end.
func TestTunnelDrains(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	body := `{"redirect_uris":["` + rig.ClientURI + `"],"token_endpoint_auth_method":"none"}`
	half, rest := body[:20], body[20:]
	begin := func() (finish func() (int, error)) {
		conn, err := app.Edge.Raw(app.Host, "203.0.113.7:1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprintf(conn, "POST /register HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", app.Host, len(body))
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // the handler reads
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = r.ReadString('\n')
		_, _ = io.WriteString(conn, half)
		return func() (int, error) {
			if _, err := io.WriteString(conn, rest); err != nil {
				return 0, err
			}
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return 0, err
			}
			return resp.StatusCode, resp.Body.Close()
		}
	}
	finish := begin()
	if err := app.Srv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the endpoint to go", func() bool { return !app.Edge.Online(app.Host) })
	if status, err := finish(); status != http.StatusCreated {
		t.Errorf("the request under way got %d, %v", status, err)
	}
	if err := app.Srv.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	app.WaitTunnel("up")

	_ = begin() // never finished
	began := time.Now()
	srv, stopped := app.Srv, make(chan struct{})
	go func() {
		defer close(stopped)
		app.Stop()
	}()
	rig.WaitFor(t, "the status to say that it stops", func() bool {
		st := srv.Snapshot().Status
		return st.State == status.Error && st.Error == "Drawbridge is stopping."
	})
	<-stopped
	if took := time.Since(began); took < 4*time.Second || took > rig.Within(8*time.Second) {
		t.Errorf("stopped after %v, want the five seconds of the drain", took)
	}
	rig.WaitFor(t, "the agent to leave", func() bool { return app.Edge.Sessions() == 0 })
}
