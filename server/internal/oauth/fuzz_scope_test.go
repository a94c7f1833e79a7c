package oauth

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// naiveScope is RFC 6749 §3.3 by hand: tokens of printable ASCII but for the
// quotation mark and the backslash, with spaces between.
func naiveScope(s string) (set map[string]bool, ok bool) {
	set = map[string]bool{}
	word := ""
	for _, c := range []byte(s + " ") {
		switch {
		case c == ' ':
			if word != "" {
				set[word] = true
			}
			word = ""
		case c == 0x21 || c >= 0x23 && c <= 0x5b || c >= 0x5d && c <= 0x7e:
			word += string(rune(c))
		default:
			return nil, false
		}
	}
	return set, true
}

// A sign-in is given no scope that was not asked for and configured, but the
// usual ones if none was; a refresh none that was not granted.
func FuzzScope(f *testing.F) {
	f.Add("openid profile", "openid")
	f.Add("openid openid offline_access", "openid\tprofile")
	f.Add("", "admin")
	f.Add("OPENID \x00", "openid  email")
	f.Fuzz(func(t *testing.T, asked, later string) {
		r := newRig(&testing.T{})
		c := r.client()
		flow, err := r.Begin(BeginRequest{Client: c, RedirectURI: testRedirect, ResponseType: "code", Challenge: challengeOf(testVerifier), Method: "S256", Scope: asked})
		set, ok := naiveScope(asked)
		if (err == nil) != (ok && len(asked) <= maxScope) {
			t.Fatalf("%q: %v, by the specification %t", asked, err, ok)
		}
		if err != nil {
			return
		}
		want := map[string]bool{}
		for _, s := range r.opts.Scopes {
			if set[s] {
				want[s] = true
			}
		}
		if len(want) == 0 {
			want = map[string]bool{"openid": true, "profile": true, "email": true}
		}
		sameSet(t, "sign-in", flow.Scopes, want)

		_, tokens := r.signIn() // of the usual scopes
		granted := []string{"openid", "profile", "email"}
		for _, g := range r.grants {
			sameSet(t, "grant", g.record().Scopes, map[string]bool{"openid": true, "profile": true, "email": true})
		}
		rc := r.client()
		got, err := r.Refresh(t.Context(), TokenRequest{ClientID: rc.ID, Refresh: tokens.Refresh, Scope: later})
		set, ok = naiveScope(later)
		within := ok && len(later) <= maxScope
		for s := range set {
			within = within && slices.Contains(granted, s)
		}
		if (err == nil) != within {
			t.Fatalf("a refresh for %q: %v, by the specification %t", later, err, within)
		}
		for _, s := range got.Scopes {
			if !slices.Contains(granted, s) {
				t.Errorf("a refresh for %q gave %q", later, s)
			}
		}
	})
}

func sameSet(t *testing.T, what string, got []string, want map[string]bool) {
	t.Helper()
	for _, s := range got {
		if !want[s] {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// A resource indicator is ours if it is our URL but for what RFC 3986 §6.2
// calls the same, a query, and one slash; our origin means it too, and so does
// nothing.
func FuzzResource(f *testing.F) {
	for _, s := range []string{testMCP, testMCP + "/", "HTTPS://BRIDGE.example:443/mcp?x=1", "https://bridge.example/mcp/..", "https://bridge.example/%6dcp", "https://bridge.example.evil/mcp", "https://u@bridge.example/mcp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		got, err := target([]string{given}, []string{testMCP}, testMCP)
		if err != nil || given == "" {
			return
		}
		plain, _, _ := strings.Cut(given, "?")
		scheme, rest, _ := strings.Cut(plain, "://")
		host, path, _ := strings.Cut(rest, "/")
		host = strings.TrimSuffix(strings.ToLower(host), ":443")
		if got != testMCP || strings.ToLower(scheme) != "https" || host != "bridge.example" || strings.TrimSuffix(path, "/") != "mcp" && path != "" || strings.Contains(given, "#") {
			t.Errorf("%q is taken for ours", given)
		}
	})
}

// Whatever the records of a state file say once they are open, New starts
// or says why not; and no token works that the record does not carry.
func FuzzStoredRecords(f *testing.F) {
	r := newRig(&testing.T{})
	_, tokens := r.signIn()
	grant, _ := json.Marshal(r.grantRecord())
	f.Add(grant, []byte(`{"v":1,"browser":"x","expires_at":"2027-01-01T00:00:00Z"}`), []byte(`{"v":1,"token":"x","issuer":"https://idp.example","since":"2026-11-22T12:00:00Z"}`), []byte(`{"v":1,"id":"x"}`))
	f.Add([]byte(`{"v":99,"id":"AAAAAAAAAAAAAAAAAAAAAA","generation":4294967295}`), []byte(`null`), []byte(`[]`), []byte(`{"redirect_uris":null}`))
	f.Add([]byte(`{}`), []byte(``), []byte(`{`), []byte(`{"last_sign_in":"0001-01-01T00:00:00Z"}`))
	id := r.grantRecord().ID
	f.Fuzz(func(t *testing.T, grant, consent, revocation, client []byte) {
		n := newRig(&testing.T{})
		n.disk.records = map[string]map[string][]byte{BucketGrants: {id: grant}, BucketConsents: {"c": consent}, BucketRevocations: {"r": revocation}, BucketClients: {"k": client}}
		s, err := New(n.opts, n.disk)
		if err != nil {
			return
		}
		s.Sessions()
		s.Clients()
		_, _, err = s.Authenticate(tokens.Access, testMCP, "")
		var g Grant
		if json.Unmarshal(grant, &g); err == nil && (g.ID != id || g.Resource != testMCP) {
			t.Fatalf("the token works with %s", grant)
		}
		_, _ = s.Refresh(t.Context(), TokenRequest{ClientID: g.Client.ID, Refresh: tokens.Refresh})
		n.clock.forward(time.Minute)
		s.expire()
		s.revokeOnce(t.Context())
		if err := s.Revoke(id, "test"); err == nil {
			if _, _, err := s.Authenticate(tokens.Access, testMCP, ""); err == nil {
				t.Fatal("a revoked session lives")
			}
		}
	})
}

// A client id is one that we made, or it is nobody's.
func FuzzClientID(f *testing.F) {
	r := newRig(&testing.T{})
	c := r.client()
	f.Add(c.ID)
	f.Add(c.ID[:40])
	f.Add("dbc_")
	f.Fuzz(func(t *testing.T, id string) {
		if got, ok := r.Known(id); ok && (id != c.ID || got.Name != c.Name || !slices.Equal(got.RedirectURIs, c.RedirectURIs)) {
			t.Errorf("%q is %+v", id, got)
		}
	})
}
