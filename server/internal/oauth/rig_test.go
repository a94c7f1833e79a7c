package oauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// rig is grants whose disk is a map, whose clock is turned by hand and whose
// provider does as told. The real ones are tried in the end-to-end tests.
type rig struct {
	*Grants
	t        *testing.T
	opts     Options
	disk     *disk
	provider *fakeProvider
	clock    *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time          { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) forward(d time.Duration) { c.mu.Lock(); c.now = c.now.Add(d); c.mu.Unlock() }

type disk struct {
	mu      sync.Mutex
	records map[string]map[string][]byte
	events  []status.Event
	saves   int
	full    bool
}

var errFull = errors.New("no space left on device")

func (d *disk) Save(changes []Change, events ...status.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errFull
	}
	d.saves++
	for _, c := range changes {
		if d.records[c.Bucket] == nil {
			d.records[c.Bucket] = map[string][]byte{}
		}
		if c.Value == nil {
			delete(d.records[c.Bucket], c.Key)
			continue
		}
		d.records[c.Bucket][c.Key] = bytes.Clone(c.Value)
	}
	d.events = append(d.events, events...)
	return nil
}

func (d *disk) Record(e status.Event) status.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	return e
}

func (d *disk) Load(bucket string, fn func(string, []byte) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, v := range d.records[bucket] {
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) count(typ string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Type == typ {
			n++
		}
	}
	return n
}

type fakeProvider struct {
	mu        sync.Mutex
	err       error
	fails     error // after the refresh token was replaced
	groups    []string
	scopes    []string
	refreshes int
	revoked   []string
}

func (p *fakeProvider) set(fn func(*fakeProvider)) { p.mu.Lock(); fn(p); p.mu.Unlock() }

func (p *fakeProvider) Refresh(_ context.Context, rt string, prev Identity) (Upstream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshes++
	if p.err != nil {
		return Upstream{}, p.err
	}
	if p.fails != nil {
		return Upstream{RefreshToken: rt + "+"}, p.fails
	}
	prev.Groups = p.groups
	return Upstream{Identity: prev, RefreshToken: rt + "+", Scopes: p.scopes}, nil
}

func (p *fakeProvider) Revoke(_ context.Context, rt string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.revoked = append(p.revoked, rt)
	return nil
}

const (
	testMCP      = "https://bridge.example/mcp"
	testIssuer   = "https://idp.example"
	testRedirect = "https://claude.ai/api/mcp/auth_callback"
	testVerifier = "0123456789012345678901234567890123456789abc"
)

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, disk: &disk{records: map[string]map[string][]byte{}}, provider: &fakeProvider{groups: []string{"staff"}},
		clock: &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}}
	r.opts = Options{DataKey: bytes.Repeat([]byte{7}, 32), Resources: []string{testMCP}, Issuer: testIssuer,
		Scopes:    []string{"openid", "profile", "email", "offline_access"},
		Redirects: RedirectPolicy{URIs: []string{testRedirect}, Loopback: true, Own: []string{"bridge.example:443"}},
		Access:    AccessList{Groups: []string{"staff"}}, AccessTTL: 30 * time.Minute, RefreshTTL: 720 * time.Hour,
		Provider: r.provider, Saver: r.disk, Recorder: r.disk, Now: r.clock.Now, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&r.opts)
	}
	r.restart()
	return r
}

// restart makes the grants anew from what lasts.
func (r *rig) restart() {
	r.t.Helper()
	s, err := New(r.opts, r.disk)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Grants = s
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (r *rig) client() *Client {
	r.t.Helper()
	c, _, err := r.Register("Claude", []string{testRedirect})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) begin(c *Client, change ...func(*BeginRequest)) *Flow {
	r.t.Helper()
	req := BeginRequest{Client: c, RedirectURI: testRedirect, ResponseType: "code", State: "s", Challenge: challengeOf(testVerifier), Method: "S256", Remote: "203.0.113.7"}
	for _, ch := range change {
		ch(&req)
	}
	f, err := r.Begin(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

func ana() Upstream {
	return Upstream{Identity: Identity{Issuer: testIssuer, Subject: "ana", Email: "ana@example.com", EmailVerified: true, Groups: []string{"staff"}}, RefreshToken: "upstream-rt"}
}

// code goes all the way to an authorization code.
func (r *rig) code(c *Client, up Upstream, change ...func(*BeginRequest)) (string, error) {
	r.t.Helper()
	f := r.begin(c, change...)
	if _, err := r.View(f.ID, "browser"); err != nil {
		r.t.Fatal(err)
	}
	_, req, err := r.Approve(f.ID, "browser", f.CSRF, false)
	if err != nil {
		r.t.Fatal(err)
	}
	back, _, err := r.Callback(req.State, "browser")
	if err != nil {
		r.t.Fatal(err)
	}
	return r.Complete(back, up)
}

func (r *rig) redemption(c *Client, code string) TokenRequest {
	return TokenRequest{ClientID: c.ID, Code: code, RedirectURI: testRedirect, Verifier: testVerifier, Resource: []string{testMCP}}
}

// signIn goes all the way to tokens.
func (r *rig) signIn() (*Client, Tokens) {
	r.t.Helper()
	c := r.client()
	code, err := r.code(c, ana())
	if err != nil {
		r.t.Fatal(err)
	}
	tokens, err := r.Redeem(r.redemption(c, code))
	if err != nil {
		r.t.Fatal(err)
	}
	return c, tokens
}

func (r *rig) refreshWith(c *Client, token string) (Tokens, error) {
	return r.Refresh(r.t.Context(), TokenRequest{ClientID: c.ID, Refresh: token})
}

func (r *rig) mustRefresh(c *Client, token string) Tokens {
	r.t.Helper()
	tokens, err := r.refreshWith(c, token)
	if err != nil {
		r.t.Fatalf("refresh: %v", err)
	}
	return tokens
}

// alive reports whether an access token opens the MCP URL.
func (r *rig) alive(access string) bool {
	_, _, err := r.Authenticate(access, testMCP, "203.0.113.7")
	return err == nil
}

// wantCode fails unless err is an [Error] of that code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func (r *rig) grantRecord() Grant {
	r.t.Helper()
	for _, v := range r.disk.records[BucketGrants] {
		var g Grant
		if err := json.Unmarshal(v, &g); err != nil {
			r.t.Fatal(err)
		}
		return g
	}
	r.t.Fatal("no grant on disk")
	return Grant{}
}
