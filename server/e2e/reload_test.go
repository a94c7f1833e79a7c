package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// A changed configuration takes effect without a restart: what can change under
// the running site does so at once and touches no session that it still
// allows.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	app := StartApp(t, AppOptions{ConfigFile: file})
	alice := app.SignIn(t, NewBrowser(t), app.Register(t, clientURI), "alice")
	bob := app.SignIn(t, NewBrowser(t), app.Register(t, clientURI), "bob")
	change := func(what func(*config.Config)) {
		t.Helper()
		what(&app.config)
		if err := config.Save(file, app.config); err != nil {
			t.Fatal(err)
		}
	}
	mcp := app.MCP(t, alice.Access)
	mcp.Initialize()
	change(func(c *config.Config) { c.Tools.Add = false })
	waitFor(t, "the tool to be gone", func() bool { return mcp.TryTool("add", map[string]any{"a": 1, "b": 2}).Code != 0 })

	change(func(c *config.Config) { c.Access = config.Access{Emails: []string{"alice@example.com"}} })
	waitFor(t, "bob's session to end", func() bool { return len(app.Sessions(t)) == 1 })
	if got := app.Do(t, http.MethodPost, "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+bob.Access); got.Status != http.StatusUnauthorized {
		t.Errorf("bob is answered %d", got.Status)
	}
	if got := mcp.CallTool("echo", map[string]any{"message": "still here"}); got != "Echo: still here" {
		t.Errorf("alice gets %q", got)
	}

	// A new site: the next sign-in lives by it, and alice's session lives on.
	change(func(c *config.Config) { c.Clients.Registration = false })
	waitFor(t, "registration to close", func() bool {
		return app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{clientURI}}).Status != http.StatusCreated
	})
	if got := app.MCP(t, alice.Access).CallTool("echo", map[string]any{"message": "and here"}); got != "Echo: and here" {
		t.Errorf("alice gets %q", got)
	}
}
