package tunnel

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A configuration that has to be served anew does not wait for streams, which
// end by nobody's hand: an open one costs the others no five seconds of drain.
func TestTunnelReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), func(o *rig.AppOptions) { o.ConfigFile = file })
	_, tokens, _ := app.SignedIn(t)
	m := app.MCP(t, tokens.Access)
	m.Initialize()
	resp, err := (&http.Client{Transport: rig.PlainHTTP.Transport}).Do(m.Request(http.MethodGet, nil, "Accept", "text/event-stream"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	defer resp.Body.Close()
	app.Config.Clients.Registration = false
	if err := rig.SaveConfig(file, app.Config); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := app.Srv.Configure(t.Context(), app.Config, nil); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // until it ends
	rig.WaitFor(t, "registration to close", func() bool {
		return app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{rig.ClientURI}}).Status == http.StatusForbidden
	})
	if took := time.Since(began); took > rig.Within(4*time.Second) {
		t.Errorf("served anew after %v", took)
	}
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "still in"}); got != "Echo: still in" {
		t.Errorf("after it: %q", got)
	}
}
