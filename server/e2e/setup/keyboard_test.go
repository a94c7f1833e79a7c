package setup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
)

// A person sets Drawbridge up in Chromium with the keyboard alone, against a
// provider that nobody of Drawbridge wrote: wrong entries on the way, the dry
// run at the end, and a change some days later.
func TestSetupWithKeyboard(t *testing.T) {
	okta := rig.StartOkta(t, "custom")
	app := newSetupApp(t)
	okta.AllowRedirect(app.PublicURL() + "/auth/callback")
	shown := consoletest.StartWith(t, setupData(false), time.Now, app)
	browser := rig.StartConsoleBrowser(t)
	domain := strings.TrimSuffix(okta.Issuer, "/oauth2/default")

	texts := browser.AskSetup(t, shown.Link, true, rig.SetupSteps{
		{"wait", "Who signs you in?"},
		{"key", "#kind-okta"},
		{"type", "#f-domain", "nowhere"},
		{"key", "#provider button.main"},
		{"wait", "This is no Okta domain"},
		{"eval", "document.activeElement.id"}, // the summary
		{"key", "#problems a"},                // leads to the field
		{"eval", "document.activeElement.id + '=' + document.activeElement.value"},
		{"eval", "document.activeElement.select()"},
		{"eval", "document.activeElement.blur()"},
	})
	if t.Failed() {
		return
	}
	if want := []string{"flash", "f-domain=nowhere"}; !slices.Equal(texts[:2], want) {
		t.Errorf("focus went to %v, want %v", texts[:2], want)
	}
	// Typing goes on in what is selected.
	texts = browser.AskSetup(t, shown.Link, true, rig.SetupSteps{
		{"eval", "(document.querySelector('#f-domain').value = '', '')"},
		{"type", "#f-domain", " " + domain + "/admin/dashboard "},
		{"key", "#provider button.main"},
		{"wait", "Choose the authorization server"},
		{"read", "#f-server"},
		{"type", "#f-client_id", okta.ClientID},
		{"type", "#f-client_secret", "not-the-s3cret"},
		{"key", "#provider button.main:not([name])"},
		{"wait", "does not accept Drawbridge's client ID or client secret"},
		{"eval", "document.querySelector('#f-client_id').value + '|' + document.querySelector('#f-client_secret').getAttribute('value') + '|' + document.querySelector('[name=server]:checked').value"},
		{"type", "#f-client_secret", okta.ClientSecret},
		{"key", "#provider button.main:not([name])"},
		{"wait", "The tunnel now"},
	})
	if t.Failed() {
		return
	}
	if !strings.Contains(texts[1], "recommended") {
		t.Errorf("the servers: %s", texts[1])
	}
	if want := okta.ClientID + "|null|default"; texts[2] != want {
		t.Errorf("after an error the form holds %q, want %q", texts[2], want)
	}
	shown.Change(func(d *consoletest.Data) { d.Unconfigured = false })
	texts = browser.AskSetup(t, shown.Link, true, rig.SetupSteps{
		{"type", "input[name=tunnel]", " "},
		{"type", "#f-authtoken", "ngrok config add-authtoken 2aBcDeFgHiJkLmNoPqRs_TuVwXyZ"},
		{"type", "#f-tunnel_domain", "https://Name.ngrok.app/mcp"},
		{"key", "#tunnel button.main"},
		{"wait", "Who may sign in?"},
		{"key", "#access button.main"},
		{"wait", "Nobody may sign in yet"},
		{"type", "#f-emails", "alice@example.com"},
		{"key", "#access button.main"},
		{"wait", "Try a sign-in"},
		{"key", "[data-copy=redirect-uri]"},
		{"clipboard"},
		{"key", "#try button"},
		{"wait", "in a new tab"},
		{"eval", "document.querySelector('#go').href"},
	})
	if t.Failed() {
		return
	}
	if texts[0] != app.PublicURL()+"/auth/callback" {
		t.Errorf("copied %q", texts[0])
	}
	texts = browser.AskSetup(t, shown.Link, false, rig.SetupSteps{
		{"tab", texts[1]},
		{"type", "[name=login]", "alice"},
		{"type", "[name=password]", "x"},
		{"key", "[type=submit]"},
		{"wait", "Go back to Setup"},
		{"close"},
		{"wait", "alice@example.com may sign in."},
		{"read", "[data-part=setup-trial]"},
		{"eval", "document.documentElement.outerHTML"},
	})
	if t.Failed() {
		return
	}
	for _, want := range []string{"everyone, admins", "Refresh token", "It is for " + okta.Audience} {
		if !strings.Contains(texts[0], want) {
			t.Errorf("no %q in %s", want, texts[0])
		}
	}
	if strings.Contains(texts[1], okta.ClientSecret) || strings.Contains(texts[1], "2aBcDeF") || strings.Contains(texts[1], "code=") {
		t.Error("the page holds a secret")
	}
	if live := okta.State().Live; len(live) > 0 {
		t.Errorf("refresh tokens left at the provider: %v", live)
	}
	c := app.Config()
	if c.IDP.Issuer != okta.Issuer || c.Tunnel.Domain != "name.ngrok.app" || c.Tunnel.Provider != "ngrok" || !slices.Equal(c.Access.Emails, []string{"alice@example.com"}) {
		t.Errorf("saved %+v", c)
	}
	for account, want := range map[string]string{keystore.IDPClientSecret: okta.ClientSecret, keystore.NgrokAuthtoken: "2aBcDeFgHiJkLmNoPqRs_TuVwXyZ"} {
		if s, _ := app.keys.Get(t.Context(), account); s.Reveal() != want {
			t.Errorf("%s is %q", account, s.Reveal())
		}
	}

	// Later: what is configured stands there, and secrets stay.
	browser.AskSetup(t, shown.Link, false, rig.SetupSteps{
		{"wait", "Try a sign-in"},
		{"key", "#step-access"},
		{"wait", "Everybody else is refused"},
		{"type", "#f-groups", "admins"},
		{"key", "#access button.main"},
		{"wait", "Saved, and in use."},
		{"key", "#step-provider"},
		{"wait", "Left empty, the one in the keychain stays."},
		{"key", "#provider button.main:not([name])"},
		{"wait", "The tunnel now"},
	})
	c = app.Config()
	if !slices.Equal(c.Access.Groups, []string{"admins"}) || !slices.Equal(c.Access.Emails, []string{"alice@example.com"}) || c.IDP.Issuer != okta.Issuer || c.IDP.ClientID != okta.ClientID {
		t.Errorf("saved %+v", c)
	}
	if s, _ := app.keys.Get(t.Context(), keystore.IDPClientSecret); s.Reveal() != okta.ClientSecret {
		t.Error("the client secret did not stay")
	}
}
