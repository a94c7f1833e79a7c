package security

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

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// RFC 7523 §3: an assertion that is not the client's own, for us, now and new
// opens nothing; and since nothing was proven, the code is not used up by it.
func TestSecAssertionRefused(t *testing.T) {
	k := rig.NewKeyed(t)
	good := func(change ...any) map[string]any { return rig.ClaimsOf(k.App, k.Doc.ID, change...) }
	now := time.Now().Unix()
	other := rig.NewSigner(t, "one")
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(k.Signer.Public().Key)
	if err != nil {
		t.Fatal(err)
	}
	publicJWK, err := k.Signer.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	hmac := func(secret []byte) string {
		return (&rig.Signer{T: t, Alg: jose.HS256, Key: secret, KeyID: "one"}).Sign(good())
	}
	unsigned := func(alg string) string {
		parts := strings.Split(k.Signer.Sign(good()), ".")
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":"one"}`, alg)) + "." + parts[1] + "."
	}
	embedded, err := other.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	trap := rig.Publish(t)
	trap.Set("keys", []any{other.Public()})
	cut := k.Signer.Sign(good())
	for _, c := range []struct{ name, assertion string }{
		{"none at all", ""},
		{"no JWT", "x"},
		{"dots", ".."},
		{"another key with the same id", other.Sign(good())},
		{"another key with another id", rig.NewSigner(t, "two").Sign(good())},
		{"a key of another kind", (&rig.Signer{T: t, Alg: jose.ES256, Key: ecKey, KeyID: "one"}).Sign(good())},
		{"a key in the header", other.Sign(good(), "jwk", string(embedded))},
		{"an address of keys in the header", other.Sign(good(), "jku", trap.ID, "x5u", trap.ID)},
		{"alg none", unsigned("none")},
		{"alg None", unsigned("None")},
		{"no signature", unsigned("RS256")},
		{"HS256 with the public key in PEM", hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}))},
		{"HS256 with the public key in DER", hmac(publicDER)},
		{"HS256 with the public key as JWK", hmac(publicJWK)},
		{"a changed payload", strings.Replace(cut, ".", ".e", 1)},
		{"a cut signature", cut[:len(cut)-4]},
		{"audience of another server", k.Signer.Sign(good("aud", "https://evil.example/token"))},
		{"audience that ours begins", k.Signer.Sign(good("aud", k.App.URL+"/token/x"))},
		{"audience of the MCP server", k.Signer.Sign(good("aud", k.App.MCPURL))},
		{"audience missing", k.Signer.Sign(good("aud", nil))},
		{"audience empty", k.Signer.Sign(good("aud", []string{}))},
		{"expired", k.Signer.Sign(good("exp", now-60))},
		{"without an end", k.Signer.Sign(good("exp", nil))},
		{"good for a year", k.Signer.Sign(good("exp", now+365*86400))},
		{"not yet good", k.Signer.Sign(good("nbf", now+120))},
		{"of the future", k.Signer.Sign(good("iat", now+120))},
		{"without jti", k.Signer.Sign(good("jti", nil))},
		{"with an empty jti", k.Signer.Sign(good("jti", ""))},
		{"issued by somebody else", k.Signer.Sign(good("iss", "https://evil.example/client.json"))},
		{"about somebody else", k.Signer.Sign(good("sub", "https://evil.example/client.json"))},
		{"without issuer", k.Signer.Sign(good("iss", nil))},
		{"without subject", k.Signer.Sign(good("sub", nil))},
	} {
		t.Run(c.name, func(t *testing.T) {
			k.Redeem(t, c.assertion).Want(t, http.StatusUnauthorized, "invalid_client")
		})
	}
	if n := trap.Reads(); n != 0 {
		t.Errorf("the address in a header was asked %d times", n)
	}
	assertion := k.Signer.Sign(good())
	k.Redeem(t, assertion, "client_assertion_type", "").Want(t, http.StatusUnauthorized, "invalid_client")
	k.Redeem(t, assertion, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer").Want(t, http.StatusUnauthorized, "invalid_client")
	k.Redeem(t, "", "client_secret", "x").Want(t, http.StatusUnauthorized, "invalid_client")
	tokens := k.App.MustTokens(t, k.Redeem(t, assertion))

	// The same assertion counts once, wherever it was used first.
	again := []string{"client_assertion_type", rig.JWTBearer, "client_assertion", assertion}
	k.App.Refresh(t, k.Doc.Client(), tokens.Refresh, again...).Want(t, http.StatusUnauthorized, "invalid_client")
	k.App.Refresh(t, k.Doc.Client(), tokens.Refresh).Want(t, http.StatusUnauthorized, "invalid_client")
	k.App.Revoke(t, k.Doc.Client(), tokens.Refresh).Want(t, http.StatusUnauthorized, "invalid_client")
	again[3] = k.Signer.Sign(good())
	k.App.MustTokens(t, k.App.Refresh(t, k.Doc.Client(), tokens.Refresh, again...))
	if log := k.App.Log.String(); strings.Contains(log, assertion) || strings.Contains(log, strings.Split(assertion, ".")[2]) {
		t.Error("the log holds an assertion")
	}
}

// What honest clients send: each spelling of us that they use, each algorithm
// that the metadata lists, keys in the document, and keys just rotated.
func TestSecAssertionTaken(t *testing.T) {
	k := rig.NewKeyed(t)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rotated := rig.NewSigner(t, "two")
	for _, c := range []struct {
		name   string
		signer *rig.Signer
		change []any
	}{
		{"our issuer as audience", k.Signer, []any{"aud", k.App.URL}},
		{"a list of audiences", k.Signer, []any{"aud", []string{"https://other.example", k.App.URL + "/token"}}},
		{"a clock ten seconds ahead", k.Signer, []any{"iat", time.Now().Unix() + 10, "nbf", time.Now().Unix() + 10}},
		{"PS256", &rig.Signer{T: t, Alg: jose.PS256, Key: k.Signer.Key, KeyID: "one"}, nil},
		{"keys just rotated", rotated, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.signer == rotated {
				k.Keys.Set("keys", []any{rotated.Public()})
			}
			assertion := c.signer.Sign(rig.ClaimsOf(k.App, k.Doc.ID, c.change...))
			k.App.MustTokens(t, k.Redeem(t, assertion, "client_id", "")) // the assertion names the client
			k.SignIn(t)
		})
	}
	inline := &rig.Keyed{App: k.App, Doc: rig.Publish(t, rig.ClientURI), Signer: &rig.Signer{T: t, Alg: jose.ES256, Key: ecKey, KeyID: "ec"}}
	inline.Doc.Set("token_endpoint_auth_method", "private_key_jwt")
	inline.Doc.Set("jwks", map[string]any{"keys": []any{inline.Signer.Public()}})
	inline.SignIn(t)
	k.App.MustTokens(t, inline.Redeem(t, inline.Signer.Sign(rig.ClaimsOf(k.App, inline.Doc.ID))))
}

// A client without keys of its own can't be taken over, nor helped, by an
// assertion; and keys that are no public ones verify nothing.
func TestSecAssertionOfTheWrongClient(t *testing.T) {
	k := rig.NewKeyed(t)
	public := rig.Publish(t, rig.ClientURI)
	mine := rig.Publish(t, rig.ClientURI)
	mine.Set("token_endpoint_auth_method", "private_key_jwt")
	secret := []byte("a secret that is no secret, 32 b")
	mine.Set("jwks", map[string]any{"keys": []any{
		jose.JSONWebKey{Key: secret, KeyID: "hs", Algorithm: "HS256"},
		jose.JSONWebKey{Key: k.Signer.Key, KeyID: "one", Algorithm: "RS256"}, // its private half
	}})
	for _, c := range []struct {
		name      string
		client    rig.Client
		assertion string
	}{
		{"a public client", public.Client(), k.Signer.Sign(rig.ClaimsOf(k.App, public.ID))},
		{"a registered client", k.App.Register(t, rig.ClientURI), k.Signer.Sign(rig.ClaimsOf(k.App, k.Doc.ID))},
		{"the client known in advance", rig.Client{ID: "drawbridge-demo", RedirectURI: rig.ClientURI}, k.Signer.Sign(rig.ClaimsOf(k.App, "drawbridge-demo"))},
		{"another client's assertion", mine.Client(), k.Signer.Sign(rig.ClaimsOf(k.App, k.Doc.ID))},
		{"another client's signature", k.Doc.Client(), rig.NewSigner(t, "one").Sign(rig.ClaimsOf(k.App, k.Doc.ID))},
		{"a shared secret among the keys", mine.Client(), (&rig.Signer{T: t, Alg: jose.HS256, Key: secret, KeyID: "hs"}).Sign(rig.ClaimsOf(k.App, mine.ID))},
		{"a private key among the keys", mine.Client(), k.Signer.Sign(rig.ClaimsOf(k.App, mine.ID))},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := k.App.NewAuthRequest(c.client)
			reply := k.App.Redeem(t, req, k.Code, "client_assertion_type", rig.JWTBearer, "client_assertion", c.assertion)
			reply.Want(t, http.StatusUnauthorized, "invalid_client")
		})
	}
	k.App.MustTokens(t, k.Redeem(t, k.Signer.Sign(rig.ClaimsOf(k.App, k.Doc.ID))))
}
