// Package demo is a real OpenID provider with two made-up people, for
// `drawbridge demo` and for tests: discovery, authorization code with PKCE,
// signed ID and access tokens, userinfo, refresh with rotation, revocation,
// and assertions for clients that sign in without a page.
//
// It never asks for a password, never listens beyond loopback and remembers
// nothing across a restart: it is not for use by real people.
//
// Start at [Start], or at [New] for a handler of one's own.
package demo

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

const (
	// ClientID and ClientSecret are those of the one client it knows.
	ClientID     = "drawbridge-demo"
	ClientSecret = "drawbridge-demo"
	// Audience is the access token's audience when none is asked for.
	Audience = "drawbridge-demo-api"
)

// How long each of them lives. The oldest grant is forgotten when too many are
// held, so that a flood costs memory for a moment only.
const (
	codeTTL  = time.Minute
	tokenTTL = time.Hour // access and ID tokens
	grantTTL = 30 * 24 * time.Hour

	maxGrants = 10000
)

// Person is somebody who can sign in.
type Person struct {
	User, Name, Email string
	Groups            []string
	Verified          bool // the address is
	// Active is false for somebody who is kept out: sign-in answers
	// access_denied, refresh invalid_grant, userinfo 401.
	Active bool
}

// Provider is the demo provider, as an http.Handler. Its methods may be called
// from several goroutines.
type Provider struct {
	issuer string
	prefix string // the issuer's path: every endpoint is below it
	mux    *http.ServeMux
	key    jose.JSONWebKey

	// mu guards everything below.
	mu     sync.Mutex
	people []*Person
	grants map[string]*grant // by ID
	order  []string          // of grants, the oldest first
	down   bool
}

// New makes a provider whose issuer is exactly issuer, an http URL on loopback
// without a trailing slash. Serve the handler at that URL.
func New(issuer string) (*Provider, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "http" || !hostname.Loopback(u.Hostname()) || strings.HasSuffix(issuer, "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("demo provider: %q is no http URL on loopback without a trailing slash", issuer)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("demo provider: make a key: %w", err)
	}
	p := &Provider{
		issuer: issuer,
		prefix: u.Path,
		mux:    http.NewServeMux(),
		key:    jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: "RS256", Use: "sig"},
		people: []*Person{
			{User: "alice", Name: "Alice Example", Email: "alice@example.com", Groups: []string{"everyone", "admins"}, Verified: true, Active: true},
			{User: "bob", Name: "Bob Example", Email: "bob@example.com", Groups: []string{"everyone"}, Verified: true, Active: true},
		},
		grants: map[string]*grant{},
	}
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /.well-known/openid-configuration": p.discovery,
		"GET /jwks":                             p.jwks,
		"GET /authorize":                        p.authorize,
		"POST /authorize":                       p.authorize,
		"POST /token":                           p.token,
		"GET /userinfo":                         p.userinfo,
		"POST /userinfo":                        p.userinfo,
		"POST /revoke":                          p.revoke,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		p.mux.HandleFunc(method+" "+p.prefix+path, handle)
	}
	return p, nil
}

// ServeHTTP answers requests that name a loopback host, so that no web page
// can reach the provider by pointing its own name at this machine.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if !hostname.Loopback(host) {
		http.Error(w, "the demo provider answers on loopback only", http.StatusForbidden)
		return
	}
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down {
		http.Error(w, "the demo provider is down", http.StatusServiceUnavailable)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	p.mux.ServeHTTP(w, r)
}

// find returns the person named user, or nil. The caller holds mu.
func (p *Provider) find(user string) *Person {
	if i := slices.IndexFunc(p.people, func(who *Person) bool { return who.User == user }); i >= 0 {
		return p.people[i]
	}
	return nil
}

// Change changes a person, from the next token on. For tests.
func (p *Provider) Change(user string, how func(*Person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how(p.find(user))
}

// Down makes every endpoint answer 503, or lets them answer again. For tests.
func (p *Provider) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Grants counts the sign-ins of user whose refresh token still works. For tests.
func (p *Provider) Grants(user string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grants {
		if g.user == user && g.refresh != "" && !g.ended {
			n++
		}
	}
	return n
}
