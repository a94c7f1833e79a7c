package wizard

import (
	"net/http"
	"testing"
)

func TestFindOkta(t *testing.T) {
	const org, deflt, custom = "https://dev-1.okta.com", "https://dev-1.okta.com/oauth2/default", "https://dev-1.okta.com/oauth2/aus1"
	moved := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example"+r.URL.Path, http.StatusFound)
	}
	for _, c := range []struct {
		name      string
		form      Form
		spoil     func(*fake)
		recommend string   // issuer
		works     []string // IDs
		missing   []string
		says      string // of the problem, if there is one
	}{
		{"both servers", Form{FieldDomain: "dev-1-admin.okta.com"}, nil, org, []string{"org", "default"}, nil, ""},
		{"no API Access Management", Form{FieldDomain: "dev-1.okta.com"}, func(f *fake) { f.gone[deflt] = true }, org, []string{"org"}, []string{"default"}, ""},
		{"the custom one alone", Form{FieldDomain: "dev-1.okta.com"}, func(f *fake) { f.gone[org] = true }, deflt, []string{"default"}, []string{"org"}, ""},
		{"one that the person named", Form{FieldDomain: "dev-1.okta.com", FieldServer: "aus1"}, nil, custom, []string{"org", "default", "aus1"}, nil, ""},
		{"one that the person named and that is not there", Form{FieldDomain: "dev-1.okta.com", FieldServer: "aus1"}, func(f *fake) { f.gone[custom] = true }, org, []string{"org", "default"}, []string{"aus1"}, ""},
		{"an issuer in the place of the domain", Form{FieldDomain: custom}, nil, custom, []string{"org", "default", "aus1"}, nil, ""},
		{"a domain of the customer's whose servers go by Okta's", Form{FieldDomain: "login.example.com"}, func(f *fake) {
			f.says["https://login.example.com/oauth2/default"] = deflt
		}, "https://login.example.com", []string{"org", "default"}, nil, ""},
		{"no Okta", Form{FieldDomain: "example.com"}, func(f *fake) {
			f.refuse["/discovery"] = http.NotFound
		}, "", nil, nil, "not as an Okta organisation"},
		{"an outage", Form{FieldDomain: "dev-1.okta.com"}, func(f *fake) {
			f.refuse["/discovery"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }
		}, "", nil, nil, "problem of its own"},
		{"redirects, which it does not follow", Form{FieldDomain: "dev-1.okta.com"}, func(f *fake) { f.refuse["/discovery"] = moved }, "", nil, nil, "not as an Okta organisation"},
		{"documents of somebody else", Form{FieldDomain: "dev-1.okta.com"}, func(f *fake) {
			f.says[org], f.says[deflt] = "https://evil.example", "https://evil.example/oauth2/default"
		}, "", nil, nil, "not as an Okta organisation"},
		{"no domain", Form{}, nil, "", nil, nil, "domain is missing"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			f := newFake(t)
			if c.spoil != nil {
				c.spoil(f)
			}
			servers, problems := f.wizard(t).FindOkta(t.Context(), Candidate{}, c.form)
			if c.says != "" {
				if len(problems) != 1 || problems[0].Field != FieldDomain || servers != nil {
					t.Fatalf("found %v, %v", servers, problems)
				}
				isSentence(t, problems[0].Sentence, c.says)
			} else if len(problems) > 0 {
				t.Fatal(problems)
			}
			got := map[string]bool{}
			for _, s := range servers {
				got[s.ID] = s.OK
				isSentence(t, s.Says)
				if s.Recommended != (s.Issuer == c.recommend) {
					t.Errorf("%s is recommended: %t", s.Issuer, s.Recommended)
				}
			}
			for _, id := range c.works {
				if !got[id] {
					t.Errorf("%s is not found: %v", id, got)
				}
			}
			for _, id := range c.missing {
				if ok, listed := got[id]; ok || !listed {
					t.Errorf("%s is found: %v", id, got)
				}
			}
			if f.hosts["evil.example"] > 0 && c.name == "redirects, which it does not follow" {
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
