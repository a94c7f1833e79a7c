package model

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// modelProvider is an OpenID provider on the model's clock, which is ill in the
// ways a test asks for. It shows no page: whoever comes is the person of now.
// Like a strict real one it replaces a refresh token at each use, and takes a
// used one for theft.
type modelProvider struct {
	*httptest.Server
	now    func() time.Time
	signer jose.Signer
	keys   []byte

	mu     sync.Mutex // guards all below
	mode   string     // "ok", "away", "refusing", "misconfigured", "garbled"
	person string     // who signs in next
	away   map[string]bool
	silent bool // gives no refresh token to who signs in now
	codes  map[string]*modelUpstream
	grants map[string]*modelUpstream
	last   string        // id of the newest grant
	hold   chan struct{} // if set, refreshes wait for it after they were taken
	asked  chan struct{} // gets one for each refresh that waits
}

type modelUpstream struct {
	id, person, nonce, refresh string
	n                          int
	ended                      bool
}

func newModelProvider(now func() time.Time) (*modelProvider, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &modelProvider{now: now, mode: "ok", person: "alice", away: map[string]bool{},
		codes: map[string]*modelUpstream{}, grants: map[string]*modelUpstream{}, asked: make(chan struct{}, 8)}
	if p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil); err != nil {
		return nil, err
	}
	p.keys, _ = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig", Algorithm: "ES256"}}})
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	return p, nil
}

func (p *modelProvider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	mode := p.mode
	p.mu.Unlock()
	if mode == "away" {
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.answer(w, 200, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/jwks", "revocation_endpoint": p.URL + "/revoke", "response_types_supported": []string{"code"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
			"scopes_supported": []string{"openid", "profile", "email", "offline_access"}})
	case "/jwks":
		_, _ = w.Write(p.keys)
	case "/authorize":
		p.authorize(w, r, mode)
	case "/token":
		p.token(w, r, mode)
	case "/revoke":
		id, _, _ := strings.Cut(r.PostFormValue("token"), ".")
		p.mu.Lock()
		if g := p.grants[id]; g != nil {
			g.ended = true
		}
		p.mu.Unlock()
	default:
		http.NotFound(w, r)
	}
}

func (p *modelProvider) authorize(w http.ResponseWriter, r *http.Request, mode string) {
	q := r.URL.Query()
	back := url.Values{"state": {q.Get("state")}}
	p.mu.Lock()
	if p.away[p.person] || mode == "refusing" {
		back.Set("error", "access_denied")
	} else {
		g := &modelUpstream{id: rand.Text(), person: p.person, nonce: q.Get("nonce")}
		if !p.silent {
			g.refresh = g.id + ".0"
		}
		code := rand.Text()
		p.codes[code] = g
		back.Set("code", code)
	}
	p.mu.Unlock()
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusFound)
}

func (p *modelProvider) token(w http.ResponseWriter, r *http.Request, mode string) {
	if mode == "misconfigured" {
		p.answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	status, body := p.grant(r, mode)
	p.mu.Lock()
	hold := p.hold
	p.mu.Unlock()
	if hold != nil && r.PostFormValue("grant_type") == "refresh_token" {
		p.asked <- struct{}{}
		<-hold
	}
	p.answer(w, status, body)
}

// grant is the answer to a code or a refresh token.
func (p *modelProvider) grant(r *http.Request, mode string) (int, map[string]any) {
	_ = r.ParseForm()
	p.mu.Lock()
	defer p.mu.Unlock()
	bad := map[string]any{"error": "invalid_grant"}
	var g *modelUpstream
	if r.PostForm.Get("grant_type") == "authorization_code" {
		code := r.PostForm.Get("code")
		g = p.codes[code]
		delete(p.codes, code)
		if g == nil {
			return http.StatusBadRequest, bad
		}
		p.grants[g.id], p.last = g, g.id
	} else {
		token := r.PostForm.Get("refresh_token")
		id, _, _ := strings.Cut(token, ".")
		g = p.grants[id]
		switch {
		case g == nil || g.ended || mode == "refusing" || p.away[g.person]:
			return http.StatusBadRequest, bad
		case token != g.refresh:
			g.ended = true
			return http.StatusBadRequest, bad
		}
		g.n++
		g.refresh = fmt.Sprintf("%s.%d", g.id, g.n)
	}
	now := p.now()
	audience := demo.ClientID
	if mode == "garbled" {
		audience = "somebody-else"
	}
	claims := map[string]any{"iss": p.URL, "sub": g.person, "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": g.person + "@example.com", "email_verified": true}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	id, err := jwt.Signed(p.signer).Claims(claims).Serialize()
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	body := map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600, "id_token": id}
	if g.refresh != "" {
		body["refresh_token"] = g.refresh
	}
	return http.StatusOK, body
}

func (p *modelProvider) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// set changes how the provider is.
func (p *modelProvider) set(change func(*modelProvider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// lives reports whether a grant still works there.
func (p *modelProvider) lives(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.grants[id]
	return g != nil && !g.ended
}
