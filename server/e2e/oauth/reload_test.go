package oauth

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A changed configuration takes effect without a restart: what can change under
// the running site does so at once and touches no session that it still
// allows.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	app := rig.StartApp(t, rig.AppOptions{ConfigFile: file})
	alice := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	bob := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "bob")
	change := func(what func(*config.Config)) {
		t.Helper()
		what(&app.Config)
		if err := rig.SaveConfig(file, app.Config); err != nil {
			t.Fatal(err)
		}
	}
	mcp := app.MCP(t, alice.Access)
	mcp.Initialize()
	change(func(c *config.Config) { c.Tools.Add = false })
	rig.WaitFor(t, "the tool to be gone", func() bool { return mcp.TryTool("add", map[string]any{"a": 1, "b": 2}).Code != 0 })

	change(func(c *config.Config) { c.Access = config.Access{Emails: []string{"alice@example.com"}} })
	rig.WaitFor(t, "bob's session to end", func() bool { return len(app.Sessions(t)) == 1 })
	if got := app.Do(t, http.MethodPost, "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+bob.Access); got.Status != http.StatusUnauthorized {
		t.Errorf("bob is answered %d", got.Status)
	}
	if got := mcp.CallTool("echo", map[string]any{"message": "still here"}); got != "Echo: still here" {
		t.Errorf("alice gets %q", got)
	}

	// A new site: the next sign-in lives by it, and alice's session lives on.
	change(func(c *config.Config) { c.Clients.Registration = false })
	rig.WaitFor(t, "registration to close", func() bool {
		return app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{rig.ClientURI}}).Status != http.StatusCreated
	})
	if got := app.MCP(t, alice.Access).CallTool("echo", map[string]any{"message": "and here"}); got != "Echo: and here" {
		t.Errorf("alice gets %q", got)
	}
}
