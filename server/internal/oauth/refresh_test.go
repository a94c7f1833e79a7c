package oauth

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestRefreshRotates(t *testing.T) {
	r := newRig(t)
	c, first := r.signIn()
	second := r.mustRefresh(c, first.Refresh)
	if second.Refresh == first.Refresh || !r.alive(second.Access) {
		t.Fatal("no new tokens")
	}
	if got := r.grantRecord(); got.UpstreamRefresh != "upstream-rt+" || got.Generation != 2 {
		t.Errorf("record has upstream %q, generation %d", got.UpstreamRefresh, got.Generation)
	}
}

func TestDoubledRefreshIsOne(t *testing.T) { // two requests of one client cross
	r := newRig(t)
	c, first := r.signIn()
	var mu sync.Mutex
	got := map[string]bool{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			tokens, err := r.refreshWith(c, first.Refresh)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[tokens.Refresh] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(got) != 1 || r.provider.refreshes != 1 {
		t.Fatalf("%d successors, provider asked %d times", len(got), r.provider.refreshes)
	}
}

// Which presentations of an old refresh token are answered and which end the
// session. Times are since the rotation of the token presented.
func TestOldRefreshToken(t *testing.T) {
	cases := []struct {
		name    string
		after   time.Duration
		used    bool // an access token of the successor was seen
		further bool // the successor was itself refreshed
		restart bool
		replay  bool
	}{
		{"at once", 0, false, false, false, false},
		{"within a minute, successor in use", 59 * time.Second, true, false, false, false},
		{"after a minute, successor in use", 61 * time.Second, true, false, false, true},
		{"hours later, answer lost", 9 * time.Hour, false, false, false, false},
		{"hours later, answer lost, restart between", 9 * time.Hour, false, false, true, false},
		{"at once, restart between", 0, true, false, true, false},
		{"after a minute, successor in use, restart between", 61 * time.Second, true, false, true, true},
		{"older than the previous one", 0, false, true, false, true},
		{"older than the previous one, restart between", 0, false, true, true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			client, first := r.signIn()
			second := r.mustRefresh(client, first.Refresh)
			if c.used && !r.alive(second.Access) {
				t.Fatal("successor's access token is no good")
			}
			newest := second
			if c.further {
				newest = r.mustRefresh(client, second.Refresh)
			}
			r.clock.forward(c.after)
			if c.restart {
				r.writeUsage()
				r.restart()
			}
			again, err := r.refreshWith(client, first.Refresh)
			if !c.replay {
				if err != nil || again.Refresh != second.Refresh {
					t.Fatalf("got another successor, %v", err)
				}
				if !r.alive(again.Access) {
					t.Error("its access token is no good")
				}
				r.mustRefresh(client, again.Refresh)
				return
			}
			wantCode(t, err, "invalid_grant")
			if r.alive(newest.Access) || len(r.Sessions()) != 0 || r.disk.count(status.TokenReused) != 1 {
				t.Error("the replay did not end the session")
			}
		})
	}
}

// Many clients repeat, at each refresh, the scope of their first request. What
// was not granted then is no reason to end their session now (RFC 6749 §3.3);
// what was never asked for is more than was granted (§6).
func TestRefreshWithTheScopesOnceAskedFor(t *testing.T) {
	for _, c := range []struct {
		name     string
		asked    string
		provider []string // granted there; nil: as asked
		refresh  string
		want     string // "" is invalid_scope
	}{
		{"one that is unknown here", "openid email mcp:tools", nil, "openid email mcp:tools", "openid email"},
		{"in another order", "openid email mcp:tools", nil, "mcp:tools email openid", "openid email"},
		{"none that is known here", "mcp:tools", nil, "mcp:tools", "openid email"},
		{"less than was granted", "openid email mcp:tools", nil, "openid", "openid email"},
		{"one that the provider did not grant", "openid email", []string{"openid"}, "openid email", "openid"},
		{"one that was never asked for", "openid email mcp:tools", nil, "openid email mcp:admin", ""},
		{"one that is known here and was not asked for", "openid mcp:tools", nil, "openid email", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Scopes = []string{"openid", "email"} })
			client, up := r.client(), ana()
			up.Scopes = c.provider
			code, err := r.code(client, up, func(q *BeginRequest) { q.Scope = c.asked })
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := r.Redeem(r.redemption(client, code))
			if err != nil {
				t.Fatal(err)
			}
			r.restart()
			tokens, err = r.Refresh(t.Context(), TokenRequest{ClientID: client.ID, Refresh: tokens.Refresh, Scope: c.refresh})
			if c.want == "" {
				wantCode(t, err, "invalid_scope")
			} else if err != nil || strings.Join(tokens.Scopes, " ") != c.want {
				t.Errorf("%v, %v, want %q", tokens.Scopes, err, c.want)
			}
		})
	}
}

func TestRefreshRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*rig, *TokenRequest, Tokens)
		code   string
	}{
		{"another client", func(_ *rig, q *TokenRequest, _ Tokens) { q.ClientID = "x" }, "invalid_grant"},                                // RFC 6749 §5.2
		{"an access token", func(_ *rig, q *TokenRequest, k Tokens) { q.Refresh = k.Access }, "invalid_grant"},                           // RFC 6749 §5.2
		{"another resource", func(_ *rig, q *TokenRequest, _ Tokens) { q.Resource = []string{"https://o/mcp"} }, "invalid_target"},       // RFC 8707 §2
		{"a wider scope", func(_ *rig, q *TokenRequest, _ Tokens) { q.Scope = "openid offline_access" }, "invalid_scope"},                // RFC 6749 §6
		{"a malformed scope", func(_ *rig, q *TokenRequest, _ Tokens) { q.Scope = "open\"id" }, "invalid_scope"},                         // RFC 6749 §3.3
		{"an expired token", func(r *rig, _ *TokenRequest, _ Tokens) { r.clock.forward(721 * time.Hour) }, "invalid_grant"},              // RFC 6749 §5.2
		{"a forged token", func(_ *rig, q *TokenRequest, k Tokens) { q.Refresh = k.Refresh[:len(k.Refresh)-2] + "AA" }, "invalid_grant"}, // RFC 6749 §10.10
		{"a token relabelled", func(_ *rig, q *TokenRequest, k Tokens) { q.Refresh = refreshPrefix + k.Access[4:] }, "invalid_grant"},    // RFC 6749 §10.10
		{"nonsense", func(_ *rig, q *TokenRequest, _ Tokens) { q.Refresh = "dbr_" }, "invalid_grant"},                                    // RFC 6749 §5.2
		{"a session that was revoked", func(r *rig, _ *TokenRequest, _ Tokens) { _, _ = r.RevokeAll("test") }, "invalid_grant"},          // RFC 7009 §2
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			client, tokens := r.signIn()
			req := TokenRequest{ClientID: client.ID, Refresh: tokens.Refresh}
			c.change(r, &req, tokens)
			_, err := r.Refresh(t.Context(), req)
			wantCode(t, err, c.code)
			if r.provider.refreshes != 0 {
				t.Error("the provider was asked")
			}
		})
	}
}

func TestProviderAtRefresh(t *testing.T) {
	unreachable := &ProviderError{Kind: ProviderUnreachable, Message: "Okta did not answer.", Err: errors.New("internal detail")}
	cases := []struct {
		name  string
		set   func(*fakeProvider)
		code  string
		lives bool
	}{
		{"away", func(p *fakeProvider) { p.err = unreachable }, "temporarily_unavailable", true},
		{"our secret is wrong there", func(p *fakeProvider) {
			p.err = &ProviderError{Kind: ProviderMisconfigured, Message: "Check the secret."}
		}, "temporarily_unavailable", true},
		{"person deactivated", func(p *fakeProvider) { p.err = &ProviderError{Kind: ProviderRefused, Message: "Okta refused."} }, "invalid_grant", false},
		{"person left the group", func(p *fakeProvider) { p.groups = []string{"everyone"} }, "invalid_grant", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			client, tokens := r.signIn()
			r.provider.set(c.set)
			_, err := r.refreshWith(client, tokens.Refresh)
			wantCode(t, err, c.code)
			var e *Error
			if errors.As(err, &e) && bytes.Contains([]byte(e.Description), []byte("internal detail")) {
				t.Error("the client is told internal text")
			}
			if r.alive(tokens.Access) != c.lives {
				t.Errorf("session alive: %v", !c.lives)
			}
			if c.lives {
				if e.RetryAfter == 0 {
					t.Error("no Retry-After")
				}
				r.provider.set(func(p *fakeProvider) { p.err = nil })
				r.mustRefresh(client, tokens.Refresh)
			}
		})
	}
}

func TestFullDiskKeepsTheProvidersNewToken(t *testing.T) {
	r := newRig(t)
	c, tokens := r.signIn()
	r.disk.full = true
	_, err := r.refreshWith(c, tokens.Refresh)
	wantCode(t, err, "server_error")
	r.disk.full = false
	r.mustRefresh(c, tokens.Refresh)
	if got := r.grantRecord().UpstreamRefresh; got != "upstream-rt++" {
		t.Errorf("second try used the provider's token %q", got)
	}
}

// It handles a provider that replaces its refresh token and then fails: that a
// token of the newest generation was seen is not forgotten by it, so a late
// replay still ends the grant after a restart; nor are the counters.
func TestFailedRefreshForgetsNoUse(t *testing.T) {
	r := newRig(t)
	c, first := r.signIn()
	second := r.mustRefresh(c, first.Refresh)
	if !r.alive(second.Access) {
		t.Fatal("the access token does not work")
	}
	r.writeUsage()
	r.clock.forward(2 * time.Minute)
	r.provider.set(func(p *fakeProvider) { p.fails = &ProviderError{Kind: ProviderMisconfigured, Message: "No."} })
	_, err := r.refreshWith(c, second.Refresh)
	wantCode(t, err, "temporarily_unavailable")
	r.provider.set(func(p *fakeProvider) { p.fails = nil })
	r.restart()
	if n := r.Sessions()[0].Requests; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	_, err = r.refreshWith(c, first.Refresh)
	wantCode(t, err, "invalid_grant")
	if r.alive(second.Access) {
		t.Error("a replay was answered as a lost answer")
	}
}

// It handles a late retry: the counters written before it are kept.
func TestLateRetryKeepsCounters(t *testing.T) {
	r := newRig(t)
	c, first := r.signIn()
	if !r.alive(first.Access) {
		t.Fatal("the access token does not work")
	}
	r.mustRefresh(c, first.Refresh)
	if !r.alive(first.Access) {
		t.Fatal("the access token does not work")
	}
	r.writeUsage()
	r.clock.forward(2 * time.Minute)
	r.mustRefresh(c, first.Refresh)
	r.restart()
	if n := r.Sessions()[0].Requests; n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// It handles a clock that was put back: the token before the newest expires
// later then, and outlives nothing by it.
func TestRefreshAfterTheEnd(t *testing.T) {
	r := newRig(t)
	c, first := r.signIn()
	r.clock.forward(-2 * time.Hour)
	r.mustRefresh(c, first.Refresh) // nobody uses what comes of it
	r.clock.forward(r.grantRecord().ExpiresAt.Sub(r.clock.Now()) + time.Hour)
	_, err := r.refreshWith(c, first.Refresh)
	wantCode(t, err, "invalid_grant")
}
