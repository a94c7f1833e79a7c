package authserver

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// What a registration was answered is what its id says later, and nothing in it
// is refused by the list.
func FuzzRegister(f *testing.F) {
	r := newFuzzRig(f, &served{})
	f.Add([]byte(`{"client_name":"Claude","redirect_uris":["http://localhost:1/cb"],"grant_types":["authorization_code"],"application_type":"native","scope":"a"}`))
	f.Add([]byte(`{"redirect_uris":["https://client.example/cb?x=1","javascript:x"]}`))
	f.Add([]byte(`{"client_name":"\u202e</title>","redirect_uris":[null,1]}`))
	f.Add([]byte(`[[[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		r.Register(w, request(http.MethodPost, "/register", "", string(body), "Content-Type", "application/json"))
		answered(t, w)
		if w.Code != http.StatusCreated {
			return
		}
		var a registrationAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		c, ok := r.grants.Known(a.ClientID)
		if !ok || c.Name != a.ClientName || !slices.Equal(c.RedirectURIs, a.RedirectURIs) || c.AuthMethod != "none" || a.AuthMethod != "none" {
			t.Fatalf("answered %+v, known as %+v (%t)", a, c, ok)
		}
		for _, uri := range c.RedirectURIs {
			if _, err := r.grants.ProveRedirect(c, uri); err != nil {
				t.Errorf("%q was registered: %v", uri, err)
			}
		}
		if !utf8.ValidString(c.Name) || strings.ContainsAny(c.Name, "\n\r\x00\u202e") || len([]rune(c.Name)) > 80 {
			t.Errorf("name %q", c.Name)
		}
	})
}

// A metadata document is taken if it says that it is the one at its address,
// and holds no secret; the client is then what it says.
func FuzzClientDocument(f *testing.F) {
	fetch := &served{}
	f.Add([]byte(`{"client_id":"https://app.example/client.json","client_name":"App","redirect_uris":["http://localhost/cb"]}`), "max-age=60")
	f.Add([]byte(`{"client_id":"https://app.example/client.json","client_name":"App","redirect_uris":["http://localhost/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}}`), "no-store")
	f.Add([]byte(`{"client_id":"https://evil.example/","client_name":"App","redirect_uris":["x"],"client_secret":""}`), "max-age=99999999999999999999")
	f.Fuzz(func(t *testing.T, body []byte, cacheControl string) {
		fetch.body, fetch.cacheControl = string(body), cacheControl
		d := NewDocuments(&http.Client{Transport: fetch}, fuzzClock)
		c, err := d.Client(t.Context(), fuzzDocument, netip.Prefix{}, nil)
		if err != nil {
			return
		}
		var says map[string]any
		if err := json.Unmarshal(body, &says); err != nil {
			t.Fatalf("what is no JSON object was taken: %v", err)
		}
		if c.ID != fuzzDocument || c.Kind != oauth.KindCIMD || c.Name == "" || len(c.RedirectURIs) == 0 {
			t.Fatalf("taken as %+v", c)
		}
		if c.AuthMethod != "none" && c.AuthMethod != "private_key_jwt" {
			t.Errorf("method %q", c.AuthMethod)
		}
		if _, secret := says["client_secret"]; secret {
			t.Error("a document with a secret was taken")
		}
		if until := d.documents.byAddress[fuzzDocument].until; until.Sub(fuzzNow) > maxDocumentTTL {
			t.Errorf("kept until %v", until)
		}
	})
}

// Nobody can make an assertion that this client's key did not sign.
func FuzzAssertion(f *testing.F) {
	fetch := &served{}
	r := newFuzzRig(f, fetch)
	const jwks = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	f.Add("eyJhbGciOiJub25lIn0.e30.", []byte(jwks))
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FwcC5leGFtcGxlL2NsaWVudC5qc29uIiwic3ViIjoiaHR0cHM6Ly9hcHAuZXhhbXBsZS9jbGllbnQuanNvbiJ9.AAAA", []byte(jwks))
	f.Add("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", []byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","n":"AQ","e":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, assertion string, keys []byte) {
		_ = assertionClient(assertion)
		c := &oauth.Client{ID: fuzzDocument, Kind: oauth.KindCIMD, AuthMethod: "private_key_jwt", JWKS: keys}
		if err := r.checkAssertion(t.Context(), c, assertion, netip.Prefix{}); err == nil {
			t.Fatalf("taken: %q with keys %q", assertion, keys)
		}
	})
}

// An address of a document is one of a server, without a way to lead elsewhere.
func FuzzDocumentURL(f *testing.F) {
	for _, s := range []string{fuzzDocument, "https://a/../b", "https://u@a/x", "https://a/x#y", "https://a\\@b/x", "https://a/%2e%2e/x", "https:///x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if checkDocumentURL(address) != nil {
			return
		}
		rest, ok := strings.CutPrefix(strings.ToLower(address), "https://")
		host, path, slash := strings.Cut(rest, "/")
		if host, _, _ = strings.Cut(host, "?"); !ok || !slash || host == "" || path == "" || strings.ContainsAny(address, "#\\ \r\n\t") || strings.ContainsAny(host, "@") {
			t.Errorf("%q was taken", address)
		}
		for _, part := range strings.FieldsFunc(strings.NewReplacer("%2e", ".", "%2f", "/", "%5c", "/").Replace(path), func(c rune) bool { return c == '/' }) {
			if name, _, _ := strings.Cut(part, "?"); name == ".." {
				t.Errorf("%q was taken", address)
			}
		}
	})
}
