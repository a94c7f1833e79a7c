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
		{"wait", "About five minutes"},
		{"key", "#start"},
		{"wait", "How does the internet reach this computer?"},
		{"eval", "document.querySelector('[name=tunnel]:checked').value"},
		{"type", "#f-authtoken", "ngrok config add-authtoken 2aBcDeFgHiJkLmNoPqRs_TuVwXyZ"},
		{"type", "#f-tunnel_domain", "https://Name.ngrok.app/mcp"},
		{"key", "#tunnel button.main"},
		{"wait", "Where do people sign in?"},
		{"key", "#kind-okta"},
		{"key", "[data-copy=redirect-uri]"},
		{"clipboard"},
		{"type", "#f-domain", "nowhere"},
		{"key", "#provider button.main"},
		{"wait", "This is no Okta domain"},
		{"eval", "document.activeElement.id + '=' + document.activeElement.value"},
		{"eval", "[...document.querySelectorAll('main')].map((m) => m.innerText.split('This is no Okta domain').length - 1).join()"},
	})
	if t.Failed() {
		return
	}
	if want := []string{"ngrok", app.PublicURL() + "/auth/callback", "f-domain=nowhere", "1"}; !slices.Equal(texts, want) {
		t.Errorf("preselected, copied, focused, said so often: %q, want %q", texts, want)
	}
	texts = browser.AskSetup(t, shown.Link, true, rig.SetupSteps{
		{"eval", "(document.querySelector('#f-domain').value = '', '')"},
		{"type", "#f-domain", " " + domain + "/admin/dashboard "},
		{"type", "#f-client_id", okta.ClientID},
		{"type", "#f-client_secret", "not-the-s3cret"},
		{"key", "#provider button.main"},
		{"wait", "does not accept Drawbridge's client ID or client secret"},
		{"eval", "document.querySelector('#f-client_id').value + '|' + document.querySelector('#f-client_secret').getAttribute('value')"},
		{"type", "#f-client_secret", okta.ClientSecret},
		{"key", "#provider button.main"},
		{"wait", "Who may sign in?"},
		{"wait", "answers with one authorization server"},
	})
	if t.Failed() {
		return
	}
	if want := okta.ClientID + "|null"; texts[1] != want {
		t.Errorf("after an error the form holds %q, want %q", texts[1], want)
	}
	shown.Change(func(d *consoletest.Data) { d.Unconfigured = false })
	texts = browser.AskSetup(t, shown.Link, false, rig.SetupSteps{
		{"key", "#access button.main"},
		{"wait", "Nobody may sign in yet"},
		{"type", "#f-emails", "alice@example.com"},
		{"key", "#access button.main"},
		{"wait", "Try a sign-in"},
		{"key", "#try button"}, // to the provider, and back to this page
		{"wait", "Sign-in"},
		{"type", "[name=login]", "alice"},
		{"type", "[name=password]", "x"},
		{"key", "[type=submit]"},
		{"wait", "alice@example.com may sign in."},
		{"read", "[data-part=setup-trial]"},
		{"eval", "document.documentElement.outerHTML"},
	})
	if t.Failed() {
		return
	}
	for _, want := range []string{"everyone, admins", "Refresh token"} {
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
		{"wait", "alice@example.com may sign in."},
		{"key", "#step-access"},
		{"wait", "Everybody else is refused"},
		{"type", "#f-groups", "admins"},
		{"key", "#access button.main"},
		{"wait", "Saved, and in use."},
		{"key", "#step-provider"},
		{"wait", "Left empty, the one in the keychain stays."},
		{"key", "#provider button.main"},
		{"wait", "Everybody else is refused"},
	})
	c = app.Config()
	if !slices.Equal(c.Access.Groups, []string{"admins"}) || !slices.Equal(c.Access.Emails, []string{"alice@example.com"}) || c.IDP.Issuer != okta.Issuer || c.IDP.ClientID != okta.ClientID {
		t.Errorf("saved %+v", c)
	}
	if s, _ := app.keys.Get(t.Context(), keystore.IDPClientSecret); s.Reveal() != okta.ClientSecret {
		t.Error("the client secret did not stay")
	}
}
