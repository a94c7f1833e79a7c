package tunnel

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
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A real client comes in by the tunnel: it signs in, calls the tools, and goes
// on after its access token has run out and the tunnel was lost in between.
func TestTunnelSDKClients(t *testing.T) {
	for _, c := range rig.SDKClients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			rig.NeedNode(t)
			e := rig.StartEdge(t, edge.Options{})
			// A name that Node resolves by itself.
			_, port, err := net.SplitHostPort(e.VisitorAddr())
			if err != nil {
				t.Fatal(err)
			}
			public := "https://localhost:" + port
			provider := rig.WatchProvider(t, public)
			app := rig.StartTunnelApp(t, e, func(o *rig.AppOptions) {
				o.Issuer, o.Access = provider.Issuer, time.Second
				o.Front = &http.Client{Transport: rig.ThroughEdges(false)}
				rig.Also(o, func(cfg *config.Config) { cfg.Tunnel.Domain, cfg.PublicURL = "", public })
			})
			cas := filepath.Join(t.TempDir(), "edge.pem")
			if err := os.WriteFile(cas, e.CAs(), 0o600); err != nil {
				t.Fatal(err)
			}
			arg, err := json.Marshal(map[string]string{"url": app.MCPURL, "redirectURI": rig.ClientURI, "name": "Scripted client", "mode": c.Mode})
			if err != nil {
				t.Fatal(err)
			}
			script := rig.StartScript(t, []string{"NODE_EXTRA_CA_CERTS=" + cas}, c.Script, string(arg))
			var start struct{ Authorize string }
			script.Read(&start)
			if at, err := url.Parse(start.Authorize); err != nil || at.Host != "localhost:"+port {
				t.Fatalf("the client goes to %s", at.Host)
			}
			callback := app.Browser(t).SignIn(start.Authorize, rig.ClientURI, "alice")
			script.Write(map[string]string{"callback": callback.String()})
			var signedIn struct{ Refreshable bool }
			script.Read(&signedIn)
			script.Write(map[string]string{"do": "call"})
			rig.CheckCalls(t, script, c)
			logins := len(e.Logins())
			e.Drop()
			rig.WaitFor(t, "the tunnel to be back", func() bool { return len(e.Logins()) > logins && app.Tunnel().State == "up" })
			script.Write(map[string]string{"do": "untilRefreshed"})
			if got := rig.CheckCalls(t, script, c); got.Refreshed < 1 {
				t.Error("the client did not refresh its tokens")
			}
		})
	}
}
