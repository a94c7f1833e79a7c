package wizard

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
)

// good is a candidate that nothing stands in the way of.
func (f *fake) good(k Kind) Candidate {
	c := config.Default()
	c.IDP = f.as(k)
	c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: "name.ngrok.app"}
	c.Access = config.Access{Emails: []string{"ana@example.com"}}
	return Candidate{Config: c, Authtoken: keystore.NewSecret("2aBcDeFgHiJkLmNoPqRsTuVwXyZ_4gHiJkLmNoPqRsTuVwXyZ"), RedirectURI: theRedirect}
}

// check looks at the whole of a candidate.
func check(t *testing.T, w *Wizard, c Candidate) Report {
	t.Helper()
	kind, _ := KindOf(c.Config.IDP)
	r := w.CheckProvider(t.Context(), kind, &c)
	r.Add(w.CheckTunnel(t.Context(), &c))
	r.Add(w.CheckAccess(c))
	return r
}

// ngrok has one account, with a domain that stays or a new one each time.
type ngrokAccount struct {
	domain string
	stays  bool
	fail   error
}

func (n *ngrokAccount) open(_ context.Context, c Candidate) (string, error) {
	domain := c.Config.Tunnel.Domain
	switch {
	case n.fail != nil:
		return "", n.fail
	case domain == "" || domain == n.domain && n.stays:
		return "https://" + n.domain, nil
	}
	return "", tunnel.Refusal("ERR_NGROK_320")
}

// An authtoken is enough where the account has a domain; what ngrok refuses is
// told before it is saved, at its field.
func TestCheckTunnelOpens(t *testing.T) {
	for _, c := range []struct {
		name    string
		asks    string
		account ngrokAccount
		domain  string
		field   string
		says    string
	}{
		{"an authtoken alone", "", ngrokAccount{domain: "fox.ngrok-free.app", stays: true}, "fox.ngrok-free.app", "", ""},
		{"a domain that goes", "", ngrokAccount{domain: "x1.ngrok.app"}, "", FieldTunnelDomain, "dashboard.ngrok.com/domains"},
		{"a domain of one's own", "fox.ngrok.app", ngrokAccount{domain: "fox.ngrok.app", stays: true}, "fox.ngrok.app", "", ""},
		{"another's domain", "taken.ngrok.app", ngrokAccount{domain: "fox.ngrok.app", stays: true}, "taken.ngrok.app", FieldTunnelDomain, "ERR_NGROK_320"},
		{"a domain that is online", "fox.ngrok.app", ngrokAccount{fail: tunnel.Refusal("ERR_NGROK_334")}, "fox.ngrok.app", FieldTunnelDomain, "ERR_NGROK_334"},
		{"an authtoken that ngrok refuses", "", ngrokAccount{fail: tunnel.Refusal("ERR_NGROK_105")}, "", FieldAuthtoken, "ERR_NGROK_105"},
		{"no way to ngrok", "", ngrokAccount{fail: &tunnel.Error{Msg: "ngrok can't be reached"}}, "", FieldProxy, "can't be reached"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			cand := newFake(t).good(Okta)
			cand.Config.Tunnel.Domain = c.asks
			w := &Wizard{Open: c.account.open}
			r := w.CheckTunnel(t.Context(), &cand)
			if cand.Config.Tunnel.Domain != c.domain || r.OK() != (c.field == "") {
				t.Errorf("domain %q, problems %+v", cand.Config.Tunnel.Domain, r.Problems)
			}
			if c.field != "" && r.Problems[0].Field != c.field {
				t.Errorf("it is about %s", r.Problems[0].Field)
			}
			for _, p := range r.Problems {
				isSentence(t, p.Sentence, c.says)
			}
			if strings.Contains(textOf(r.Notes), "ngrok chooses one") {
				t.Error("it says that ngrok chooses")
			}
		})
	}
}

func TestCheckGood(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			f := newFake(t)
			r := check(t, f.wizard(t), f.good(kind))
			if !r.OK() {
				t.Errorf("%v", r.Problems)
			}
			for _, n := range r.Notes {
				isSentence(t, n)
			}
			if f.hits["/token"] == 0 || f.hits["/authorize"] != 1 {
				t.Errorf("asked %v", f.hits)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	secret := func(s string) func(*fake, *Candidate) {
		return func(_ *fake, c *Candidate) { c.ClientSecret = keystore.NewSecret(s) }
	}
	id := func(s string) func(*fake, *Candidate) {
		return func(_ *fake, c *Candidate) { c.Config.IDP.ClientID = s }
	}
	token := func(s string) func(*fake, *Candidate) {
		return func(_ *fake, c *Candidate) { c.Authtoken = keystore.NewSecret(s) }
	}
	answer := func(path string, handle http.HandlerFunc) func(*fake, *Candidate) {
		return func(f *fake, _ *Candidate) { f.refuse[path] = handle }
	}
	page := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = w.Write([]byte(text)) }
	}
	to := func(location string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", location); w.WriteHeader(302) }
	}
	for _, c := range []struct {
		name  string
		kind  Kind
		spoil func(*fake, *Candidate)
		field string // "note": it stands not in the way
		says  string
	}{
		{"no provider", Okta, func(_ *fake, c *Candidate) { c.Config.IDP.Issuer = "" }, FieldKind, "Choose your provider"},
		{"no client ID", Okta, id(""), FieldClientID, "missing"},
		{"a client ID with a space", Okta, id("0oa 1"), FieldClientID, "no spaces"},
		{"an address as client ID", Other, id("https://idp.example.com"), FieldClientID, "an address"},
		{"an authorization server's ID", Okta, id("aus1b2c3d4e5f6g7h8i9"), FieldClientID, "begins with 0oa"},
		{"an unusual client ID", Okta, id("my-app"), "note", "mostly begin with 0oa"},
		{"Entra's client ID elsewhere", Entra, id("my-app"), FieldClientID, "Application (client) ID"},
		{"Google's client ID cut", Google, id("1-x"), FieldClientID, ".apps.googleusercontent.com"},
		{"a secret left as it is", Okta, secret(""), "", ""},
		{"the client ID as secret", Okta, secret(clientIDs[Okta]), FieldClientSecret, "client ID once more"},
		{"the client ID as secret where it may be one", Other, secret(clientIDs[Other]), FieldClientSecret, "does not accept Drawbridge's client ID or client secret"},
		{"a secret of two lines", Okta, secret("a\nb"), FieldClientSecret, "no spaces"},
		{"a secret too long", Okta, secret(strings.Repeat("x", 3000)), FieldClientSecret, "too long"},
		{"Entra's secret ID", Entra, secret("99999999-2222-3333-4444-555555555555"), FieldClientSecret, "Secret ID"},
		{"Google's secret at another", Okta, secret("GOCSPX-x"), FieldClientSecret, "does not belong to this provider"},
		{"a secret of another provider", Okta, func(_ *fake, c *Candidate) { c.Former = "https://tenant.eu.auth0.com/" }, FieldClientSecret, "missing"},
		{"a secret of another server of the same", Okta, func(_ *fake, c *Candidate) { c.Former = "https://dev-1.okta.com" }, "", ""},
		{"a wrong secret", Okta, secret("another-s3cret"), FieldClientSecret, "does not accept Drawbridge's client ID or client secret"},
		{"an expired secret", Entra, answer("/token", refusing(401, "invalid_client", "AADSTS7000222: The provided client secret keys are expired.")), FieldClientSecret, "expired"},
		{"a client unknown in the tenant", Entra, answer("/token", refusing(400, "unauthorized_client", "AADSTS700016: Application was not found")), FieldClientID, "does not know this client ID"},
		{"a client that may not", Keycloak, answer("/token", refusing(400, "unauthorized_client", "Invalid client or Invalid client credentials")), FieldClientSecret, "client secret"},
		{"a provider that takes the secret in the form", Okta, func(f *fake, _ *Candidate) { f.noBasic = true }, "", ""},
		{"no discovery document", Other, answer("/discovery", http.NotFound), FieldIssuer, "no OpenID discovery document"},
		{"a page in its place", Auth0, answer("/discovery", page(200, "<html>")), FieldDomain, "not with an OpenID discovery document"},
		{"another issuer", Keycloak, func(f *fake, _ *Candidate) {
			f.says["https://sso.example.com/realms/main"] = "https://sso.example.com/auth/realms/main"
		}, FieldURL, "another issuer"},
		{"a provider that is away", Entra, answer("/discovery", page(503, "")), FieldTenant, "problem of its own"},
		{"a provider asked too often", Google, answer("/discovery", page(429, "")), FieldClientID, "too often"},
		{"no keys", Other, answer("/jwks", page(200, `{"keys":[]}`)), FieldIssuer, "publishes no key"},
		{"an unknown redirect URI", Okta, func(f *fake, _ *Candidate) { f.redirects = nil }, FieldRedirect, "Add " + theRedirect},
		{"an unknown redirect URI at Entra", Entra, answer("/authorize", page(200, "<p>AADSTS50011: The redirect URI specified does not match")), FieldRedirect, "as a Web redirect URI"},
		{"a redirect URI of a single-page application", Entra, answer("/authorize", page(200, "AADSTS9002327: x")), FieldRedirect, "platform Web"},
		{"an unknown redirect URI at Google", Google, answer("/authorize", to("https://accounts.google.com/signin/oauth/error?authError=ChVyZWRpcmVjdF91cmlfbWlzbWF0Y2g")), FieldRedirect, "Add " + theRedirect},
		{"a client deleted at Google", Google, answer("/authorize", to("https://accounts.google.com/signin/oauth/error?authError=Cg5kZWxldGVkX2NsaWVudA")), FieldRedirect, "client ID"},
		{"a scope that is not there", Okta, answer("/authorize", to(theRedirect+"?error=invalid_scope&error_description=x")), FieldRedirect, "scope"},
		{"a grant that is off", Okta, answer("/authorize", to(theRedirect+"?error=unauthorized_client")), FieldRedirect, "Authorization Code"},
		{"a page that says nothing", Google, answer("/authorize", page(200, "<html>")), "note", "the dry run will"},
		{"an authorization endpoint that is away", Okta, answer("/authorize", page(500, "")), "note", "could not be asked"},
		{"no authtoken", Okta, token(""), FieldAuthtoken, "missing"},
		{"the ID of a credential", Okta, token("cr_2aBcDeFgHiJkLmNoPqRsTuVwXyZ"), FieldAuthtoken, "ID of something at ngrok"},
		{"half an authtoken", Okta, token("2aBc"), FieldAuthtoken, "does not look like an authtoken"},
		{"a sentence as authtoken", Okta, token("copy it from the dashboard please"), FieldAuthtoken, "does not look like an authtoken"},
		{"no domain of the tunnel", Okta, func(_ *fake, c *Candidate) { c.Config.Tunnel.Domain = "" }, "note", "ngrok chooses one"},
		{"a domain of the free plan", Okta, func(_ *fake, c *Candidate) { c.Config.Tunnel.Domain = "name.ngrok-free.app" }, "note", "press Visit Site"},
		{"a domain without a dot", Okta, func(_ *fake, c *Candidate) { c.Config.Tunnel.Domain = "name" }, FieldTunnelDomain, "no domain"},
		{"ngrok's dashboard as domain", Okta, func(_ *fake, c *Candidate) { c.Config.Tunnel.Domain = "dashboard.ngrok.com" }, FieldTunnelDomain, "ngrok's own site"},
		{"two addresses", Okta, func(_ *fake, c *Candidate) { c.Config.PublicURL = "https://b.example.com" }, "note", "https://b.example.com"},
		{"a path in the public URL", Okta, func(_ *fake, c *Candidate) {
			c.Config.Tunnel, c.Config.PublicURL = config.Tunnel{Provider: "none"}, "https://b.example.com/mcp"
		}, FieldPublicURL, "nothing after it"},
		{"another port", Okta, func(_ *fake, c *Candidate) {
			c.Config.Tunnel, c.Config.PublicURL = config.Tunnel{Provider: "none"}, "https://b.example.com:8443"
		}, "note", "443"},
		{"no way in", Okta, func(_ *fake, c *Candidate) { c.Config.Tunnel.Provider, c.Config.Tunnel.Domain = "none", "" }, "note", "only programs on this computer"},
		{"nobody", Okta, func(_ *fake, c *Candidate) { c.Config.Access = config.Access{} }, FieldEmails, "Nobody may sign in"},
		{"half an address", Okta, func(_ *fake, c *Candidate) { c.Config.Access.Emails = []string{"ana"} }, FieldEmails, "whole address"},
		{"a pattern", Okta, func(_ *fake, c *Candidate) { c.Config.Access.Domains = []string{"*.example.com"} }, FieldDomains, "without patterns"},
		{"a group that can't be", Okta, func(_ *fake, c *Candidate) { c.Config.Access.Groups = []string{"a\x00"} }, FieldGroups, "as the provider spells it"},
		{"groups at Google", Google, func(_ *fake, c *Candidate) { c.Config.Access.Groups = []string{"a"} }, FieldGroups, "names no groups"},
		{"groups at Okta", Okta, func(_ *fake, c *Candidate) { c.Config.Access.Groups = []string{"a"} }, "note", "groups claim"},
		{"groups at Entra", Entra, func(_ *fake, c *Candidate) { c.Config.Access.Groups = []string{"a"} }, "note", "object ID"},
		{"addresses at Entra", Entra, func(*fake, *Candidate) {}, "note", "xms_edov"},
		{"anyone at Google", Google, func(_ *fake, c *Candidate) { c.Config.Access.Anyone = true }, "note", "Anybody with a Google account"},
		{"anyone at all of Entra", Entra, func(f *fake, c *Candidate) {
			c.Config.Access.Anyone = true
			c.Config.IDP.Issuer = "https://login.microsoftonline.com/common/v2.0"
			f.says[c.Config.IDP.Issuer] = "https://login.microsoftonline.com/{tenantid}/v2.0"
		}, "note", "of any organisation"},
		{"anyone", Okta, func(_ *fake, c *Candidate) { c.Config.Access.Anyone = true }, "note", "decided there"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			cand := f.good(c.kind)
			c.spoil(f, &cand)
			r := check(t, f.wizard(t), cand)
			if cand.Former == issuers[Auth0] && f.hits["/token"] > 0 {
				t.Error("the secret was sent to another provider")
			}
			switch {
			case c.field == "note":
				for _, n := range r.Notes {
					isSentence(t, n)
				}
				if !r.OK() || !strings.Contains(textOf(r.Notes), c.says) {
					t.Errorf("problems %v, notes %v", r.Problems, r.Notes)
				}
			case c.field == "" && c.says == "":
				if !r.OK() {
					t.Errorf("%v", r.Problems)
				}
			case len(r.Problems) != 1 || r.Problems[0].Field != c.field:
				t.Errorf("problems %+v", r.Problems)
			default:
				isSentence(t, r.Problems[0].Sentence, c.says)
			}
		})
	}
}

func textOf(all []Sentence) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

func TestCheckWithoutSecrets(t *testing.T) {
	f := newFake(t)
	w := &Wizard{Keystore: keystore.Memory(), HTTP: f.client()}
	cand := f.good(Okta)
	cand.Authtoken = keystore.Secret{}
	r := check(t, w, cand)
	if got := r.Problems; len(got) != 2 || got[0].Field != FieldClientSecret || got[1].Field != FieldAuthtoken {
		t.Fatalf("%v", got)
	}
	for _, p := range r.Problems {
		isSentence(t, p.Sentence, "missing")
	}
	if f.hits["/token"] > 0 {
		t.Error("the provider was asked without a secret")
	}
}

// Each refusal of ngrok's has its field, and its sentence in both languages.
func TestTunnelRefusals(t *testing.T) {
	fields := map[string]string{"ERR_NGROK_105": FieldAuthtoken, "ERR_NGROK_107": FieldAuthtoken, "ERR_NGROK_108": FieldTunnel, "ERR_NGROK_120": FieldTunnel,
		"ERR_NGROK_313": FieldTunnelDomain, "ERR_NGROK_319": FieldTunnelDomain, "ERR_NGROK_320": FieldTunnelDomain, "ERR_NGROK_334": FieldTunnelDomain,
		"ERR_NGROK_725": FieldTunnel, "ERR_NGROK_727": FieldTunnel, "ERR_NGROK_3200": FieldTunnel}
	for code, field := range fields {
		p := FromTunnel(tunnel.Refusal(code))
		if p.Field != field {
			t.Errorf("%s is about %s", code, p.Field)
		}
		isSentence(t, p.Sentence, code)
	}
	isSentence(t, FromTunnel(errors.New("x")).Sentence, "could not be opened")
}

func TestAccess(t *testing.T) {
	got := Access("ana@example.com, Bob <bob@example.com>;\n@example.org\nana@example.com", "example.com *.example.net、@example.jp", " Team B \n\nadmins, all\n", false)
	want := config.Access{Emails: []string{"ana@example.com", "Bob", "bob@example.com"}, Domains: []string{"example.org", "example.com", "example.net", "example.jp"}, Groups: []string{"Team B", "admins, all"}}
	if strings.Join(got.Emails, "|") != strings.Join(want.Emails, "|") || strings.Join(got.Domains, "|") != strings.Join(want.Domains, "|") || strings.Join(got.Groups, "|") != strings.Join(want.Groups, "|") {
		t.Errorf("got %+v", got)
	}
}

// Okta's org server is asked for groups when they matter; where the scope would
// be refused it goes.
func TestWithScopes(t *testing.T) {
	for _, c := range []struct {
		issuer string
		groups []string
		had    bool
		want   bool
	}{
		{"https://dev-1.okta.com", []string{"a"}, false, true},
		{"https://dev-1.okta.com", nil, false, false},
		{"https://dev-1.okta.com", nil, true, true},
		{"https://dev-1.okta.com/oauth2/default", []string{"a"}, true, false},
		{"https://sso.example.com/realms/main", []string{"a"}, true, true},
	} {
		cfg := config.Default()
		cfg.IDP.Issuer, cfg.Access.Groups = c.issuer, c.groups
		if c.had {
			cfg.IDP.Scopes = append(cfg.IDP.Scopes, "groups")
		}
		if got := strings.Contains(strings.Join(WithScopes(cfg).IDP.Scopes, " "), "groups"); got != c.want {
			t.Errorf("%+v: asks for groups: %t", c, got)
		}
	}
}
