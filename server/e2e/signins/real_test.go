package signins_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// step is one of clients/console.mjs.
type step = []string

// real are the servers that nobody here wrote: what a tool of each says of whose
// token came, whether its tokens can be refreshed, and whether it takes them back
// (RFC 7009).
var real = map[string]struct {
	tool, says         string
	refreshes, revokes bool
}{
	"oidcproxy":  {"whose", "alice@example.com", true, false},
	"remote":     {"whose", "alice", true, true},
	"split":      {"get_time", "current_time", false, false},
	"own":        {"whose", "bob@example.com", true, false},
	"legacy":     {"get_time", "current_time", false, false},
	"typescript": {"whose", "alice", true, true},
}

// With servers of FastMCP, the Python SDK and the TypeScript SDK: the owner signs
// in from the console in a real browser, a real client calls their tools through
// /mcp, tokens expire, are revoked there, and the owner signs in again and out.
func TestRealServers(t *testing.T) {
	servers := rig.StartSignInServers(t, 3)
	mounted := map[string]rig.MCPServer{}
	legacy := servers.URLs["legacy"] // which a newcomer adds, below
	delete(servers.URLs, "legacy")
	for name, url := range servers.URLs {
		mounted[name] = rig.MCPServer{URL: url}
	}
	mounted["own"] = mounted["oidcproxy"] // where each person uses an account of their own
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Servers = map[string]config.ServerSettings{"own": {SignIn: status.AsEach}}
	}}, mounted))
	names := slices.Sorted(maps.Keys(real))
	await := func(what, state string, of ...string) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Logf("%+v\n%s", app.Srv.Status().Servers, app.Log)
			}
		}()
		rig.WaitFor(t, what, func() bool {
			for _, name := range of {
				if signInOf(app, name).SignIn.State != state {
					return false
				}
			}
			return true
		})
	}
	browser := rig.StartConsoleBrowser(t)
	type steps = []step
	browser.Ask(t, map[string]any{"do": "steps", "link": app.Srv.ConsoleLink("/servers"), "steps": steps{{"key", "a[href='/servers?add=1']"}, {"type", "#add-text", legacy}, {"type", "#add-name", "legacy"},
		{"key", "#add button"}, {"wait", "Needs your sign-in"}, {"key", "#signin button"}, {"wait", "MCP Demo Authentication"}, {"key", "button"}, {"wait", "You are signed in"}, {"key", "#console"}, {"wait", "Sign out"}}})
	if t.Failed() {
		return
	}
	await("the need to sign in", status.SignInNeeded, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "legacy" })...)
	walk := func(server string, more steps) string {
		t.Helper()
		read := browser.Ask(t, map[string]any{"do": "steps", "link": app.Srv.ConsoleLink("/servers"), "steps": slices.Concat(steps{{"key", "#signin-" + server + " button"}}, more, steps{{"wait", "You are signed in"}, {"key", "#console"}, {"wait", "Sign-in at this server"}, {"read", "main"}})}).Texts
		if len(read) == 0 {
			t.Fatalf("no sign-in at %s: %s", server, app.Log)
		}
		return read[len(read)-1]
	}
	alice := steps{{"wait", "Who are you?"}, {"key", "button[value=alice]"}}
	at := map[string]steps{
		"oidcproxy": append(steps{{"wait", "Allow Access"}, {"key", "button[value=approve]"}}, alice...),
		"remote":    {{"wait", "Sign-in"}, {"type", "[name=login]", "alice"}, {"type", "[name=password]", "any"}, {"key", "button[type=submit]"}, {"wait", "Authorize"}, {"key", "button[type=submit]"}},
		"split":     {{"wait", "MCP Demo Authentication"}, {"key", "button"}},
	}
	for _, name := range names {
		if name == "legacy" {
			continue
		}
		if at[name] != nil {
			walk(name, at[name])
			continue
		}
		page := signInAt(t, app, name, "alice")
		if page.Status != 200 || !strings.Contains(page.Text(), "You are signed in") {
			t.Errorf("%s: ended at %s, %d: %s\n%s", name, rig.WithoutQuery(page.URL), page.Status, page.Text(), app.Log)
		}
	}
	if t.Failed() {
		return
	}
	app.WaitForServers(t)
	program := app.Register(t, rig.ClientURI)
	for _, user := range []string{"alice", "bob"} {
		b := rig.NewBrowser(t)
		m := app.MCP(t, app.SignIn(t, b, program, user).Access)
		link := linkIn.FindString(m.TryTool("own__whose", nil).Body)
		if page := b.Walk(b.Open(link), user, ""); page.Status != 200 || !strings.Contains(page.Text(), "You are signed in") {
			t.Fatalf("%s's own account, by %q: %d %s\n%s", user, link, page.Status, page.Text(), app.Log)
		}
		if got := m.CallTool("own__whose", nil); got != user+"@example.com" {
			t.Errorf("%s uses it as %s", user, got)
		}
	}
	client := rig.StartRealClient(t, app.MCPURL, "v2", "2026-07-28", "bob")
	call := func(name string) rig.ToolAnswer { return client.TryTool(name+"__"+real[name].tool, nil) }
	for _, name := range names {
		if got := call(name); got.IsError || !strings.Contains(got.Text, real[name].says) {
			t.Errorf("%s said %s", name, got.Text)
		}
	}
	rig.WaitFor(t, "two refreshes", func() bool {
		for _, name := range names {
			if got := call(name); got.IsError {
				t.Fatalf("%s, after its token expired: %s", name, got.Text)
			}
		}
		return servers.Refreshed() >= 2
	})

	servers.Revoke()
	for _, name := range names {
		if name == "own" { // the owner's account there was not asked for
			continue
		}
		rig.WaitFor(t, name+" to want a sign-in again", func() bool {
			got := call(name)
			return got.IsError && signInOf(app, name).SignIn.State == status.SignInAgain
		})
		if st := signInOf(app, name); !strings.Contains(st.Error, "drawbridge server sign-in "+name) || st.State != "failed" {
			t.Errorf("%s revoked: %+v", name, st)
		}
		if page := signInAt(t, app, name, "alice"); !strings.Contains(page.Text(), "You are signed in") {
			t.Errorf("%s, again: %s", name, page.Text())
		}
		rig.WaitFor(t, name+" to work again", func() bool { return !call(name).IsError })
	}
	for _, name := range names {
		if err := app.Srv.SignOutServer(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range names {
		await("the need to sign in at "+name, status.SignInNeeded, name)
	}
	rig.WaitFor(t, "what was given to be taken back", func() bool { return servers.AS.State().Revoked >= 2 })
}
