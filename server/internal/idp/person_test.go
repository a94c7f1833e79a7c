package idp

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

func TestWhoSignedIn(t *testing.T) {
	drop := func(f *faulty, names ...string) {
		for _, n := range names {
			delete(f.claims, n)
		}
	}
	all := map[string]any{"sub": "ana", "email": "ana@info.example", "email_verified": true, "name": "Ana Info", "groups": []string{"info"}}
	for _, c := range []struct {
		name  string
		spoil func(*faulty)
		asked int // userinfo requests
		want  oauth.Identity
		kind  oauth.ProviderErrorKind
		says  string
	}{
		{name: "it handles a full ID token", spoil: func(*faulty) {}, want: oauth.Identity{
			Email: "ana@example.com", EmailVerified: true, Name: "Ana", Groups: []string{"everyone", "admins"}, Domain: "example.com"}},
		{name: "it handles a thin ID token", spoil: func(f *faulty) { drop(f, "email", "email_verified", "name", "groups"); f.info = all }, asked: 1, want: oauth.Identity{
			Email: "ana@info.example", EmailVerified: true, Name: "Ana Info", Groups: []string{"info"}, Domain: "info.example"}},
		{name: "it handles groups in userinfo only", spoil: func(f *faulty) { drop(f, "groups"); f.info = all }, asked: 1, want: oauth.Identity{
			Email: "ana@example.com", EmailVerified: true, Name: "Ana", Groups: []string{"info"}, Domain: "example.com"}},
		{name: "it handles a proof of another address", spoil: func(f *faulty) { drop(f, "email_verified"); f.info = all }, asked: 1, want: oauth.Identity{
			Email: "ana@example.com", Name: "Ana", Groups: []string{"everyone", "admins"}}},
		{name: "it handles no groups anywhere", spoil: func(f *faulty) { drop(f, "groups"); f.info = map[string]any{"sub": "ana"} }, asked: 1, want: oauth.Identity{
			Email: "ana@example.com", EmailVerified: true, Name: "Ana", Domain: "example.com"}},
		{name: "it handles userinfo that refuses, with an address", spoil: func(f *faulty) { drop(f, "groups") }, asked: 1, want: oauth.Identity{
			Email: "ana@example.com", EmailVerified: true, Name: "Ana", Domain: "example.com"}},
		{name: "it handles userinfo that is away, with an address", spoil: func(f *faulty) { drop(f, "groups"); f.handle["/userinfo"] = answerStatus(503) }, asked: 1, want: oauth.Identity{
			Email: "ana@example.com", EmailVerified: true, Name: "Ana", Domain: "example.com"}},
		{name: "it handles userinfo that refuses, without an address", spoil: func(f *faulty) { drop(f, "email") }, asked: 1, want: oauth.Identity{
			Name: "Ana", Groups: []string{"everyone", "admins"}}},
		{name: "it handles userinfo that is away, without an address", spoil: func(f *faulty) { drop(f, "email"); f.handle["/userinfo"] = answerStatus(503) }, asked: 1,
			kind: unreachable, says: "problem of its own"},
		{name: "it handles userinfo of another person", spoil: func(f *faulty) {
			drop(f, "groups")
			f.info = map[string]any{"sub": "eve", "groups": []string{"admins"}}
		}, asked: 1,
			kind: refused, says: "another person"}, // OpenID Connect Core 1.0 §5.3.2
		{name: "it handles no userinfo endpoint", spoil: func(f *faulty) { drop(f, "groups", "name"); delete(f.metadata, "userinfo_endpoint") }, want: oauth.Identity{
			Email: "ana@example.com", EmailVerified: true, Domain: "example.com"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.spoil(r.f)
			up, err := r.exchange(t)
			if n := r.f.count("/userinfo"); n != c.asked {
				t.Errorf("userinfo asked %d times, want %d", n, c.asked)
			}
			if c.says != "" {
				wantError(t, err, c.kind, c.says)
				return
			}
			c.want.Issuer, c.want.Subject = r.f.URL, "ana"
			up.Identity.Unsaid = oauth.Unsaid{}
			if err != nil || !reflect.DeepEqual(up.Identity, c.want) {
				t.Errorf("got  %+v %v\nwant %+v", up.Identity, err, c.want)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*faulty)
		check func(prev, now oauth.Identity) bool
		token string // the refresh token that comes back
		kind  oauth.ProviderErrorKind
		says  string
	}{
		{name: "it handles the same person", spoil: func(*faulty) {}, token: "rt-2",
			check: func(prev, now oauth.Identity) bool { return reflect.DeepEqual(prev, now) }},
		{name: "it handles no new refresh token", spoil: func(f *faulty) { delete(f.response, "refresh_token") }, token: "rt-1",
			check: func(prev, now oauth.Identity) bool { return reflect.DeepEqual(prev, now) }},
		{name: "it handles a group removed", spoil: func(f *faulty) { f.claims["groups"] = []string{"everyone"} }, token: "rt-2",
			check: func(_, now oauth.Identity) bool { return reflect.DeepEqual(now.Groups, []string{"everyone"}) }},
		{name: "it handles all groups removed, the claim with them", spoil: func(f *faulty) { delete(f.claims, "groups"); f.info = map[string]any{"sub": "ana"} }, token: "rt-2",
			check: func(_, now oauth.Identity) bool { return now.Groups == nil && now.Email != "" }},
		{name: "it handles an address no longer verified", spoil: func(f *faulty) { f.claims["email_verified"] = false }, token: "rt-2",
			check: func(_, now oauth.Identity) bool { return !now.EmailVerified && now.Domain == "" }},
		{name: "it handles another person", spoil: func(f *faulty) { f.claims["sub"] = "eve" }, token: "rt-2", kind: refused, says: "another person"}, // Core §12.2
		{name: "it handles another nonce", spoil: func(f *faulty) { delete(f.claims, "nonce") }, token: "rt-2",
			check: func(prev, now oauth.Identity) bool { return reflect.DeepEqual(prev, now) }},
		{name: "it handles an ID token for another client", spoil: func(f *faulty) { f.claims["aud"] = "x" }, token: "rt-2", kind: misconfigured, says: "another client"},
		{name: "it handles an unsigned ID token", spoil: func(f *faulty) { f.sign = unsigned }, token: "rt-2", kind: misconfigured, says: "not signed"},
		{name: "it handles no ID token, with userinfo", spoil: func(f *faulty) {
			f.response["id_token"] = ""
			f.info = map[string]any{"sub": "ana", "email": "ana@example.com", "email_verified": "true", "groups": "everyone"}
		}, token: "rt-2", check: func(_, now oauth.Identity) bool {
			return now.EmailVerified && reflect.DeepEqual(now.Groups, []string{"everyone"})
		}},
		{name: "it handles no ID token, with userinfo of another person", spoil: func(f *faulty) {
			f.response["id_token"] = ""
			f.info = map[string]any{"sub": "eve"}
		}, token: "rt-2", kind: refused, says: "another person"},
		{name: "it handles no ID token and no userinfo", spoil: func(f *faulty) { f.response["id_token"] = "" }, token: "rt-2",
			check: func(prev, now oauth.Identity) bool { return reflect.DeepEqual(prev, now) }},
		{name: "it handles userinfo that is away and would have the groups", spoil: func(f *faulty) { delete(f.claims, "groups"); f.handle["/userinfo"] = answerStatus(503) },
			token: "rt-2", kind: unreachable, says: "problem of its own"},
		{name: "it handles a person turned away", spoil: func(f *faulty) { f.handle["/token"] = refuseWith(400, "invalid_grant", "") }, kind: refused, says: "Sign in again"},
		{name: "it handles an outage", spoil: func(f *faulty) { f.handle["/token"] = answerStatus(503) }, kind: unreachable, says: "problem of its own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			first, err := r.exchange(t)
			if err != nil {
				t.Fatal(err)
			}
			r.f.spoil(func(f *faulty) { f.response["refresh_token"] = "rt-2"; c.spoil(f) })
			up, err := r.Refresh(t.Context(), first.RefreshToken, first.Identity)
			if up.RefreshToken != c.token {
				t.Errorf("refresh token %q, want %q", up.RefreshToken, c.token)
			}
			if c.says != "" {
				wantError(t, err, c.kind, c.says)
				if up.Identity.Subject != "" {
					t.Errorf("and still gave %+v", up)
				}
				return
			}
			if err != nil || !c.check(first.Identity, up.Identity) {
				t.Errorf("%+v %v", up, err)
			}
		})
	}
	r := newRig(t)
	_, err := r.Refresh(t.Context(), "", oauth.Identity{Subject: "ana"})
	wantError(t, err, refused, "Sign in again")
}

func TestClaims(t *testing.T) {
	google, entra, other := profileOf("https://accounts.google.com"), profileOf("https://login.microsoftonline.com/x/v2.0"), profileOf("https://idp.example")
	for _, c := range []struct {
		name    string
		profile *profile
		json    string
		want    oauth.Identity
	}{
		{"it handles one group as a string", other, `{"groups":"a"}`, oauth.Identity{Groups: []string{"a"}}},
		{"it handles groups of odd types", other, `{"groups":["a",1,{"x":1},null,"","a","b"]}`, oauth.Identity{Groups: []string{"a", "b"}}},
		{"it handles groups that are no list", other, `{"groups":{"a":1}}`, oauth.Identity{}},
		{"it handles Keycloak's slashes", other, `{"groups":["/a"]}`, oauth.Identity{Groups: []string{"/a"}}},
		{"it handles email_verified as a string", other, `{"email":"a@B.example","email_verified":"true"}`, oauth.Identity{Email: "a@B.example", EmailVerified: true, Domain: "b.example"}},
		{"it handles email_verified false as a string", other, `{"email":"a@b.example","email_verified":"false"}`, oauth.Identity{Email: "a@b.example"}},
		{"it handles an unverified address", other, `{"email":"a@b.example"}`, oauth.Identity{Email: "a@b.example"}},
		{"it handles a claim in other letters", other, `{"Email":"a@b.example","EMAIL_VERIFIED":true}`, oauth.Identity{}},
		{"it handles an address in quotes", other, `{"email":"\"x@good.example\"@b.example","email_verified":true}`, oauth.Identity{Email: `"x@good.example"@b.example`, EmailVerified: true, Domain: "b.example"}},
		{"it handles an address with a line break", other, `{"email":"a@b.example\nx","email_verified":true}`, oauth.Identity{}},
		{"it handles an address of the wrong type", other, `{"email":["a@b.example"],"email_verified":true}`, oauth.Identity{}},
		{"it handles no name", other, `{"preferred_username":"ana"}`, oauth.Identity{Name: "ana"}},
		{"it handles a name with control characters", other, `{"name":"A\u001b[31mna\u0000"}`, oauth.Identity{Name: "A[31mna"}},
		{"it handles null", other, `{"name":null,"preferred_username":"ana","groups":null}`, oauth.Identity{Name: "ana"}},
		{"it handles Google's domain", google, `{"email":"a@b.example","email_verified":true,"hd":"B.example"}`, oauth.Identity{Email: "a@b.example", EmailVerified: true, Domain: "b.example"}},
		{"it handles a Google account without a domain", google, `{"email":"a@b.example","email_verified":true}`, oauth.Identity{Email: "a@b.example", EmailVerified: true}},
		{"it handles hd from somebody else", other, `{"hd":"b.example"}`, oauth.Identity{}},
		{"it handles Entra's address", entra, `{"email":"a@b.example","email_verified":true}`, oauth.Identity{Email: "a@b.example"}},
		{"it handles Entra's proof", entra, `{"email":"a@b.example","xms_edov":true}`, oauth.Identity{Email: "a@b.example", EmailVerified: true, Domain: "b.example"}},
		{"it handles Entra's proof as a string", entra, `{"email":"a@b.example","xms_edov":"1"}`, oauth.Identity{Email: "a@b.example", EmailVerified: true, Domain: "b.example"}},
		{"it handles Entra's denial", entra, `{"email":"a@b.example","xms_edov":"0"}`, oauth.Identity{Email: "a@b.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, err := parseClaims([]byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Issuer, c.want.Subject = "i", "s"
			got := reader{c.profile, "groups", false}.identity("i", "s", cl)
			got.Unsaid = oauth.Unsaid{}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"email":"a@b","email_verified":"true","groups":["a",1],"name":"x"}`), []byte(`{"groups":"b","hd":"x"}`))
	f.Add([]byte(`{"email":"@","xms_edov":1}`), []byte(`{"email":null}`))
	f.Add([]byte(`[]`), []byte(`null`))
	f.Add([]byte(`{"realm_access":{"roles":["a",{"name":"b"}]},"a.b":{"c":{"x":{}}}}`), []byte(`{"a":{"b":{"c":"x"}},"urn:x:roles":{"admin":{"1":"d"}}}`))
	f.Fuzz(func(t *testing.T, token, info []byte) {
		a, err := parseClaims(token)
		if err != nil {
			return
		}
		more, err := parseClaims(info)
		for i, p := range append([]*profile{profileOf("")}, profiles...) {
			r := reader{p, []string{"groups", "realm_access.roles", "a.b.c"}[i%3], i%2 == 0}
			a := a
			if err == nil {
				a = r.fill(a, more)
			}
			id := r.identity("i", "s", a)
			if id.Email != "" && !strings.Contains(id.Email[1:len(id.Email)-1], "@") {
				t.Errorf("address %q", id.Email)
			}
			if id.EmailVerified && id.Email == "" || p.domain == "" && id.Domain != "" && !id.EmailVerified {
				t.Errorf("vouched for nothing: %+v", id)
			}
			if strings.ContainsAny(id.Name+id.Email+id.Domain+strings.Join(id.Groups, ""), "\x00\n\r\x1b") || len(id.Groups) > maxGroups {
				t.Errorf("unbearable: %+v", id)
			}
			if _, err := json.Marshal(id); err != nil {
				t.Error(err)
			}
		}
	})
}
