package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// RFC 7523 §3: an assertion that is not the client's own, for us, now and new
// opens nothing; and since nothing was proven, the code is not used up by it.
func TestSecAssertionRefused(t *testing.T) {
	k := newKeyed(t)
	good := func(change ...any) map[string]any { return claimsOf(k.app, k.doc.ID, change...) }
	now := time.Now().Unix()
	other := newSigner(t, "one")
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(k.signer.public().Key)
	if err != nil {
		t.Fatal(err)
	}
	publicJWK, err := k.signer.public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(secret []byte) string {
		return (&signer{t, jose.HS256, secret, "one"}).sign(good())
	}
	unsigned := func(alg string) string {
		parts := strings.Split(k.signer.sign(good()), ".")
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":"one"}`, alg)) + "." + parts[1] + "."
	}
	embedded, err := other.public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	trap := publish(t)
	trap.Set("keys", []any{other.public()})
	cut := k.signer.sign(good())
	for _, c := range []struct{ name, assertion string }{
		{"none at all", ""},
		{"no JWT", "x"},
		{"dots", ".."},
		{"another key with the same id", other.sign(good())},
		{"another key with another id", newSigner(t, "two").sign(good())},
		{"a key of another kind", (&signer{t, jose.ES256, ecKey, "one"}).sign(good())},
		{"a key in the header", other.sign(good(), "jwk", string(embedded))},
		{"an address of keys in the header", other.sign(good(), "jku", trap.ID, "x5u", trap.ID)},
		{"alg none", unsigned("none")},
		{"alg None", unsigned("None")},
		{"no signature", unsigned("RS256")},
		{"HS256 with the public key in PEM", hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}))},
		{"HS256 with the public key in DER", hmac(publicDER)},
		{"HS256 with the public key as JWK", hmac(publicJWK)},
		{"a changed payload", strings.Replace(cut, ".", ".e", 1)},
		{"a cut signature", cut[:len(cut)-4]},
		{"audience of another server", k.signer.sign(good("aud", "https://evil.example/token"))},
		{"audience that ours begins", k.signer.sign(good("aud", k.app.URL+"/token/x"))},
		{"audience of the MCP server", k.signer.sign(good("aud", k.app.MCPURL))},
		{"audience missing", k.signer.sign(good("aud", nil))},
		{"audience empty", k.signer.sign(good("aud", []string{}))},
		{"expired", k.signer.sign(good("exp", now-60))},
		{"without an end", k.signer.sign(good("exp", nil))},
		{"good for a year", k.signer.sign(good("exp", now+365*86400))},
		{"not yet good", k.signer.sign(good("nbf", now+120))},
		{"of the future", k.signer.sign(good("iat", now+120))},
		{"without jti", k.signer.sign(good("jti", nil))},
		{"with an empty jti", k.signer.sign(good("jti", ""))},
		{"issued by somebody else", k.signer.sign(good("iss", "https://evil.example/client.json"))},
		{"about somebody else", k.signer.sign(good("sub", "https://evil.example/client.json"))},
		{"without issuer", k.signer.sign(good("iss", nil))},
		{"without subject", k.signer.sign(good("sub", nil))},
	} {
		t.Run(c.name, func(t *testing.T) {
			k.redeem(t, c.assertion).want(t, http.StatusUnauthorized, "invalid_client")
		})
	}
	if n := trap.Reads(); n != 0 {
		t.Errorf("the address in a header was asked %d times", n)
	}
	assertion := k.signer.sign(good())
	k.redeem(t, assertion, "client_assertion_type", "").want(t, http.StatusUnauthorized, "invalid_client")
	k.redeem(t, assertion, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer").want(t, http.StatusUnauthorized, "invalid_client")
	k.redeem(t, "", "client_secret", "x").want(t, http.StatusUnauthorized, "invalid_client")
	tokens := k.app.mustTokens(t, k.redeem(t, assertion))

	// The same assertion counts once, wherever it was used first.
	again := []string{"client_assertion_type", jwtBearer, "client_assertion", assertion}
	k.app.Refresh(t, k.doc.client(), tokens.Refresh, again...).want(t, http.StatusUnauthorized, "invalid_client")
	k.app.Refresh(t, k.doc.client(), tokens.Refresh).want(t, http.StatusUnauthorized, "invalid_client")
	k.app.Revoke(t, k.doc.client(), tokens.Refresh).want(t, http.StatusUnauthorized, "invalid_client")
	again[3] = k.signer.sign(good())
	k.app.mustTokens(t, k.app.Refresh(t, k.doc.client(), tokens.Refresh, again...))
	if log := k.app.Log.String(); strings.Contains(log, assertion) || strings.Contains(log, strings.Split(assertion, ".")[2]) {
		t.Error("the log holds an assertion")
	}
}

// What honest clients send: each spelling of us that they use, each algorithm
// that the metadata lists, keys in the document, and keys just rotated.
func TestSecAssertionTaken(t *testing.T) {
	k := newKeyed(t)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rotated := newSigner(t, "two")
	for _, c := range []struct {
		name   string
		signer *signer
		change []any
	}{
		{"our issuer as audience", k.signer, []any{"aud", k.app.URL}},
		{"a list of audiences", k.signer, []any{"aud", []string{"https://other.example", k.app.URL + "/token"}}},
		{"a clock ten seconds ahead", k.signer, []any{"iat", time.Now().Unix() + 10, "nbf", time.Now().Unix() + 10}},
		{"PS256", &signer{t, jose.PS256, k.signer.key, "one"}, nil},
		{"keys just rotated", rotated, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.signer == rotated {
				k.keys.Set("keys", []any{rotated.public()})
			}
			assertion := c.signer.sign(claimsOf(k.app, k.doc.ID, c.change...))
			k.app.mustTokens(t, k.redeem(t, assertion, "client_id", "")) // the assertion names the client
			k.signIn(t)
		})
	}
	inline := &keyed{app: k.app, doc: publish(t, clientURI), signer: &signer{t, jose.ES256, ecKey, "ec"}}
	inline.doc.Set("token_endpoint_auth_method", "private_key_jwt")
	inline.doc.Set("jwks", map[string]any{"keys": []any{inline.signer.public()}})
	inline.signIn(t)
	k.app.mustTokens(t, inline.redeem(t, inline.signer.sign(claimsOf(k.app, inline.doc.ID))))
}

// A client without keys of its own can't be taken over, nor helped, by an
// assertion; and keys that are no public ones verify nothing.
func TestSecAssertionOfTheWrongClient(t *testing.T) {
	k := newKeyed(t)
	public := publish(t, clientURI)
	mine := publish(t, clientURI)
	mine.Set("token_endpoint_auth_method", "private_key_jwt")
	secret := []byte("a secret that is no secret, 32 b")
	mine.Set("jwks", map[string]any{"keys": []any{
		jose.JSONWebKey{Key: secret, KeyID: "hs", Algorithm: "HS256"},
		jose.JSONWebKey{Key: k.signer.key, KeyID: "one", Algorithm: "RS256"}, // its private half
	}})
	for _, c := range []struct {
		name      string
		client    Client
		assertion string
	}{
		{"a public client", public.client(), k.signer.sign(claimsOf(k.app, public.ID))},
		{"a registered client", k.app.Register(t, clientURI), k.signer.sign(claimsOf(k.app, k.doc.ID))},
		{"the client known in advance", Client{ID: "drawbridge-demo", RedirectURI: clientURI}, k.signer.sign(claimsOf(k.app, "drawbridge-demo"))},
		{"another client's assertion", mine.client(), k.signer.sign(claimsOf(k.app, k.doc.ID))},
		{"another client's signature", k.doc.client(), newSigner(t, "one").sign(claimsOf(k.app, k.doc.ID))},
		{"a shared secret among the keys", mine.client(), (&signer{t, jose.HS256, secret, "hs"}).sign(claimsOf(k.app, mine.ID))},
		{"a private key among the keys", mine.client(), k.signer.sign(claimsOf(k.app, mine.ID))},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := k.app.NewAuthRequest(c.client)
			reply := k.app.Redeem(t, req, k.code, "client_assertion_type", jwtBearer, "client_assertion", c.assertion)
			reply.want(t, http.StatusUnauthorized, "invalid_client")
		})
	}
	k.app.mustTokens(t, k.redeem(t, k.signer.sign(claimsOf(k.app, k.doc.ID))))
}
