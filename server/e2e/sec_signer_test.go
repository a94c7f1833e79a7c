package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signer signs client assertions (RFC 7523 §2.2) as ChatGPT does.
type signer struct {
	t   *testing.T
	alg jose.SignatureAlgorithm
	key any
	kid string
}

func newSigner(t *testing.T, kid string) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{t, jose.RS256, key, kid}
}

func (s *signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.(crypto.Signer).Public(), KeyID: s.kid, Use: "sig"}
}

// sign signs claims; extra are more header fields.
func (s *signer) sign(claims map[string]any, extra ...string) string {
	s.t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.kid)
	for i := 0; i+1 < len(extra); i += 2 {
		o.WithHeader(jose.HeaderKey(extra[i]), extra[i+1])
	}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, o)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := js.Sign(body)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// claimsOf are those of a good assertion, changed by pairs; nil takes one out.
func claimsOf(app *App, id string, change ...any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"iss": id, "sub": id, "aud": app.URL + "/token", "jti": rand.Text(), "iat": now, "exp": now + 300}
	for i := 0; i+1 < len(change); i += 2 {
		c[change[i].(string)] = change[i+1]
		if change[i+1] == nil {
			delete(c, change[i].(string))
		}
	}
	return c
}

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyed is a client with private_key_jwt, its keys at jwks_uri, and a code of
// its own that waits to be redeemed.
type keyed struct {
	app    *App
	doc    *published
	keys   *published
	signer *signer
	req    *AuthRequest
	code   string
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	k := &keyed{app: StartApp(t, AppOptions{}), doc: publish(t, clientURI), keys: publish(t), signer: newSigner(t, "one")}
	k.keys.Set("keys", []any{k.signer.public()})
	k.doc.Set("token_endpoint_auth_method", "private_key_jwt")
	k.doc.Set("jwks_uri", k.keys.ID)
	k.signIn(t)
	return k
}

func (k *keyed) signIn(t *testing.T) {
	t.Helper()
	k.req = k.app.NewAuthRequest(k.doc.client())
	k.code = k.app.Code(t, NewBrowser(t), k.req, "alice")
}

func (k *keyed) redeem(t *testing.T, assertion string, change ...string) *Reply {
	t.Helper()
	return k.app.Redeem(t, k.req, k.code, append([]string{"client_assertion_type", jwtBearer, "client_assertion", assertion}, change...)...)
}
