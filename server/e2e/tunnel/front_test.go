package tunnel

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// spoiled is a network between the internet and the app that changes things.
type spoiled struct {
	http.RoundTripper
	spoil func(*http.Response)
}

func (s spoiled) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		s.spoil(resp)
	}
	return resp, err
}

// Drawbridge looks at itself from outside when the tunnel comes up, and in
// doctor, and says what stands in between.
func TestTunnelSelfCheck(t *testing.T) {
	answer := func(status int, header, body string) func(*http.Response) {
		return func(r *http.Response) {
			_ = r.Body.Close()
			r.StatusCode, r.Body = status, io.NopCloser(strings.NewReader(body))
			if name, value, ok := strings.Cut(header, ": "); ok {
				r.Header.Set(name, value)
			}
		}
	}
	for _, c := range []struct {
		name  string
		edge  edge.Options
		spoil func(*http.Response)
		away  bool // the requests never come here
		want  []string
		note  string
	}{
		{name: "all is well"},
		{name: "ngrok's warning page for browsers", edge: edge.Options{Interstitial: true}, note: "Visit Site"},
		{name: "ngrok's warning page for programs", spoil: answer(200, "Ngrok-Error-Code: ERR_NGROK_6024", "<p>You are about to visit"), want: []string{"warning page", "paid plan"}},
		{name: "a quota", spoil: answer(429, "Ngrok-Error-Code: ERR_NGROK_727", "<p>no"), want: []string{"ERR_NGROK_727", "month"}},
		{name: "another server", away: true, spoil: answer(200, "", "<p>Welcome to nginx"), want: []string{"another server"}},
		{name: "another Drawbridge", away: true, want: []string{"another Drawbridge"}},
		{name: "a redirect", away: true, spoil: answer(302, "Location: https://example.com/", ""), want: []string{"elsewhere"}},
		{name: "a changed answer", spoil: answer(200, "", `{"resource":"https://evil.example/mcp"}`), want: []string{"comes back changed"}},
		{name: "a clock that is slow", edge: edge.Options{Clock: func() time.Time { return time.Now().Add(7 * time.Minute) }}, want: []string{"clock is 7 minutes slow"}},
		{name: "a clock that is fast", edge: edge.Options{Clock: func() time.Time { return time.Now().Add(-49 * time.Hour) }}, want: []string{"clock is 2 days fast"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := rig.StartEdge(t, c.edge)
			var front http.RoundTripper = rig.ThroughEdges(false)
			if c.away {
				// What answers at the public URL is not this process.
				twin := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{Domain: e.Domain()}), nil)
				front = twin.Edge.Client(false).Transport
			}
			if c.spoil != nil {
				front = spoiled{front, c.spoil}
			}
			app := rig.StartTunnelApp(t, e, func(o *rig.AppOptions) { o.Front = &http.Client{Transport: front} })
			found := app.Check(t, "public URL")
			if found.OK != (c.want == nil) {
				t.Errorf("doctor: %+v", found)
			}
			for _, w := range c.want {
				if !strings.Contains(found.Result+" "+found.Cure, w) {
					t.Errorf("doctor says %q, %q: no %q", found.Result, found.Cure, w)
				}
			}
			if !strings.Contains(found.Result, c.note) {
				t.Errorf("doctor says %q: no %q", found.Result, c.note)
			}
			app.WaitTunnel("up", c.want...) // status too, without being asked
			if c.want != nil {
				rig.WaitFor(t, "the event", func() bool {
					last := app.TunnelEvents()
					return last[len(last)-1].Outcome == status.Failed
				})
			}
			if c.note != "" {
				rig.WaitFor(t, "the note", func() bool { return strings.Contains(strings.Join(app.Status(t).Notes, " "), c.note) })
			}
		})
	}
}

// Doctor says how the tunnel stands.
func TestTunnelDoctor(t *testing.T) {
	var refuse rig.Refusing
	e := rig.StartEdge(t, edge.Options{Refuse: refuse.At(false)})
	app := rig.StartTunnelApp(t, e, nil)
	if c := app.Check(t, "tunnel"); !c.OK || !strings.Contains(c.Result, "https://"+app.Host) {
		t.Errorf("up: %+v", c)
	}
	refuse.Say("no\r\n\r\nERR_NGROK_107\r\n")
	e.Drop()
	app.WaitTunnel("down", "ERR_NGROK_107")
	if c := app.Check(t, "tunnel"); c.OK || !strings.Contains(c.Cure, "enter it in Setup") {
		t.Errorf("down: %+v", c)
	}
	own := rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) { c.Tunnel.Provider = "none" }})
	for _, c := range own.Srv.Doctor(t.Context()) {
		if !c.OK {
			t.Errorf("without a tunnel: %+v", c)
		}
	}
}
