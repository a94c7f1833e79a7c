package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// The owner sees in the console of the real app who has signed in, and ends it
// there: the tokens are dead at once. A redirect URI that was refused is offered
// to be allowed.
func TestConsoleOfTheApp(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{ConfigFile: filepath.Join(t.TempDir(), "config.toml")})
	c := rig.ReadControlFile(t, app)
	const refused = "https://global.consent.azure-apim.net/redirect/acme"
	r := app.Do(t, "POST", "/register", strings.NewReader(`{"client_name":"Copilot <b>Studio","redirect_uris":["`+refused+`"]}`), "Content-Type", "application/json")
	if r.Status != http.StatusBadRequest {
		t.Fatalf("the registration answers %d", r.Status)
	}
	app.MustWorkWith(t, tokens.Access)

	read := use(t, rig.StartConsoleBrowser(t), c.URL+"/#key="+c.Key, "en-GB",
		step{"wait", app.MCPURL}, step{"read", "#fact-drawbridge"},
		step{"key", "#nav-sessions"}, step{"wait", "alice@example.com"},
		step{"key", "[id^=more-] summary"}, step{"type", "[id^=label-]", "laptop"}, step{"key", "[id^=rename-] button"}, step{"wait", "laptop · alice@example.com"},
		step{"key", ".rows [id^=revoke-] button"}, step{"wait", "Until then you can undo it."}, step{"key", "[id^=keep-] button"}, step{"wait", "The session goes on."},
		step{"key", ".rows [id^=revoke-] button"}, step{"wait", "Nobody is signed in."},
		step{"key", "#nav-activity"}, step{"wait", "Session revoked"}, step{"wait", "Copilot <b>Studio"}, step{"read", "[action^='/activity/allow']"},
		step{"key", "[action^='/activity/allow'] button"}, step{"wait", "That address is allowed now."},
		step{"key", "#nav-doctor"}, step{"key", "#doctor-run button"}, step{"wait", "Report"}, step{"read", "#report"},
		step{"key", "#nav-overview"}, step{"key", "#pause button"}, step{"wait", "Paused: nobody gets in from outside."})
	if t.Failed() {
		return
	}
	if r := app.Do(t, "POST", "/register", strings.NewReader(`{"redirect_uris":["`+refused+`"]}`), "Content-Type", "application/json"); r.Status != http.StatusCreated {
		t.Errorf("after it was allowed, the registration answers %d", r.Status)
	}
	for i, want := range []string{"Ready", refused, "Drawbridge "} {
		if !strings.Contains(read[i], want) {
			t.Errorf("read %q, want %q", read[i], want)
		}
	}
	if r := app.Do(t, "POST", "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+tokens.Access); r.Status != http.StatusServiceUnavailable {
		t.Errorf("paused, /mcp answers %d", r.Status)
	}
	if r := c.Send(t, "POST", "/api/resume", "", "Authorization", "Bearer "+c.Key); r.Status != http.StatusOK {
		t.Fatalf("resume: %d", r.Status)
	}
	if r := app.Do(t, "POST", "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+tokens.Access); r.Status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", r.Status)
	}
}

// What the console's forms save is in config.toml, which keeps its comments and
// its order, and counts at once: who is taken off the list is signed out.
func TestConsoleEditsTheFile(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{ConfigFile: filepath.Join(t.TempDir(), "config.toml"),
		Config: func(c *config.Config) { c.Access = config.Access{Emails: []string{"alice@example.com"}} }})
	c := rig.ReadControlFile(t, app)
	file := app.Options.ConfigFile
	if err := config.Edit(file, func(c *config.Config) error { *c = app.Config; return nil }); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const remark = "# asked for by the night shift\n"
	if err := os.WriteFile(file, append([]byte(remark), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	app.MustWorkWith(t, tokens.Access)
	use(t, rig.StartConsoleBrowser(t), c.URL+"/#key="+c.Key, "en-GB",
		step{"key", "#nav-settings"}, step{"clear", "#tokens-access"}, step{"type", "#tokens-access", "12m"}, step{"key", "#form-tokens button"}, step{"wait", "Saved, and in effect."},
		step{"key", "#nav-access"}, step{"key", "#rule-0 summary"}, step{"type", "#rule-0-groups", "everyone"}, step{"type", "#rule-0-tools", "echo"}, step{"key", "#form-rule-0 button"}, step{"wait", "Rule 1"}, step{"wait", "everyone · echo"},
		step{"type", "#a-email", "alice@example.com"}, step{"key", "#look button"}, step{"wait", "This person may use 1 thing."},
		step{"clear", "#people-emails"}, step{"type", "#people-emails", "carol@example.com"}, step{"key", "#form-people button"}, step{"wait", "Saved, and in effect."},
		step{"key", "#nav-sessions"}, step{"wait", "Nobody is signed in."})
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{remark, "access = '12m'", "[[access.rule]]", "everyone", "carol@example.com"} {
		if !strings.Contains(strings.ReplaceAll(string(saved), `"`, "'"), want) {
			t.Errorf("config.toml lacks %q:\n%s", want, saved)
		}
	}
	if r := app.Do(t, "POST", "/mcp", strings.NewReader("{}"), "Authorization", "Bearer "+tokens.Access); r.Status != http.StatusUnauthorized {
		t.Errorf("whoever is off the list gets %d", r.Status)
	}
}

// It handles strangers at the console of the real app: no page on the public
// listener, and none for a public token on the control side.
func TestSecConsoleWithoutToken(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	c := rig.ReadControlFile(t, app)
	for _, path := range []string{"/", "/sessions", "/activity", "/activity/events.jsonl", "/servers", "/access", "/approvals", "/settings", "/doctor", "/setup", "/panic"} {
		for _, token := range []string{tokens.Access, tokens.Refresh, c.Key} {
			r := c.Send(t, "GET", path, "", "Authorization", "Bearer "+token)
			if r.Status != http.StatusUnauthorized || strings.Contains(string(r.Body), "alice") {
				t.Errorf("%s: %d", path, r.Status)
			}
		}
		if path == "/" {
			continue
		}
		if r := app.Do(t, "GET", path, nil); r.Status != http.StatusNotFound {
			t.Errorf("%s on the public listener: %d", path, r.Status)
		}
	}
	for _, path := range []string{"/session", "/panic/now", "/sessions/all", "/console.js"} {
		if r := app.Do(t, "POST", path, strings.NewReader(`{"key":"`+c.Key+`"}`), "Authorization", "Bearer "+c.Key); r.Status != http.StatusNotFound {
			t.Errorf("%s on the public listener: %d", path, r.Status)
		}
	}
	app.MustWorkWith(t, tokens.Access)
}

// Switches that are clicked one upon the other all count, also those of tools
// whose names can't stand in a pattern as they are.
func TestSwitchesAtOnce(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{ConfigFile: filepath.Join(t.TempDir(), "config.toml")})
	if err := config.Edit(app.Options.ConfigFile, func(c *config.Config) error { *c = app.Config; return nil }); err != nil {
		t.Fatal(err)
	}
	c := rig.ReadControlFile(t, app)
	var entered struct{ Token string }
	if err := json.Unmarshal([]byte(c.Send(t, "POST", "/session", `{"key":"`+c.Key+`"}`).Body), &entered); err != nil {
		t.Fatal(err)
	}
	tools := []string{"read", "write", "with space", "a*", "*", "{x}", "!x", "Café", "tab\tin", "q?"}
	turn := func(on string) {
		t.Helper()
		var all sync.WaitGroup
		for _, tool := range tools {
			all.Go(func() {
				r := c.Send(t, "POST", "/servers/tool", url.Values{"server": {"files"}, "tool": {tool}, "on": {on}}.Encode(),
					"Authorization", "Bearer "+entered.Token, "Content-Type", "application/x-www-form-urlencoded")
				if r.Status != http.StatusOK {
					t.Errorf("%q: %d", tool, r.Status)
				}
			})
		}
		all.Wait()
	}
	off := func() []string {
		saved, err := config.Load(app.Options.ConfigFile)
		if err != nil {
			t.Fatal(err)
		}
		return saved.Servers["files"].ToolsOff
	}
	turn("false")
	patterns := off()
	for _, tool := range tools {
		if !config.MatchAny(patterns, tool) {
			t.Errorf("%q is still on: %q", tool, patterns)
		}
	}
	if config.MatchAny(patterns, "another") {
		t.Errorf("more is off than was switched: %q", patterns)
	}
	turn("true")
	if patterns := off(); len(patterns) > 0 {
		t.Errorf("still off: %q", patterns)
	}
}
