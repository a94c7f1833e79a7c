package idp

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Groups as providers write them: the claim, and what it holds.
func TestGroupsClaim(t *testing.T) {
	for name, c := range map[string]struct {
		path, json string
		want       string // with commas; "-" for not said
	}{
		"the usual":                       {"", `{"groups":["a","b"]}`, "a,b"},
		"Cognito":                         {"cognito:groups", `{"cognito:groups":["a"],"groups":["x"]}`, "a"},
		"Keycloak's realm roles":          {"realm_access.roles", `{"realm_access":{"roles":["a","b"]}}`, "a,b"},
		"Keycloak's client roles":         {"resource_access.my.app.roles", `{"resource_access":{"my.app":{"roles":["a"]}}}`, "a"},
		"Zitadel":                         {"urn:zitadel:iam:org:project:roles", `{"urn:zitadel:iam:org:project:roles":{"b":{"1":"x.example"},"a":{"2":"y.example"}}}`, "a,b"},
		"Auth0's namespace":               {"https://example.com/groups", `{"https://example.com/groups":["a"]}`, "a"},
		"objects with a name":             {"", `{"groups":[{"id":1,"name":"a"},{"displayName":"b"},{"display":"c"},{"id":4}]}`, "a,b,c"},
		"a claim of the very name first":  {"a.b", `{"a.b":["very"],"a":{"b":["below"]}}`, "very"},
		"one that can't be read":          {"a.b", `{"a.b":7,"a":{"b":["below"]}}`, "below"},
		"none, said so":                   {"a.b", `{"a":{"b":[]}}`, ""},
		"one text":                        {"department", `{"department":"sales"}`, "sales"},
		"nothing there":                   {"a.b", `{"a":{"c":["x"]},"groups":["x"]}`, "-"},
		"null":                            {"a.b", `{"a":{"b":null}}`, "-"},
		"a table that is no list":         {"realm_access", `{"realm_access":{"roles":["a"]}}`, "-"},
		"roles that are switched off":     {"r", `{"r":{"admin":false}}`, "-"},
		"roles as switches":               {"r", `{"r":{"admin":true}}`, "admin"},
		"another case":                    {"Groups", `{"groups":["a"]}`, "-"},
		"a number":                        {"n", `{"n":7}`, "-"},
		"dots alone":                      {"..", `{"":{"":{"":["a"]}}}`, "-"},
		"a path through a list":           {"a.b", `{"a":[{"b":["x"]}]}`, "-"},
		"names that no list holds":        {"", `{"groups":["` + strings.Repeat("x", 257) + `","a\u0000",["n"],{"name":7},{"name":""},"a"]}`, "a"},
		"a member of an object, with dot": {"a.b.c", `{"a":{"b.c":["x"]}}`, "x"},
	} {
		cl, err := parseClaims([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		p := New(Config{Issuer: "https://idp.example", GroupsClaim: c.path})
		id := p.reader.identity("i", "s", cl)
		got := strings.Join(id.Groups, ",")
		if id.Unsaid.Groups {
			got += "-"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Whoever is kept out by what the provider leaves out is told what that is, in
// a sentence of its own, and what to do.
func TestWhatIsUnsaid(t *testing.T) {
	domains, groups := oauth.AccessList{Domains: []string{"example.com"}}, oauth.AccessList{Groups: []string{"engineering"}}
	both := oauth.AccessList{Groups: groups.Groups, Domains: []string{"other.example"}}
	const okta, entraOne = "https://dev-1.okta.com", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
	for name, c := range map[string]struct {
		issuer string
		list   oauth.AccessList
		json   string
		is     error
		says   string // part of it; "" if the person may sign in
	}{
		"Cognito's groups":                  {"https://cognito-idp.eu-west-1.amazonaws.com/x", groups, `{"cognito:groups":["engineering"]}`, oauth.ErrGroupsElsewhere, "the provider sent cognito:groups. Set groups_claim under [idp]"},
		"Keycloak's roles":                  {"https://sso.example/realms/a", both, `{"email":"ana@example.com","email_verified":true,"realm_access":{"roles":["engineering"]}}`, oauth.ErrGroupsElsewhere, "realm_access.roles"},
		"Zitadel's roles":                   {"https://z.example", groups, `{"urn:zitadel:iam:org:project:roles":{"engineering":{"1":"x"}}}`, oauth.ErrGroupsElsewhere, "urn:zitadel:iam:org:project:roles"},
		"several, groups first":             {"https://z.example", groups, `{"roles":["a"],"memberOf":["b"],"my_groups":["c"]}`, oauth.ErrGroupsElsewhere, "sent my_groups, memberOf, roles"},
		"an empty one is none":              {"https://z.example", groups, `{"roles":[]}`, oauth.ErrNoGroups, "The provider names no groups"},
		"a claim with a hostile name":       {"https://z.example", groups, `{"<b>groups":["a"],"\u202egroups":["a"]}`, oauth.ErrNoGroups, "The provider names no groups"},
		"no groups at Okta":                 {okta, groups, `{}`, oauth.ErrNoGroups, "groups claim filter"},
		"no groups at Okta's custom":        {okta + "/oauth2/default", groups, `{}`, oauth.ErrNoGroups, "Security, API, this authorization server"},
		"no groups at Entra":                {entraOne, groups, `{}`, oauth.ErrNoGroups, "Add groups claim"},
		"no groups at Google":               {"https://accounts.google.com", groups, `{}`, oauth.ErrNoGroups, "by address or by domain"},
		"Entra's overage":                   {entraOne, groups, `{"_claim_names":{"groups":"src1"},"_claim_sources":{}}`, oauth.ErrOverage, "too many"},
		"Entra's overage in the fragment":   {entraOne, groups, `{"hasgroups":true}`, oauth.ErrOverage, "too many"},
		"in no group, said so":              {okta, groups, `{"groups":[]}`, nil, "is not on the access list"},
		"in another group":                  {okta, groups, `{"groups":["sales"]}`, nil, "is not on the access list"},
		"groups that do not decide":         {okta, oauth.AccessList{Emails: []string{"bob@example.com"}}, `{"email":"ana@example.com","email_verified":true}`, nil, "is not on the access list"},
		"no email_verified, by domain":      {okta, domains, `{"email":"ana@example.com"}`, oauth.ErrNotVouched, "does not say whether"},
		"email_verified null, by domain":    {okta, domains, `{"email":"ana@example.com","email_verified":null}`, oauth.ErrNotVouched, "does not say whether"},
		"no xms_edov":                       {entraOne, domains, `{"email":"ana@example.com","email_verified":true}`, oauth.ErrNotVouched, "does not say whether"},
		"no email_verified, by address":     {okta, oauth.AccessList{Emails: []string{"ANA@example.com"}}, `{"email":"ana@example.com"}`, oauth.ErrNotVouched, "does not say whether"},
		"email_verified false":              {okta, domains, `{"email":"ana@example.com","email_verified":false}`, oauth.ErrNotVerified, "is not verified"},
		"no email_verified, another domain": {okta, domains, `{"email":"ana@other.example"}`, nil, "is not on the access list"},
		"verified":                          {okta, domains, `{"email":"ana@example.com","email_verified":true}`, nil, ""},
	} {
		cl, err := parseClaims([]byte(c.json))
		if err != nil {
			t.Fatal(err)
		}
		err = c.list.Check(New(Config{Issuer: c.issuer}).reader.identity("i", "s", cl))
		if (err == nil) != (c.says == "") || c.is != nil && !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		for _, other := range []error{oauth.ErrGroupsElsewhere, oauth.ErrNoGroups, oauth.ErrOverage, oauth.ErrNotVouched, oauth.ErrNotVerified} {
			if other != c.is && errors.Is(err, other) {
				t.Errorf("%s: it is %v besides", name, other)
			}
		}
	}
}

// trust_email stands in for a word that never comes, and for nothing else.
func TestTrustEmail(t *testing.T) {
	for claims, want := range map[string]bool{
		`{"email":"ana@example.com"}`:                          true,
		`{"email":"ana@example.com","email_verified":null}`:    true,
		`{"email":"ana@example.com","email_verified":true}`:    true,
		`{"email":"ana@example.com","email_verified":false}`:   false,
		`{"email":"ana@example.com","email_verified":"false"}`: false,
		`{"email":"ana@example.com","email_verified":0}`:       false,
		`{"email":"ana@example.com","email_verified":""}`:      false,
		`{"email":"ana@example.com","email_verified":[]}`:      false,
		`{"email_verified":true}`:                              false,
		`{}`:                                                   false,
	} {
		cl, err := parseClaims([]byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		id := New(Config{Issuer: "https://idp.example", TrustEmail: true}).reader.identity("i", "s", cl)
		if id.EmailVerified != want || (id.Domain == "example.com") != want {
			t.Errorf("%s: %+v", claims, id)
		}
	}
	// What userinfo denies stands, whatever the ID token leaves out.
	r := newRig(t, func(c *Config) { c.TrustEmail = true })
	delete(r.f.claims, "email_verified")
	r.f.info = map[string]any{"sub": "ana", "email": "ana@example.com", "email_verified": false}
	if up, err := r.exchange(t); err != nil || up.Identity.EmailVerified {
		t.Errorf("%+v, %v", up.Identity, err)
	}
}

// Groups under another claim may stand in userinfo alone.
func TestGroupsClaimInUserinfo(t *testing.T) {
	for path, info := range map[string]map[string]any{
		"cognito:groups":     {"sub": "ana", "cognito:groups": []string{"engineering"}},
		"realm_access.roles": {"sub": "ana", "realm_access": map[string]any{"roles": []string{"engineering"}}},
	} {
		r := newRig(t, func(c *Config) { c.GroupsClaim = path })
		r.f.info = info
		up, err := r.exchange(t)
		if err != nil || !slices.Equal(up.Identity.Groups, []string{"engineering"}) {
			t.Errorf("%s: %+v, %v", path, up.Identity, err)
		}
		again, err := r.Refresh(t.Context(), "rt-1", up.Identity)
		if err != nil || !slices.Equal(again.Identity.Groups, []string{"engineering"}) {
			t.Errorf("%s at a refresh: %+v, %v", path, again.Identity, err)
		}
	}
}

// One comparison of domains and addresses, whoever asks: a spelling that only
// looks like the one on the list lets nobody in, by whatever claim it comes.
func TestLookAlikes(t *testing.T) {
	lists := map[string]oauth.AccessList{
		"domains": {Domains: []string{"kraken.io"}}, "domains with @": {Domains: []string{"@Kraken.IO"}},
		"emails": {Emails: []string{"eve@kraken.io"}}, "emails in capitals": {Emails: []string{"EVE@KRAKEN.IO"}},
	}
	for address, want := range map[string]bool{
		"eve@kraken.io": true, "EVE@KRAKEN.IO": true, "eve@Kraken.Io": true,
		"eve@\u212araken.io": false, "eve@kraken.\u0130o": false, "eve@kraken.\u0131o": false, "eve@\uff4braken.io": false, "eve@kra\u200dken.io": false,
		"eve@kraken\u3002io": false, "eve@kraken.io.": false, "eve@evil.kraken.io": false, "eve@kraken.io.evil.example": false, "eve@evil.example@kraken.io": false, "eve@xn--kraken.io": false,
		"\u0435ve@kraken.io": false,
	} {
		for place, spelled := range map[string]map[string]any{
			"the address":   {"email": address, "email_verified": true},
			"Google's hd":   {"email": "x@private.example", "email_verified": true, "hd": address[strings.Index(address, "@")+1:]},
			"Entra's proof": {"email": address, "xms_edov": true},
		} {
			issuer := map[string]string{"the address": "https://idp.example", "Google's hd": "https://accounts.google.com", "Entra's proof": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"}[place]
			cl := claims{}
			for name, value := range spelled {
				cl[name] = must(json.Marshal(value))
			}
			id := New(Config{Issuer: issuer}).reader.identity("i", "s", cl)
			for name, list := range lists {
				byDomain := strings.HasPrefix(name, "domains")
				may := want
				switch {
				case place == "Google's hd" && !byDomain:
					may = false
				case address == "\u0435ve@kraken.io" && byDomain:
					may = true // a name of other letters, at the very domain
				}
				if got := list.Check(id) == nil; got != may {
					t.Errorf("%s %+q with the list of %s: %v", place, address, name, got)
				}
			}
		}
	}
}

func must(b []byte, err error) json.RawMessage {
	if err != nil {
		panic(err)
	}
	return b
}
