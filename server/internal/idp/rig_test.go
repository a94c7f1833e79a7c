package idp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// faulty is an OpenID provider on loopback whose every answer a test can spoil.
type faulty struct {
	*httptest.Server
	mu       sync.Mutex
	key      *rsa.PrivateKey
	kid      string
	metadata map[string]any              // of the discovery document
	claims   map[string]any              // of the ID token
	response map[string]any              // of the token endpoint; id_token is made unless it is here
	info     map[string]any              // of userinfo; nil: it answers 401
	sign     func(claims any) string     // nil: RS256
	handle   map[string]http.HandlerFunc // instead of the usual answer at a path
	hits     map[string]int              // requests by path
}

const (
	clientID     = "the-client"
	clientSecret = "s3cret/with+odd=characters%"
	theNonce     = "the-nonce"
	theVerifier  = "the-verifier-that-is-long-enough-for-the-specification"
)

var testKey = func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}()

func newFaulty(t testing.TB) *faulty {
	t.Helper()
	f := &faulty{key: testKey, kid: "1", handle: map[string]http.HandlerFunc{}, hits: map[string]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.reset(f.URL)
	return f
}

// reset gives good answers for an issuer; the endpoints are below its host.
func (f *faulty) reset(issuer string) {
	base := f.URL
	if u, err := url.Parse(issuer); err == nil {
		base = u.Scheme + "://" + u.Host
	}
	now := time.Now()
	f.metadata = map[string]any{
		"issuer": issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
		"jwks_uri": base + "/jwks", "userinfo_endpoint": base + "/userinfo", "revocation_endpoint": base + "/revoke",
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
	}
	f.claims = map[string]any{
		"iss": issuer, "sub": "ana", "aud": clientID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": theNonce,
		"email": "ana@example.com", "email_verified": true, "name": "Ana", "groups": []string{"everyone", "admins"},
	}
	f.response = map[string]any{"access_token": "opaque", "token_type": "Bearer", "refresh_token": "rt-1", "scope": "openid email"}
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasSuffix(path, "/.well-known/openid-configuration") {
		path = "/discovery"
	}
	f.mu.Lock()
	f.hits[path]++
	handle := f.handle[path]
	f.mu.Unlock()
	if handle != nil {
		handle(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch path {
	case "/discovery":
		reply(w, 200, f.metadata)
	case "/jwks":
		reply(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &f.key.PublicKey, KeyID: f.kid, Algorithm: "RS256", Use: "sig"}}})
	case "/token":
		answer := maps.Clone(f.response)
		if _, ok := answer["id_token"]; !ok {
			answer["id_token"] = f.idToken()
		}
		reply(w, 200, answer)
	case "/userinfo":
		if f.info == nil {
			reply(w, 401, map[string]string{"error": "invalid_token"})
			return
		}
		reply(w, 200, f.info)
	case "/revoke":
		w.WriteHeader(200)
	default:
		http.NotFound(w, r)
	}
}

func (f *faulty) idToken() string {
	if f.sign != nil {
		return f.sign(f.claims)
	}
	return signJWT(jose.RS256, f.key, f.kid, f.claims)
}

func (f *faulty) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits[path]
}

// spoil changes the provider between requests.
func (f *faulty) spoil(how func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how(f)
}

func signJWT(alg jose.SignatureAlgorithm, key any, kid string, claims any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		panic(err)
	}
	payload, _ := json.Marshal(claims)
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	s, _ := jws.CompactSerialize()
	return s
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

// refuseWith answers an OAuth error.
func refuseWith(status int, code, description string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		reply(w, status, map[string]string{"error": code, "error_description": description})
	}
}

func answerStatus(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<b>no</b>", status) }
}

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// changes collects what OnChange was told.
type changes struct {
	mu     sync.Mutex
	states []string
}

func (c *changes) note(s status.IDP) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = append(c.states, s.State)
}

func (c *changes) equal(want ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Equal(c.states, want)
}

// rig is a client of a faulty provider.
type rig struct {
	*Client
	f       *faulty
	clock   *clock
	changes *changes
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	f := newFaulty(t)
	r := &rig{f: f, clock: &clock{now: time.Now()}, changes: &changes{}}
	cfg := Config{
		Issuer: f.URL, ClientID: clientID, RedirectURI: "http://127.0.0.1:8000/auth/callback",
		Scopes:       []string{"openid", "profile", "email", "offline_access"},
		ClientSecret: func(context.Context) (string, error) { return clientSecret, nil },
		OnChange:     r.changes.note, Now: r.clock.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	r.Client = New(cfg)
	return r
}

// as makes the rig's provider answer for another issuer, at any host.
func as(t testing.TB, issuer string, change ...func(*Config)) *rig {
	t.Helper()
	var f *faulty
	r := newRig(t, append([]func(*Config){func(cfg *Config) {
		cfg.Issuer = issuer
		cfg.HTTPClient = &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			to, _ := url.Parse(f.URL)
			req = req.Clone(req.Context())
			req.URL.Scheme, req.URL.Host = to.Scheme, to.Host
			return http.DefaultTransport.RoundTrip(req)
		})}
	}}, change...)...)
	f = r.f
	f.reset(issuer)
	return r
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (r *rig) exchange(t testing.TB) (oauth.Upstream, error) {
	t.Helper()
	return r.Exchange(t.Context(), "the-upstream-code", oauth.UpstreamRequest{Verifier: theVerifier, Nonce: theNonce})
}

// wantError fails unless err is a provider's error of kind whose message is a
// sentence that holds part, and which gives nothing away.
func wantError(t testing.TB, err error, kind oauth.ProviderErrorKind, part string) {
	t.Helper()
	var pe *oauth.ProviderError
	if !errors.As(err, &pe) {
		t.Fatalf("error is %T %v", err, err)
	}
	if pe.Kind != kind || !strings.Contains(pe.Message, part) {
		t.Errorf("kind %d, %v; want kind %d and %q", pe.Kind, pe, kind, part)
	}
	if !strings.HasSuffix(pe.Message, ".") || strings.ToUpper(pe.Message[:1]) != pe.Message[:1] || strings.ContainsAny(pe.Message, "{}\n") {
		t.Errorf("%q is no sentence", pe.Message)
	}
	for _, secret := range []string{clientSecret, "the-upstream-code", theVerifier, "rt-1", "opaque", "<b>"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error gives %q away: %v", secret, err)
		}
	}
}
