package servers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Two people of different groups use the same servers, each what the rules of
// the moment let them: in lists, in calls by every name, at both paths, in both
// eras. What they may not use is answered like what there is not.
func TestRulesForTwoPeople(t *testing.T) {
	rules := []config.Rule{
		{Groups: []string{"admins"}},
		{Groups: []string{"everyone"}, Servers: []string{"one"}, Tools: []string{"test_simple_text", "test_image_content"}, Resources: []string{"test://static-*"}},
	}
	o := rig.Mounting(t, rig.AppOptions{Config: func(c *config.Config) { c.Access.Rules = rules }},
		map[string]rig.MCPServer{"one": rig.ConformanceServer(t, "stdio"), "two": rig.ConformanceServer(t, "stdio", "legacy")})
	app := rig.StartApp(t, o)
	app.WaitForServers(t)
	sign := func(user, path string, modern bool) *rig.MCP {
		m := app.MCPAt(t, app.SignInAt(t, app.Register(t, rig.ClientURI), user, path).Access, path)
		m.Modern = modern
		return m
	}
	for _, modern := range []bool{false, true} {
		t.Run(fmt.Sprintf("modern=%t", modern), func(t *testing.T) {
			alice, bob := sign("alice", "/mcp", modern), sign("bob", "/mcp", modern)
			if tools := alice.Listing(t, "tools/list"); !slices.Contains(tools, "two__test_error_handling") || !slices.Contains(tools, "echo") {
				t.Errorf("alice sees %v", tools)
			}
			bobs := func() string { return strings.Join(bob.Listing(t, "tools/list"), " ") }
			if got := bobs(); got != "one__test_simple_text one__test_image_content" {
				t.Errorf("bob sees %s", got)
			}
			if got := strings.Join(bob.Listing(t, "resources/list"), " "); got != "test://static-text test://static-binary" {
				t.Errorf("bob's resources are %s", got)
			}
			for _, list := range []string{"prompts/list", "resources/templates/list"} {
				if got := bob.Listing(t, list); len(got) != 0 {
					t.Errorf("%s of bob: %v", list, got)
				}
			}
			hidden(t, bob, []string{"echo", "whoami", "one__test_error_handling", "two__test_simple_text", "test_error_handling", "one__nothing", "nothing"})
			if r := bob.TryTool("one__test_simple_text", map[string]any{}); r.Code != 0 || !strings.Contains(string(r.Result), "simple text") {
				t.Errorf("bob's own: %s", rig.Clip(r.Body))
			}
			one := sign("bob", "/s/one/mcp", modern)
			if got := strings.Join(one.Listing(t, "tools/list"), " "); got != "test_simple_text test_image_content" {
				t.Errorf("bob sees %s at /s/one/mcp", got)
			}
			hidden(t, one, []string{"test_error_handling", "one__test_simple_text", "nothing"})
			two := sign("bob", "/s/two/mcp", modern)
			if r := two.Call("tools/list", map[string]any{}); r.Status != http.StatusNotFound {
				t.Errorf("bob at /s/two/mcp: %d %s", r.Status, rig.Clip(r.Body))
			}

			// The rules of the next moment count for the sessions of this one.
			changeRules(t, app, append(rules, config.Rule{Emails: []string{"bob@example.com"}, Servers: []string{"two"}}))
			rig.WaitFor(t, "bob to see two", func() bool { return strings.Contains(bobs(), "two__test_error_handling") })
			if r := two.Call("tools/list", map[string]any{}); r.Status != http.StatusOK {
				t.Errorf("bob at /s/two/mcp: %d %s", r.Status, rig.Clip(r.Body))
			}
			if r := bob.TryTool("two__test_simple_text", map[string]any{}); r.Code != 0 {
				t.Errorf("bob's new one: %s", rig.Clip(r.Body))
			}
			changeRules(t, app, rules)
			rig.WaitFor(t, "bob not to see two", func() bool { return !strings.Contains(bobs(), "two__") })
			hidden(t, bob, []string{"two__test_simple_text", "nothing"})
			if r := two.Call("tools/list", map[string]any{}); r.Status != http.StatusNotFound {
				t.Errorf("bob at /s/two/mcp: %d %s", r.Status, rig.Clip(r.Body))
			}
		})
	}
	// Tokens are for one path.
	access := app.SignInAt(t, app.Register(t, rig.ClientURI), "alice", "/s/one/mcp").Access
	for path, want := range map[string]int{"/s/one/mcp": 200, "/s/one/mcp/": 200, "/mcp": 401, "/s/two/mcp": 401, "/s/three/mcp": 401} {
		if r := app.MCPAt(t, access, path).Initialize(); r.Status != want {
			t.Errorf("%s answered %d, want %d: %s", path, r.Status, want, rig.Clip(r.Body))
		}
	}
}

// What stands at /s/NAME/mcp a stranger can't tell: a server, one that is off, or
// none answer alike, at every path and in every way, without a token and with one
// of another path. So do a server that the person may not see and one that is
// gone, with a token that was given for it.
func TestHiddenServers(t *testing.T) {
	one, two := rig.SmallServer(t, 1), rig.SmallServer(t, 1)
	both := map[string]rig.MCPServer{"one": one, "two": two}
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, both))
	app.WaitForServers(t)
	c := app.Register(t, rig.ClientURI)
	tokens := map[string]string{"none": "", "bad": "dba_x", "of /mcp": app.SignIn(t, rig.NewBrowser(t), c, "alice").Access, "of /s/two/mcp": app.SignInAt(t, c, "alice", "/s/two/mcp").Access}
	alike := func(a, b string, tokens map[string]string) {
		t.Helper()
		for _, path := range []string{"/s/NAME/mcp", "/s/NAME/mcp/", "/s/NAME", "/s/NAME/", "/s/NAME/mcp/x", "/.well-known/oauth-protected-resource/s/NAME/mcp", "/.well-known/oauth-protected-resource/s/NAME/mcp/",
			"/.well-known/oauth-authorization-server/s/NAME/mcp", "/.well-known/openid-configuration/s/NAME/mcp", "/s/NAME/mcp/.well-known/openid-configuration"} {
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD"} {
				for _, accept := range []string{"application/json, text/event-stream", "text/html"} {
					for of, token := range tokens {
						headers := []string{"Accept", accept, "Content-Type", "application/json"}
						if token != "" {
							headers = append(headers, "Authorization", "Bearer "+token)
						}
						var said []string
						for _, name := range []string{a, b} {
							r := app.Do(t, method, strings.Replace(path, "NAME", name, 1), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`), headers...)
							r.Header.Del("Date")
							said = append(said, strings.ReplaceAll(fmt.Sprint(r.Status, r.Header, r.Body), "/s/"+name+"/", "/s/NAME/"))
						}
						if said[0] != said[1] {
							t.Errorf("%s %s, token %s:\n%s\n%s", method, path, of, said[0], said[1])
						}
					}
				}
			}
		}
	}
	alike("one", "non", map[string]string{"none": "", "bad": tokens["bad"], "of /mcp": tokens["of /mcp"], "of /s/two/mcp": tokens["of /s/two/mcp"]})
	if r := app.Get(t, "/s/non/mcp"); r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "/.well-known/oauth-protected-resource/s/non/mcp") {
		t.Errorf("a server that is not there: %d %v", r.Status, r.Header)
	}
	delete(both, "two") // its token is left
	rig.WriteServers(t, app.Options.ConfigFile, both)
	m := app.MCPAt(t, tokens["of /s/two/mcp"], "/s/two/mcp")
	rig.WaitFor(t, "two to go", func() bool { return m.Initialize().Status == http.StatusNotFound })
	alike("two", "tow", map[string]string{"none": "", "bad": tokens["bad"], "of /mcp": tokens["of /mcp"]})
}

// hidden checks that calling each of names gives the same answer, but for the
// name: that of a tool that does not exist.
func hidden(t *testing.T, m *rig.MCP, names []string) {
	t.Helper()
	for _, name := range names {
		r := m.TryTool(name, map[string]any{})
		if r.Code != -32602 || r.Message != "Unknown tool: "+name || len(r.Result) > 0 {
			t.Errorf("%s answered %d %q: %s", name, r.Code, r.Message, rig.Clip(r.Body))
		}
	}
	for _, uri := range []string{"test://watched-resource", "test://template/1/data"} {
		if r := m.Call("resources/read", map[string]any{"uri": uri}); r.Code == 0 || !strings.HasPrefix(r.Message, "Resource not found") {
			t.Errorf("%s answered %d %q", uri, r.Code, r.Message)
		}
	}
}

// changeRules saves a configuration with other rules, as an editor would.
func changeRules(t *testing.T, app *rig.App, rules []config.Rule) {
	t.Helper()
	cfg := app.Config
	cfg.Listen, cfg.Access.Rules = "127.0.0.1:0", rules
	if err := rig.SaveConfig(app.Options.ConfigFile, cfg); err != nil {
		t.Fatal(err)
	}
}
