package setup

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// Setup's logic against a provider that nobody of Drawbridge wrote, in both of
// Okta's shapes: it finds the servers, checks a form, and tries a sign-in.
func TestSetupProvider(t *testing.T) {
	for _, shape := range []string{"custom", "org"} {
		t.Run(shape, func(t *testing.T) {
			okta := rig.StartOkta(t, shape)
			app := newSetupApp(t)
			domain := strings.TrimSuffix(okta.Issuer, "/oauth2/default")
			located := wizard.Candidate{Config: config.Default()}
			if r := app.Wizard().Locate(t.Context(), wizard.Okta, wizard.Form{wizard.FieldDomain: domain + "/"}, &located); !r.OK() || located.Config.IDP.Issuer != okta.Issuer {
				t.Fatalf("located %s, %v", located.Config.IDP.Issuer, r.Problems)
			}
			redirect := app.PublicURL() + "/auth/callback"
			cand := wizard.Candidate{Config: config.Default(), ClientSecret: keystore.NewSecret(okta.ClientSecret), RedirectURI: redirect}
			cand.Config.IDP.Issuer, cand.Config.IDP.ClientID, cand.Config.IDP.Audience = okta.Issuer, okta.ClientID, okta.Audience
			cand.Config.Access.Groups = []string{"admins"}
			cand.Config = wizard.WithScopes(cand.Config)
			check := func(c wizard.Candidate) string {
				var all []string
				for _, p := range app.Wizard().CheckProvider(t.Context(), wizard.Okta, &c).Problems {
					all = append(all, p.String())
				}
				return strings.Join(all, " ")
			}
			if got := check(cand); !strings.Contains(got, "Add "+redirect) {
				t.Errorf("an unknown redirect URI: %q", got)
			}
			okta.AllowRedirect(redirect)
			if got := check(cand); got != "" {
				t.Errorf("all is well: %q", got)
			}
			wrong := cand
			wrong.ClientSecret = keystore.NewSecret("wrong")
			if got := check(wrong); !strings.Contains(got, "client ID or client secret") {
				t.Errorf("a wrong secret: %q", got)
			}
			okta.SetMode("down")
			if got := check(cand); !strings.Contains(got, "problem of its own") {
				t.Errorf("an outage: %q", got)
			}
			okta.SetMode("ok")
			if err := app.Configure(t.Context(), cand.Config, map[string]keystore.Secret{keystore.IDPClientSecret: cand.ClientSecret}); err != nil {
				t.Fatal(err)
			}
			setupTries(t, app, okta)
		})
	}
}

func setupTries(t *testing.T, app *setupApp, okta *rig.Okta) {
	for _, c := range []struct {
		person  string
		set     map[string]any
		allowed bool
	}{
		{"alice", nil, true},
		{"bob", nil, false},
		{"alice", map[string]any{"groups": []string{"everyone"}}, false},
	} {
		if c.set != nil {
			okta.SetUser(c.person, c.set)
		}
		address, err := app.StartDryRun(t.Context(), app.public.URL+"/health", true)
		if err != nil {
			t.Fatal(err)
		}
		back := rig.NewBrowser(t).SignIn(address, app.PublicURL()+"/auth/callback", c.person)
		resp, err := http.Get(back.String())
		if err != nil || resp.Request.URL.Path != "/health" {
			t.Fatal("the answer was not taken")
		}
		_ = resp.Body.Close()
		st := app.DryRun()
		if st.Result == nil {
			t.Fatalf("%s: %s", c.person, st.Says)
		}
		r := st.Result
		if r.Allowed != c.allowed || r.Email != c.person+"@example.com" || !r.Verified || !r.Refresh || len(r.Warnings) > 0 || !slices.Contains(r.Groups, "everyone") {
			t.Errorf("%s: %+v", c.person, r)
		}
		if live := okta.State().Live; len(live) > 0 {
			t.Errorf("refresh tokens left at the provider: %v", live)
		}
	}
}
