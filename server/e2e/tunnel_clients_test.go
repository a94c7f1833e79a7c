package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
)

// A real client comes in by the tunnel: it signs in, calls the tools, and goes
// on after its access token has run out and the tunnel was lost in between.
func TestTunnelSDKClients(t *testing.T) {
	for _, c := range sdkClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needNode(t)
			e := startEdge(t, edge.Options{})
			// A name that Node resolves by itself.
			_, port, err := net.SplitHostPort(e.VisitorAddr())
			if err != nil {
				t.Fatal(err)
			}
			public := "https://localhost:" + port
			provider := watchProvider(t, public)
			app := startTunnelApp(t, e, func(o *AppOptions) {
				o.Issuer, o.Access = provider.Issuer, time.Second
				o.Front = &http.Client{Transport: throughEdges(false)}
				also(o, func(cfg *config.Config) { cfg.Tunnel.Domain, cfg.PublicURL = "", public })
			})
			cas := filepath.Join(t.TempDir(), "edge.pem")
			if err := os.WriteFile(cas, e.CAs(), 0o600); err != nil {
				t.Fatal(err)
			}
			arg, err := json.Marshal(map[string]string{"url": app.MCPURL, "redirectURI": clientURI, "name": "Scripted client", "mode": c.mode})
			if err != nil {
				t.Fatal(err)
			}
			script := StartScript(t, []string{"NODE_EXTRA_CA_CERTS=" + cas}, c.script, string(arg))
			var start struct{ Authorize string }
			script.Read(&start)
			if at, err := url.Parse(start.Authorize); err != nil || at.Host != "localhost:"+port {
				t.Fatalf("the client goes to %s", at.Host)
			}
			callback := app.browser(t).SignIn(start.Authorize, clientURI, "alice")
			script.Write(map[string]string{"callback": callback.String()})
			var signedIn struct{ Refreshable bool }
			script.Read(&signedIn)
			script.Write(map[string]string{"do": "call"})
			checkCalls(t, script, c)
			logins := len(e.Logins())
			e.Drop()
			waitFor(t, "the tunnel to be back", func() bool { return len(e.Logins()) > logins && app.tunnel().State == "up" })
			script.Write(map[string]string{"do": "untilRefreshed"})
			if got := checkCalls(t, script, c); got.Refreshed < 1 {
				t.Error("the client did not refresh its tokens")
			}
		})
	}
}
