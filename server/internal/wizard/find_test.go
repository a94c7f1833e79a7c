package wizard

import (
	"net/http"
	"slices"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// What a person pasted leads to one issuer, which has answered: of Okta's
// authorization servers the one that they named, else the organisation's own.
func TestLocate(t *testing.T) {
	const org, deflt, custom = "https://dev-1.okta.com", "https://dev-1.okta.com/oauth2/default", "https://dev-1.okta.com/oauth2/aus1"
	moved := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example"+r.URL.Path, http.StatusFound)
	}
	gone := func(issuer string) func(*fake) { return func(f *fake) { f.gone[issuer] = true } }
	for _, c := range []struct {
		name, pasted string
		spoil        func(*fake)
		issuer       string // "": it is refused
		says         string // of the note or the problem; "": none
	}{
		{"the admin domain, and both servers", "dev-1-admin.okta.com", nil, org, "The other's issuer is " + deflt},
		{"no API Access Management", "dev-1.okta.com", gone(deflt), org, ""},
		{"the custom one alone", "https://dev-1.okta.com/", gone(org), deflt, "answers with one authorization server"},
		{"an issuer", custom, nil, custom, ""},
		{"a discovery document", deflt + "/.well-known/openid-configuration", nil, deflt, ""},
		{"a server that is not there", custom, gone(custom), "", "no authorization server with the ID aus1"},
		{"a default server that is not there", deflt + "/", gone(deflt), "", "no authorization server named default"},
		{"no Okta", "dev-1.okta.com", func(f *fake) { f.refuse["/discovery"] = http.NotFound }, "", "not as an Okta organisation"},
		{"an outage", "dev-1.okta.com", func(f *fake) {
			f.refuse["/discovery"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }
		}, "", "problem of its own"},
		{"redirects, which it does not follow", "dev-1.okta.com", func(f *fake) { f.refuse["/discovery"] = moved }, "", "not as an Okta organisation"},
		{"documents of somebody else", "dev-1.okta.com", func(f *fake) {
			f.says[org], f.says[deflt] = "https://evil.example", "https://evil.example/oauth2/default"
		}, "", "not as an Okta organisation"},
		{"Auth0 without its slash", "https://tenant.eu.auth0.com", func(f *fake) { f.as(Auth0) }, "https://tenant.eu.auth0.com/", ""},
		{"Keycloak's account page", "https://sso.example.com/realms/main/account/", nil, "https://sso.example.com/realms/main", ""},
		{"another's discovery document", "https://idp.example.com/.well-known/openid-configuration", nil, "https://idp.example.com", ""},
		{"nothing", "", nil, "", "The issuer is missing"},
		{"no address", "a b", nil, "", "This is no issuer"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			if c.spoil != nil {
				c.spoil(f)
			}
			cand := Candidate{Config: config.Default()}
			kind, form := Pasted(c.pasted, "0oa1")
			if kind == "" {
				kind = Other
			}
			r := f.wizard(t).Locate(t.Context(), kind, form, &cand)
			if r.OK() != (c.issuer != "") || r.OK() && (cand.Config.IDP.Issuer != c.issuer || cand.Config.IDP.ClientID != "0oa1") {
				t.Errorf("located %s, %v", cand.Config.IDP.Issuer, r.Problems)
			}
			said := slices.Clone(r.Notes)
			for _, p := range r.Problems {
				said = append(said, p.Sentence)
			}
			if len(said) > 1 || (len(said) == 1) != (c.says != "") {
				t.Fatalf("said %v", said)
			}
			for _, s := range said {
				isSentence(t, s, c.says)
			}
			if f.hosts["evil.example"] > 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

// The issuer is compared byte for byte, and put into the provider's own bytes
// where it is plain what was meant.
func TestResolve(t *testing.T) {
	const guid = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
	for _, c := range []struct {
		name, given, said string
		kind              Kind
		ok                bool
	}{
		{"a slash too much", "https://idp.example.com/", "https://idp.example.com", Other, true},
		{"a slash too little", "https://login.example.com", "https://login.example.com/", Other, true},
		{"a tenant's domain", "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0", guid, Entra, true},
		{"another host", "https://idp.example.com", "https://evil.example", Other, false},
		{"another path", "https://idp.example.com/a", "https://idp.example.com/b", Other, false},
		{"a tenant elsewhere", "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0", "https://evil.example/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", Entra, false},
		{"http", "https://idp.example.com", "http://idp.example.com", Other, false},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			f.says[trimSlash(c.given)] = c.said
			got, err := f.wizard(t).resolve(t.Context(), c.kind, c.given)
			if (err == nil) != c.ok || c.ok && got != c.said {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func trimSlash(s string) string {
	if s[len(s)-1] == '/' {
		return s[:len(s)-1]
	}
	return s
}
