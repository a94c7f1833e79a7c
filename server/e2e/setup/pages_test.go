package setup

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// setupPictures are the states of Setup's pages that are looked at.
var setupPictures = []struct {
	name, path, press string
	prepare           func(*setupApp)
	en, ja            string
}{
	{"welcome", "/setup", "", nil, "drawbridge demo", "drawbridge demo"},
	{"kinds", "/setup?step=provider", "", nil, "Where do people sign in?", "どこでサインインしますか"},
	{"okta", "/setup?step=provider&kind=okta", "", withTunnel, "https://name.ngrok.app/auth/callback", "https://name.ngrok.app/auth/callback"},
	{"okta-empty", "/setup?step=provider&kind=okta", "#provider button.main", nil, "The domain is missing", "ドメインがありません"},
	{"entra-empty", "/setup?step=provider&kind=entra", "#provider button.main", nil, "The tenant ID is missing", "テナント ID がありません"},
	{"google", "/setup?step=provider&kind=google", "", nil, "Google Cloud console", "Google Cloud コンソール"},
	{"keycloak", "/setup?step=provider&kind=keycloak", "", nil, "Realm", "レルム"},
	{"configured", "/setup?step=provider", "", configuredOkta, "Left empty, the one in the keychain stays.", "空欄のままなら"},
	{"tunnel", "/setup?step=tunnel", "", configuredOkta, "The tunnel now", "現在のトンネル"},
	{"tunnel-empty", "/setup?step=tunnel", "#tunnel button.main", nil, "The authtoken is missing", "authtoken がありません"},
	{"access", "/setup?step=access", "", configuredOkta, "Who may sign in?", "誰がサインインできますか"},
	{"access-empty", "/setup?step=access", "#access button.main", nil, "Nobody may sign in yet", "まだ誰もサインインできません"},
	{"try", "/setup?step=try", "", configuredOkta, "Try a sign-in", "サインインを試す"},
	{"try-waiting", "/setup?step=try", "", withTrial(wizard.TrialStatus{State: wizard.TrialWaiting, Says: wizard.Sentence{
		Text:  "If the browser shows an error of {name} that speaks of a redirect URI or callback URL, {name} does not know ours: enter {redirect} there, byte for byte, and try again.",
		Words: map[string]string{"name": "Okta", "redirect": "https://name.ngrok.app/auth/callback"}}}), "Waiting for the browser to come back", "戻るのを待っています"},
	{"try-done", "/setup?step=try", "", withTrial(wizard.TrialStatus{State: wizard.TrialDone, Result: &wizard.TrialResult{Name: "Alice Liddell", Email: "alice@example.com", Verified: true,
		Groups: []string{"everyone", "admins"}, Refresh: true, Scopes: []string{"openid", "profile", "email", "offline_access"}, Allowed: true,
		Verdict: wizard.Sentence{Text: "{who} may sign in.", Words: map[string]string{"who": "alice@example.com"}}}}), "alice@example.com may sign in.", "alice@example.com はサインインできます"},
	{"try-warned", "/setup?step=try", "", withTrial(wizard.TrialStatus{State: wizard.TrialDone, Result: &wizard.TrialResult{Email: "bob@example.com", NoGroups: wizard.Sentence{Text: "Okta names no groups. Add a claim named groups to the ID token under Security, API, this authorization server, Claims."}, Scopes: []string{"openid"},
		Verdict:  wizard.Sentence{Text: "{who} may not sign in: neither the address nor a group is on the list.", Words: map[string]string{"who": "bob@example.com"}},
		Warnings: []wizard.Sentence{{Text: "Okta names no groups. Add a claim named groups to the ID token under Security, API, this authorization server, Claims."}}}}), "bob@example.com may not sign in", "bob@example.com はサインインできません"},
	{"try-unknown", "/setup?step=try", "", withTrial(wizard.TrialStatus{State: wizard.TrialFailed, Unsure: true, Says: wizard.Sentence{
		Text:  "{Name} does not know Drawbridge's redirect URI. Add {redirect} to the client's redirect URIs there.",
		Words: map[string]string{"Name": "Okta", "redirect": "https://name.ngrok.app/auth/callback"}}}), "Try all the same", "それでも試す"},
}

func configuredOkta(a *setupApp) {
	a.configured("https://dev-1.okta.com/oauth2/default", "0oa1b2c3d4e5f6g7h8i9")
}

func withTunnel(a *setupApp) {
	a.address = "https://name.ngrok.app"
	c := config.Default()
	c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: "name.ngrok.app"}
	if err := a.Configure(a.t.Context(), c, nil); err != nil {
		a.t.Fatal(err)
	}
}

func withTrial(st wizard.TrialStatus) func(*setupApp) {
	return func(a *setupApp) {
		configuredOkta(a)
		a.status = &st
	}
}

// setupData is what the rest of the app says meanwhile.
func setupData(configured bool) consoletest.Data {
	return consoletest.Data{Unconfigured: !configured, Status: status.Status{State: status.Ready, Tunnel: status.Tunnel{State: "down", URL: "https://name.ngrok.app",
		Error: "ngrok no longer accepts this authtoken: it was reset or revoked. Copy yours from dashboard.ngrok.com/get-started/your-authtoken and enter it in Setup (ERR_NGROK_107)"}}}
}

// Each state of Setup stays within the screen, raises no error and pleases
// axe-core, by day and night, on a phone and a desk, in both languages. The
// pictures land in out/.
func TestSetupPages(t *testing.T) {
	browser := rig.StartConsoleBrowser(t)
	for _, page := range setupPictures {
		for lang, says := range map[string]string{"en-GB": page.en, "ja-JP": page.ja} {
			t.Run(page.name+"/"+lang, func(t *testing.T) {
				app := newSetupApp(t)
				if page.prepare != nil {
					page.prepare(app)
				}
				shown := consoletest.StartWith(t, setupData(page.prepare != nil), time.Now, app)
				file, err := filepath.Abs("out/setup-" + page.name + "-" + lang[:2])
				if err != nil {
					t.Fatal(err)
				}
				r := browser.Ask(t, map[string]string{"do": "pictures", "link": shown.Link, "path": page.path, "lang": lang, "file": file, "press": page.press})
				if len(r.Texts) != 4 {
					t.Fatalf("%d views, want 4", len(r.Texts))
				}
				for _, text := range r.Texts {
					if !strings.HasPrefix(text, lang[:2]+" ") || !strings.Contains(text, says) {
						t.Errorf("the page does not say %q: %s", says, rig.Clip(text))
					}
					if strings.Contains(text, "s3cret") || strings.Contains(text, "[setup.") {
						t.Errorf("the page says too much: %s", text)
					}
				}
			})
		}
	}
}
