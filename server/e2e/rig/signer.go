package rig

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs client assertions (RFC 7523 §2.2) as ChatGPT does.
type Signer struct {
	T     *testing.T
	Alg   jose.SignatureAlgorithm
	Key   any
	KeyID string
}

func NewSigner(t *testing.T, kid string) *Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{t, jose.RS256, key, kid}
}

func (s *Signer) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.Key.(crypto.Signer).Public(), KeyID: s.KeyID, Use: "sig"}
}

// Sign signs claims; extra are more header fields.
func (s *Signer) Sign(claims map[string]any, extra ...string) string {
	s.T.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.KeyID)
	for i := 0; i+1 < len(extra); i += 2 {
		o.WithHeader(jose.HeaderKey(extra[i]), extra[i+1])
	}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: s.Alg, Key: s.Key}, o)
	if err != nil {
		s.T.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		s.T.Fatal(err)
	}
	signed, err := js.Sign(body)
	if err != nil {
		s.T.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		s.T.Fatal(err)
	}
	return text
}

// ClaimsOf are those of a good assertion, changed by pairs; nil takes one out.
func ClaimsOf(app *App, id string, change ...any) map[string]any {
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

const JWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Keyed is a client with private_key_jwt, its keys at jwks_uri, and a code of
// its own that waits to be redeemed.
type Keyed struct {
	App    *App
	Doc    *Published
	Keys   *Published
	Signer *Signer
	req    *AuthRequest
	Code   string
}

func NewKeyed(t *testing.T) *Keyed {
	t.Helper()
	k := &Keyed{App: StartApp(t, AppOptions{}), Doc: Publish(t, ClientURI), Keys: Publish(t), Signer: NewSigner(t, "one")}
	k.Keys.Set("keys", []any{k.Signer.Public()})
	k.Doc.Set("token_endpoint_auth_method", "private_key_jwt")
	k.Doc.Set("jwks_uri", k.Keys.ID)
	k.SignIn(t)
	return k
}

func (k *Keyed) SignIn(t *testing.T) {
	t.Helper()
	k.req = k.App.NewAuthRequest(k.Doc.Client())
	k.Code = k.App.Code(t, NewBrowser(t), k.req, "alice")
}

func (k *Keyed) Redeem(t *testing.T, assertion string, change ...string) *Reply {
	t.Helper()
	return k.App.Redeem(t, k.req, k.Code, append([]string{"client_assertion_type", JWTBearer, "client_assertion", assertion}, change...)...)
}
