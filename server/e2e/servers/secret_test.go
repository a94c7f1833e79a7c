package servers

import (
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A server whose secret nobody has stored says which it is and how to store it;
// once it is stored, Restart in the console is enough.
func TestServerWithoutSecret(t *testing.T) {
	one := rig.ConformanceServer(t, "stdio")
	one.Env = map[string]string{"API_KEY": "${keychain:API_KEY}"}
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{Keystore: keystore.Memory()}, map[string]rig.MCPServer{"one": one}))
	find := func() status.Server { return app.Status(t).Servers[0] }
	rig.WaitFor(t, "the server to fail", func() bool { return find().State == "failed" })
	if says := find().Error; !strings.Contains(says, "API_KEY is not set. Run `drawbridge secret set one/API_KEY`, then restart one in the console.") {
		t.Errorf("it says %q", says)
	}
	if err := app.Options.Keystore.Set(t.Context(), keystore.ServerSecret("one", "API_KEY"), keystore.NewSecret("k3y")); err != nil {
		t.Fatal(err)
	}
	if err := app.Srv.RestartServer("one"); err != nil {
		t.Fatal(err)
	}
	app.WaitForServers(t)
}
