package tunnel

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A client that is a page of another origin, in a real browser: through the
// public host name it reads the challenge and the metadata, registers, signs
// its person in, and calls tools in both eras. What a cookie opens it can't read.
func TestTunnelPageOfAnotherOrigin(t *testing.T) {
	chromium := rig.NeedChromium(t)
	const origin = "https://page.example"
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, func(o *rig.AppOptions) {
		rig.Also(o, func(c *config.Config) { c.Clients.RedirectURIs = []string{origin + "/"} })
	})
	page := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "clients/origin.html")
	}))
	page.TLS = &tls.Config{Certificates: []tls.Certificate{rig.Certificate().Pair}}
	page.StartTLS()
	t.Cleanup(page.Close)

	rules := "MAP page.example " + page.Listener.Addr().String() + ",MAP " + app.Host + " " + e.VisitorAddr()
	script := rig.StartScript(t, nil, "clients/origin.mjs", chromium, rules, origin+"/?mcp="+url.QueryEscape(app.MCPURL), "alice")
	got := strings.Join(script.Ask(t, nil).Texts, "")
	for _, line := range []string{"challenged 401", "token 200 Bearer", "2025-11-25 Echo: from a page", "deleted 200", "2026-07-28 Echo: from a page", "revoked 200",
		"/consent not readable", "/authorize not readable", "with cookies not readable"} {
		if !strings.Contains(got, line+"\n") && !strings.HasSuffix(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}
