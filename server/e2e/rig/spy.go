package rig

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

// Spy is an OpenID provider whose every answer a test can spoil, and which
// remembers each secret that passed through it. It signs everybody in as ana
// without a page.
type Spy struct {
	*httptest.Server
	key *rsa.PrivateKey

	Mu      sync.Mutex // guards all below
	nonce   string
	Scope   string                      // granted; "" says nothing of it
	Spoiler func(claims map[string]any) // the ID token's
	Sign    func(claims any) string     // nil: RS256
	answers map[string]http.HandlerFunc // in place of the usual answer at a path
	revoked []string
	secrets []string // codes, tokens, states, nonces, verifiers
}

var SpyKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func NewSpy(t testing.TB) *Spy {
	t.Helper()
	s := &Spy{key: SpyKey(), answers: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// Answer replaces what the provider answers at path; nil is the usual again.
func (s *Spy) Answer(path string, h http.HandlerFunc) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.answers[path] = h
}

// Spoil changes the claims of ID tokens from now on.
func (s *Spy) Spoil(how func(claims map[string]any)) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.Spoiler = how
}

// Secrets returns what must never be seen outside the requests it was part of.
func (s *Spy) Secrets() []string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return append(slices.Clone(s.secrets), demo.ClientSecret+"\"", "secret="+demo.ClientSecret)
}

// fresh makes a secret.
func (s *Spy) fresh() string {
	secret := rand.Text() + rand.Text()
	s.secrets = append(s.secrets, secret)
	return secret
}

func (s *Spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Mu.Lock()
	own := s.answers[r.URL.Path]
	s.Mu.Unlock()
	if own != nil {
		own(w, r)
		return
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		WriteJSON(w, s.Discovery(s.URL))
	case "/jwks":
		WriteJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &s.key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	case "/authorize":
		q := r.URL.Query()
		s.nonce = q.Get("nonce")
		s.secrets = append(s.secrets, q.Get("state"), s.nonce, q.Get("code_challenge"))
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {s.fresh()}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "/token":
		if verifier := r.FormValue("code_verifier"); verifier != "" {
			s.secrets = append(s.secrets, verifier)
		}
		WriteJSON(w, s.tokens())
	case "/revoke":
		s.revoked = append(s.revoked, r.FormValue("token"))
	default:
		http.NotFound(w, r)
	}
}

func (s *Spy) Discovery(issuer string) map[string]any {
	return map[string]any{"issuer": issuer, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
		"jwks_uri": s.URL + "/jwks", "revocation_endpoint": s.URL + "/revoke", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}}
}

// tokens is an answer of the token endpoint. The caller holds mu.
func (s *Spy) tokens() map[string]any {
	now := time.Now()
	claims := map[string]any{"iss": s.URL, "sub": "ana", "aud": demo.ClientID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"nonce": s.nonce, "email": "ana@example.com", "email_verified": true, "name": "Ana", "groups": []string{"everyone"}}
	if s.Spoiler != nil {
		s.Spoiler(claims)
	}
	sign := s.Sign
	if sign == nil {
		sign = func(claims any) string { return SignWith(jose.RS256, s.key, claims) }
	}
	idToken := sign(claims)
	s.secrets = append(s.secrets, idToken)
	answer := map[string]any{"access_token": s.fresh(), "refresh_token": s.fresh(), "token_type": "Bearer", "expires_in": 3600, "id_token": idToken}
	if s.Scope != "" {
		answer["scope"] = s.Scope
	}
	return answer
}

func SignWith(alg jose.SignatureAlgorithm, key, claims any) string {
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

func WriteJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// TrySignIn goes as far as it gets and returns where that is.
func (app *App) TrySignIn(t testing.TB, c Client) *Page {
	t.Helper()
	b := NewBrowser(t)
	return b.Walk(b.OpenUntil(app.NewAuthRequest(c).URL(app), ClientURI), "alice", ClientURI)
}

// MustExplain fails the test unless p is a page for a person: what happened, an
// event that can be found, and nothing from inside.
func (app *App) MustExplain(t testing.TB, p *Page) string {
	t.Helper()
	if p.Status < 400 || !strings.Contains(p.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("ended at %s with status %d: %s", WithoutQuery(p.URL), p.Status, Clip(p.Text()))
	}
	for _, e := range app.Events(t) {
		if e.ID != "" && strings.Contains(p.Text(), e.ID) {
			return e.Reason
		}
	}
	t.Fatalf("no event of the history is named on the page: %s", Clip(p.Text()))
	return ""
}
