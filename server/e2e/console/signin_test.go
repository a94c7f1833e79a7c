package console

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Servers with a sign-in of their own, in each state. The pictures land in out/.
func TestSignInPages(t *testing.T) {
	d := consoletest.Sample()
	at := consoletest.Now().Add(-26 * time.Hour)
	for _, s := range []status.Server{
		{Name: "github", State: "failed", Error: "needs a sign-in of its own.", SignIn: status.SignIn{State: status.SignInNeeded, As: status.AsOwner}},
		{Name: "linear", State: "failed", Error: "no longer accepts its sign-in.", SignIn: status.SignIn{State: status.SignInAgain, As: status.AsOwner, Account: "ana@example.com", Since: at}},
		{Name: "notion", State: "ok", Tools: 14, SignIn: status.SignIn{State: status.SignInOK, As: status.AsOwner, Account: "ana@example.com", Since: at}},
		{Name: "tracker", State: "ok", Tools: 3, SignIn: status.SignIn{State: status.SignInOK, As: status.AsEach, Since: at, People: 2}},
	} {
		d.Status.Servers = append(d.Status.Servers, s)
		d.Mounted[s.Name] = config.Server{Name: s.Name, URL: "https://mcp." + s.Name + ".example.com/mcp"}
	}
	shown := consoletest.Start(t, d, consoletest.Now)
	browser := rig.StartConsoleBrowser(t)
	for _, p := range []picture{
		{name: "signin-servers", path: "/servers", en: "Needs your sign-in again", ja: "再サインインが必要です"},
		{name: "signin-again", path: "/servers?server=linear", en: "Your account there is used for whoever your rules let in", ja: "ルールで許可された全員に、あなたのアカウントが使われます"},
		{name: "signin-each", path: "/servers?server=tracker", en: "So far 2 people have.", ja: "現在 2 人がサインインしています"},
	} {
		p.take(t, browser, shown.Link)
	}

	// All of it by keyboard.
	read := browser.Ask(t, map[string]any{"do": "steps", "link": shown.Link, "steps": []step{
		{"key", "#nav-servers"}, {"key", "#open-notion"}, {"key", "#signout button"}, {"wait", "You are signed out at notion."},
		{"key", "#whose summary"}, {"eval", "document.querySelector('#as input[value=each]').click()"}, {"key", "#as button"}, {"wait", "notion is saved."},
		{"key", "#client summary"}, {"type", "#client-id", "app-7"}, {"type", "#client-secret", "hunter2"}, {"key", "#client-form button"}, {"wait", "notion is saved."},
		{"eval", "document.querySelector('#client-secret').value"}}}).Texts
	if len(read) != 2 || read[1] != "" {
		t.Errorf("read %q", read)
	}
	if told := strings.Join(shown.Told(), "\n"); !strings.Contains(told, "sign out notion") || !strings.Contains(told, "client_secret") {
		t.Errorf("told %s", told)
	}
	if set := shown.Config().Servers["notion"]; set.SignIn != status.AsEach || set.ClientID != "app-7" {
		t.Errorf("config.toml: %+v", set)
	}
}
