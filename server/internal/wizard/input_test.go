package wizard

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

func TestIssuers(t *testing.T) {
	const guid = "9188040d-6c67-4c5b-b112-36a304b66dad"
	for _, c := range []struct {
		name string
		kind Kind
		form Form
		want string // or the field that is wrong, with a "!" before it
	}{
		{"a domain", Okta, Form{FieldDomain: "dev-1.okta.com"}, "https://dev-1.okta.com"},
		{"the admin console's address", Okta, Form{FieldDomain: " https://Dev-1-admin.okta.com/admin/dashboard?x=1#y \n"}, "https://dev-1.okta.com"},
		{"a preview organisation's admin console", Okta, Form{FieldDomain: "acme-admin.oktapreview.com/"}, "https://acme.oktapreview.com"},
		{"a name that ends so elsewhere", Okta, Form{FieldDomain: "login-admin.example.com"}, "https://login-admin.example.com"},
		{"http", Okta, Form{FieldDomain: "http://dev-1.okta.com"}, "https://dev-1.okta.com"},
		{"a custom server", Okta, Form{FieldDomain: "dev-1.okta.com", FieldServer: "default"}, "https://dev-1.okta.com/oauth2/default"},
		{"the organisation's own server", Okta, Form{FieldDomain: "dev-1.okta.com/oauth2/default", FieldServer: OrgServer}, "https://dev-1.okta.com"},
		{"an issuer", Okta, Form{FieldDomain: "https://dev-1.okta.com/oauth2/aus1a2b3/"}, "https://dev-1.okta.com/oauth2/aus1a2b3"},
		{"an issuer as the server", Okta, Form{FieldDomain: "dev-1.okta.com", FieldServer: "https://dev-1.okta.com/oauth2/aus1"}, "https://dev-1.okta.com/oauth2/aus1"},
		{"a discovery document", Okta, Form{FieldDomain: "https://dev-1.okta.com/oauth2/default/.well-known/openid-configuration"}, "https://dev-1.okta.com/oauth2/default"},
		{"an endpoint of the organisation's own", Okta, Form{FieldDomain: "https://dev-1.okta.com/oauth2/v1/authorize"}, "https://dev-1.okta.com"},
		{"loopback", Okta, Form{FieldDomain: "http://localhost:8080", FieldServer: "default"}, "http://localhost:8080/oauth2/default"},
		{"nothing", Okta, Form{}, "!domain"},
		{"words", Okta, Form{FieldDomain: "my okta"}, "!domain"},
		{"a name without a dot", Okta, Form{FieldDomain: "dev-1"}, "!domain"},
		{"somebody@", Okta, Form{FieldDomain: "https://dev-1.okta.com@evil.example"}, "!domain"},
		{"another scheme", Okta, Form{FieldDomain: "file:///etc/passwd"}, "!domain"},
		{"a server with a path", Okta, Form{FieldDomain: "dev-1.okta.com", FieldServer: "../x y"}, "!server"},
		{"a domain", Auth0, Form{FieldDomain: "Tenant.eu.auth0.com"}, "https://tenant.eu.auth0.com/"},
		{"an address", Auth0, Form{FieldDomain: "https://tenant.eu.auth0.com/authorize"}, "https://tenant.eu.auth0.com/"},
		{"the dashboard's address", Auth0, Form{FieldDomain: "https://manage.auth0.com/dashboard/eu/tenant/applications/aBc/settings"}, "https://tenant.eu.auth0.com/"},
		{"the dashboard alone", Auth0, Form{FieldDomain: "manage.auth0.com"}, "!domain"},
		{"a custom domain", Auth0, Form{FieldDomain: "login.example.com"}, "https://login.example.com/"},
		{"a tenant ID", Entra, Form{FieldTenant: " " + guid + "\u200b"}, "https://login.microsoftonline.com/" + guid + "/v2.0"},
		{"a tenant ID in quotes", Entra, Form{FieldTenant: "“" + guid + "”,"}, "https://login.microsoftonline.com/" + guid + "/v2.0"},
		{"an authority", Entra, Form{FieldTenant: "https://login.microsoftonline.com/" + guid + "/oauth2/v2.0/authorize"}, "https://login.microsoftonline.com/" + guid + "/v2.0"},
		{"a domain of the tenant", Entra, Form{FieldTenant: "Contoso.onmicrosoft.com"}, "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0"},
		{"many tenants", Entra, Form{FieldTenant: "common"}, "https://login.microsoftonline.com/common/v2.0"},
		{"a portal's address", Entra, Form{FieldTenant: "https://portal.azure.com/#view/x/appId/" + guid}, "!tenant"},
		{"a name", Entra, Form{FieldTenant: "Contoso"}, "!tenant"},
		{"nothing to ask for", Google, Form{}, "https://accounts.google.com"},
		{"an address and a realm", Keycloak, Form{FieldURL: "https://sso.example.com/", FieldRealm: "Main"}, "https://sso.example.com/realms/Main"},
		{"an old path", Keycloak, Form{FieldURL: "sso.example.com/auth", FieldRealm: "main"}, "https://sso.example.com/auth/realms/main"},
		{"the admin console's address", Keycloak, Form{FieldURL: "https://sso.example.com/admin/master/console/#/main/clients", FieldRealm: "main"}, "https://sso.example.com/realms/main"},
		{"an issuer, and the realm once more", Keycloak, Form{FieldURL: "https://sso.example.com/realms/main/account", FieldRealm: "main"}, "https://sso.example.com/realms/main"},
		{"a realm with a slash", Keycloak, Form{FieldURL: "https://sso.example.com", FieldRealm: "a/b"}, "!realm"},
		{"no realm", Keycloak, Form{FieldURL: "https://sso.example.com"}, "!realm"},
		{"an issuer", Other, Form{FieldIssuer: "<https://idp.example.com/tenant/1>"}, "https://idp.example.com/tenant/1"},
		{"a slash at the end, which may belong to it", Other, Form{FieldIssuer: "https://idp.example.com/"}, "https://idp.example.com/"},
		{"a discovery document", Other, Form{FieldIssuer: "https://idp.example.com/x/.well-known/openid-configuration"}, "https://idp.example.com/x"},
		{"a port", Other, Form{FieldIssuer: "https://idp.example.com:8443"}, "https://idp.example.com:8443"},
		{"the usual port", Other, Form{FieldIssuer: "https://idp.example.com:443"}, "https://idp.example.com"},
		{"http elsewhere", Other, Form{FieldIssuer: "http://10.0.0.1/x"}, "https://10.0.0.1/x"},
	} {
		t.Run(string(c.kind)+": "+c.name, func(t *testing.T) {
			got, problems := c.kind.Issuer(c.form)
			if len(problems) > 0 {
				got = "!" + problems[0].Field
				isSentence(t, problems[0].Sentence)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// What a form made is what a form for it shows.
func TestFormsComeBack(t *testing.T) {
	for kind, issuer := range issuers {
		got, form := KindOf(config.IDP{Issuer: issuer})
		if again, problems := kind.Issuer(form); got != kind || again != issuer || problems != nil {
			t.Errorf("%s is a %s with %v, which makes %s %v", issuer, got, form, again, problems)
		}
		for _, field := range kind.Fields() {
			if form[field.Name] == "" && field.Missing != "" {
				t.Errorf("%s: no %s", kind, field.Name)
			}
		}
		for _, s := range kind.Steps(theRedirect) {
			isSentence(t, s)
		}
	}
	if kind, f := KindOf(config.IDP{Issuer: "https://login.example.com", ClientID: "0oa1b2c3d4e5f6g7h8i9"}); kind != Okta || f[FieldServer] != OrgServer {
		t.Errorf("Okta at a domain of the customer's is %s %v", kind, f)
	}
	if kind, _ := KindOf(config.IDP{}); kind != "" {
		t.Errorf("no issuer is %s", kind)
	}
}

func TestPasted(t *testing.T) {
	for in, want := range map[string]string{
		"ngrok config add-authtoken 2aBcDeF_4gHiJkLmNoPq":         "2aBcDeF_4gHiJkLmNoPq",
		"version: 3\nagent:\n  authtoken: 2aBcDeF_4gHiJkLmNoPq\n": "2aBcDeF_4gHiJkLmNoPq",
		"$ ngrok authtoken 2aBcDeF_4gHiJkLmNoPq":                  "2aBcDeF_4gHiJkLmNoPq",
		"authtoken=\"2aBcDeF_4gHiJkLmNoPq\"":                      "2aBcDeF_4gHiJkLmNoPq",
		"  2aBcDeF_4gHiJkLmNoPq\n":                                "2aBcDeF_4gHiJkLmNoPq",
	} {
		if got := Authtoken(in); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"https://name.ngrok.app/mcp": "name.ngrok.app", "Name.ngrok.app/": "name.ngrok.app", " name.ngrok.app": "name.ngrok.app", "": "", "no name": "no name",
	} {
		if got := Domain(in); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"https://Bridge.example.com/mcp": "https://bridge.example.com", "bridge.example.com": "https://bridge.example.com", "http://localhost:8000/": "http://localhost:8000",
	} {
		if got := PublicURL(in); got != want {
			t.Errorf("%q gives %q", in, got)
		}
	}
}

// Whatever is pasted, an issuer is one that a configuration takes.
func FuzzIssuer(f *testing.F) {
	for _, seed := range []string{"dev-1-admin.okta.com", "https://a@b/", "http://[::1]:80/realms/x", "//", "%", "1:2", "https://x.example/%zz", "manage.auth0.com/dashboard/eu/t"} {
		f.Add(seed, "default")
		f.Add("https://a.example", seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, kind := range Kinds() {
			form := Form{}
			for i, field := range kind.Fields() {
				form[field.Name] = []string{first, second}[min(i, 1)]
			}
			issuer, problems := kind.Issuer(form)
			if len(problems) > 0 {
				continue
			}
			c := config.Default()
			c.IDP.Issuer = issuer
			if err := c.Validate(); err != nil {
				t.Fatalf("%s %q makes %q: %v", kind, form, issuer, err)
			}
			again, shown := KindOf(c.IDP)
			if back, problems := again.Issuer(shown); again == kind && back != issuer {
				t.Fatalf("%s %q makes %q, shown as %s %q, which makes %q %v", kind, form, issuer, again, shown, back, problems)
			}
		}
		_, _, _ = Authtoken(first), Domain(second), PublicURL(first)
		_ = Access(first, second, first, false)
	})
}
