package idp

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

const bridge = "https://bridge.example"

// signedBytes signs header and payload as they stand.
func signedBytes(header, payload []byte) string {
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sig, err := fuzzKey.Sign(nil, []byte(text), crypto.Hash(0))
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// members are the names of an object, each as often as it stands there.
func members(text []byte) (names []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return nil
		}
		names = append(names, fmt.Sprint(name))
	}
	return names
}

// Whatever is signed by the provider's key: what is taken says the same to go-jose
// and to go-oidc, has no name twice, and is for us.
func FuzzAssertion(f *testing.F) {
	at := fuzzNow.Unix()
	header := `{"alg":"EdDSA","typ":"oauth-id-jag+jwt","kid":"1"}`
	claims := fmt.Sprintf(`{"iss":%q,"sub":"ana","aud":%q,"client_id":"dbk_1","jti":"j","exp":%d,"iat":%d,"scope":"openid","resource":"https://bridge.example/mcp"}`, fuzzIssuer, bridge, at+300, at)
	f.Add([]byte(header), []byte(claims))
	f.Add([]byte(header), []byte(strings.Replace(claims, `"aud"`, `"aud":"x","aud"`, 1)))
	f.Add([]byte(header), []byte(strings.Replace(claims, `"aud"`, `"Aud":"x","a\u0075d"`, 1)))
	f.Add([]byte(header), []byte(strings.Replace(claims, `"sub":"ana"`, `"sub":"ana\u0000bob"`, 1)))
	f.Add([]byte(`{"alg":"EdDSA","typ":"oauth-id-jag+jwt","kid":"1","b64":false,"crit":["b64"]}`), []byte(claims))
	f.Add([]byte(`{"ALG":"none","alg":"EdDSA","typ":"oauth-id-jag+jwt"}`), []byte(strings.Replace(claims, fmt.Sprint(at+300), fmt.Sprint(at+300)+".25e0", 1)))
	client := newScripted().client()
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		raw := signedBytes(header, payload)
		a, err := NewAssertions(bridge, client).Verify(t.Context(), raw, "dbk_1")
		if err != nil {
			var e *oauth.Error
			if !errors.As(err, &e) || e.Code != "invalid_grant" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		for _, part := range [][]byte{header, payload} {
			seen := map[string]bool{}
			for _, name := range members(part) {
				if seen[name] {
					t.Fatalf("%q stands twice in %s", name, part)
				}
				seen[name] = true
			}
		}
		parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatalf("go-jose does not take %s.%s: %v", header, payload, err)
		}
		var theirs jwt.Claims
		if err := parsed.Claims(fuzzKey.Public(), &theirs); err != nil {
			t.Fatalf("go-jose reads %s otherwise: %v", payload, err)
		}
		if theirs.Issuer != fuzzIssuer || theirs.Subject != a.Identity.Subject || theirs.ID != a.ID || len(theirs.Audience) != 1 || strings.TrimSuffix(theirs.Audience[0], "/") != bridge ||
			theirs.Expiry.Time().Sub(a.Expires).Abs() > time.Second {
			t.Fatalf("go-jose reads %+v, we %+v", theirs, a)
		}
		keys := &oidc.StaticKeySet{}
		keys.PublicKeys = append(keys.PublicKeys, fuzzKey.Public())
		token, err := oidc.NewVerifier(fuzzIssuer, keys, &oidc.Config{ClientID: theirs.Audience[0], SupportedSigningAlgs: []string{oidc.EdDSA}, Now: func() time.Time { return fuzzNow.Add(-30 * time.Second) }}).Verify(t.Context(), raw)
		if err != nil || token.Subject != a.Identity.Subject {
			t.Fatalf("go-oidc: %+v, %v", token, err)
		}
	})
}

// Who sends what no key has signed does not decide how often the provider is asked
// for its keys, and keys that can't be had are no one's fault.
func TestAssertionKeysAreAskedForSparingly(t *testing.T) {
	asked, away := 0, false
	s := newScripted()
	client := New(Config{Issuer: fuzzIssuer, ClientID: clientID, Now: func() time.Time { return fuzzNow }, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/jwks" {
			if asked++; away {
				return nil, errors.New("no route")
			}
		}
		return s.RoundTrip(r)
	})}})
	at := fuzzNow.Unix()
	payload := fmt.Appendf(nil, `{"iss":%q,"sub":"ana","aud":%q,"client_id":"dbk_1","jti":"j","exp":%d,"iat":%d}`, fuzzIssuer, bridge, at+300, at)
	verify := func(kid string) error {
		_, err := NewAssertions(bridge, client).Verify(t.Context(), signedBytes(fmt.Appendf(nil, `{"alg":"EdDSA","typ":"oauth-id-jag+jwt","kid":%q}`, kid), payload), "dbk_1")
		return err
	}
	away = true
	for range 10 {
		var e *oauth.Error
		if err := verify("1"); !errors.As(err, &e) || e.Code != "temporarily_unavailable" || e.RetryAfter == 0 {
			t.Fatalf("while the keys are away: %v", err)
		}
	}
	if asked > 3 {
		t.Errorf("asked %d times for keys that are away", asked)
	}
	asked, away = 0, false
	client = New(client.cfg)
	for i := range 100 {
		if err := verify(fmt.Sprint("other", i)); !errors.Is(err, oauth.ErrAssertionKey) {
			t.Fatal(err)
		}
	}
	if err := verify("1"); err != nil || asked > 4 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}
