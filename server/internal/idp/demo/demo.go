// Package demo is a real OpenID provider with two made-up people, for
// `drawbridge demo` and for tests: discovery, authorization code with PKCE,
// signed ID and access tokens, userinfo, refresh with rotation, revocation.
//
// It never asks for a password, never listens beyond loopback and remembers
// nothing across a restart: it is not for use by real people.
//
// Start at [Start], or at [New] for a handler of one's own.
package demo

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

const (
	// ClientID and ClientSecret are those of the one client it knows.
	ClientID     = "drawbridge-demo"
	ClientSecret = "drawbridge-demo"
	// Audience is the access token's audience when none is asked for.
	Audience = "drawbridge-demo-api"
)

// How long each of them lives. Pages and codes are forgotten first when too many are
// held, so that a flood costs memory for a moment only.
const (
	pageTTL  = 10 * time.Minute
	codeTTL  = time.Minute
	tokenTTL = time.Hour // access and ID tokens
	grantTTL = 30 * 24 * time.Hour

	maxPages  = 1000
	maxCodes  = 1000
	maxGrants = 10000
)

// person is somebody who can sign in.
type person struct {
	user, name, email string
	groups            []string
	verified          bool
	active            bool
}

// Provider is the demo provider, as an http.Handler. Its methods may be called
// from several goroutines.
type Provider struct {
	issuer string
	prefix string // the issuer's path: every endpoint is below it
	mux    *http.ServeMux
	now    func() time.Time

	// mu guards everything below.
	mu     sync.Mutex
	keys   []signingKey // the newest last; all are published
	people []*person
	pages  *kept[request] // sign-in pages shown, by ID
	codes  *kept[*code]   // authorization codes, used ones included
	grants *kept[*grant]  // what refresh tokens belong to, by ID
	down   bool
}

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// New makes a provider whose issuer is exactly issuer, an http URL on loopback
// without a trailing slash. Serve the handler at that URL.
func New(issuer string) (*Provider, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "http" || !hostname.Loopback(u.Hostname()) || strings.HasSuffix(issuer, "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("demo provider: %q is no http URL on loopback without a trailing slash", issuer)
	}
	p := &Provider{
		issuer: issuer,
		prefix: u.Path,
		now:    time.Now,
		people: []*person{
			{user: "alice", name: "Alice Example", email: "alice@example.com", groups: []string{"everyone", "admins"}, verified: true, active: true},
			{user: "bob", name: "Bob Example", email: "bob@example.com", groups: []string{"everyone"}, verified: true, active: true},
		},
		pages:  newKept[request](maxPages),
		codes:  newKept[*code](maxCodes),
		grants: newKept[*grant](maxGrants),
	}
	if err := p.RotateKey(); err != nil {
		return nil, err
	}
	p.routes()
	return p, nil
}

// routes are the endpoints of the discovery document, and the page's own.
func (p *Provider) routes() {
	p.mux = http.NewServeMux()
	p.mux.HandleFunc("GET "+p.prefix+"/.well-known/openid-configuration", p.discovery)
	p.mux.HandleFunc("GET "+p.prefix+"/jwks", p.jwks)
	p.mux.HandleFunc("GET "+p.prefix+"/authorize", p.authorize)
	p.mux.HandleFunc("POST "+p.prefix+"/authorize", p.authorize)
	p.mux.HandleFunc("POST "+p.prefix+"/signin/{page}", p.signin)
	p.mux.HandleFunc("POST "+p.prefix+"/token", p.token)
	p.mux.HandleFunc("GET "+p.prefix+"/userinfo", p.userinfo)
	p.mux.HandleFunc("POST "+p.prefix+"/userinfo", p.userinfo)
	p.mux.HandleFunc("POST "+p.prefix+"/revoke", p.revoke)
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
	if p.isDown() {
		http.Error(w, "the demo provider is down", http.StatusServiceUnavailable)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	p.mux.ServeHTTP(w, r)
}

func (p *Provider) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down
}

// person returns a copy of the person named user. The caller doesn't hold mu.
func (p *Provider) person(user string) (person, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if who := p.find(user); who != nil {
		found := *who
		found.groups = slices.Clone(who.groups)
		return found, true
	}
	return person{}, false
}

// find returns the person named user, or nil. The caller holds mu.
func (p *Provider) find(user string) *person {
	for _, who := range p.people {
		if who.user == user {
			return who
		}
	}
	return nil
}

// RotateKey begins to sign with a new key. The one before stays published,
// older ones don't. For tests.
func (p *Provider) RotateKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("demo provider: make a key: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, signingKey{rand.Text(), key})
	p.keys = p.keys[max(0, len(p.keys)-2):]
	return nil
}

// SetGroups replaces the groups of a person, from the next token on. For tests.
func (p *Provider) SetGroups(user string, groups ...string) {
	p.change(user, func(who *person) { who.groups = slices.Clone(groups) })
}

// SetEmailVerified says whether a person's address counts as verified. For tests.
func (p *Provider) SetEmailVerified(user string, verified bool) {
	p.change(user, func(who *person) { who.verified = verified })
}

// Deactivate keeps a person out: sign-in answers access_denied, refresh
// invalid_grant, userinfo 401. Activate lets them in again; their old grants
// then work on. For tests.
func (p *Provider) Deactivate(user string) {
	p.change(user, func(who *person) { who.active = false })
}

// Activate undoes [Provider.Deactivate]. For tests.
func (p *Provider) Activate(user string) {
	p.change(user, func(who *person) { who.active = true })
}

// Down makes every endpoint answer 503, or lets them answer again. For tests.
func (p *Provider) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Grants counts the sign-ins of user whose refresh token still works. For tests.
func (p *Provider) Grants(user string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants.count(p.now(), func(g *grant) bool { return g.user == user && g.refresh != "" && !g.ended })
}

func (p *Provider) change(user string, how func(*person)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if who := p.find(user); who != nil {
		how(who)
	}
}

var errNotLoopback = errors.New("the demo provider listens on loopback only, for example 127.0.0.1:0")
