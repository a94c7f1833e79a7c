package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// spy is an OpenID provider whose every answer a test can spoil, and which
// remembers each secret that passed through it. It signs everybody in as ana
// without a page.
type spy struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu      sync.Mutex // guards all below
	nonce   string
	scope   string                      // granted; "" says nothing of it
	spoil   func(claims map[string]any) // the ID token's
	sign    func(claims any) string     // nil: RS256
	answers map[string]http.HandlerFunc // in place of the usual answer at a path
	revoked []string
	secrets []string // codes, tokens, states, nonces, verifiers
}

var spyKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newSpy(t testing.TB) *spy {
	t.Helper()
	s := &spy{key: spyKey(), answers: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// Answer replaces what the provider answers at path; nil is the usual again.
func (s *spy) Answer(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = h
}

// Spoil changes the claims of ID tokens from now on.
func (s *spy) Spoil(how func(claims map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = how
}

// Secrets returns what must never be seen outside the requests it was part of.
func (s *spy) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Clone(s.secrets), demo.ClientSecret+"\"", "secret="+demo.ClientSecret)
}

// fresh makes a secret.
func (s *spy) fresh() string {
	secret := rand.Text() + rand.Text()
	s.secrets = append(s.secrets, secret)
	return secret
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	own := s.answers[r.URL.Path]
	s.mu.Unlock()
	if own != nil {
		own(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		spyJSON(w, s.discovery(s.URL))
	case "/jwks":
		spyJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &s.key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	case "/authorize":
		q := r.URL.Query()
		s.nonce = q.Get("nonce")
		s.secrets = append(s.secrets, q.Get("state"), s.nonce, q.Get("code_challenge"))
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {s.fresh()}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "/token":
		if verifier := r.FormValue("code_verifier"); verifier != "" {
			s.secrets = append(s.secrets, verifier)
		}
		spyJSON(w, s.tokens())
	case "/revoke":
		s.revoked = append(s.revoked, r.FormValue("token"))
	default:
		http.NotFound(w, r)
	}
}

func (s *spy) discovery(issuer string) map[string]any {
	return map[string]any{"issuer": issuer, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
		"jwks_uri": s.URL + "/jwks", "revocation_endpoint": s.URL + "/revoke", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}}
}

// tokens is an answer of the token endpoint. The caller holds mu.
func (s *spy) tokens() map[string]any {
	now := time.Now()
	claims := map[string]any{"iss": s.URL, "sub": "ana", "aud": demo.ClientID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"nonce": s.nonce, "email": "ana@example.com", "email_verified": true, "name": "Ana", "groups": []string{"everyone"}}
	if s.spoil != nil {
		s.spoil(claims)
	}
	sign := s.sign
	if sign == nil {
		sign = func(claims any) string { return spySign(jose.RS256, s.key, claims) }
	}
	idToken := sign(claims)
	s.secrets = append(s.secrets, idToken)
	answer := map[string]any{"access_token": s.fresh(), "refresh_token": s.fresh(), "token_type": "Bearer", "expires_in": 3600, "id_token": idToken}
	if s.scope != "" {
		answer["scope"] = s.scope
	}
	return answer
}

func spySign(alg jose.SignatureAlgorithm, key, claims any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		panic(err)
	}
	payload, _ := json.Marshal(claims)
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, _ := signed.CompactSerialize()
	return text
}

func spyJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// trySignIn goes as far as it gets and returns where that is.
func (app *App) trySignIn(t testing.TB, c Client) *Page {
	t.Helper()
	b := NewBrowser(t)
	return b.Walk(b.OpenUntil(app.NewAuthRequest(c).URL(app), clientURI), "alice", clientURI)
}

// mustExplain fails the test unless p is a page for a person: what happened, an
// event that can be found, and nothing from inside.
func (app *App) mustExplain(t testing.TB, p *Page) string {
	t.Helper()
	if p.Status < 400 || !strings.Contains(p.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("ended at %s with status %d: %s", withoutQuery(p.URL), p.Status, clip(p.Text()))
	}
	for _, e := range app.Events(t) {
		if e.ID != "" && strings.Contains(p.Text(), e.ID) {
			return e.Reason
		}
	}
	t.Fatalf("no event of the history is named on the page: %s", clip(p.Text()))
	return ""
}
