package oauth

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestBeginRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*BeginRequest)
		code   string
	}{
		{"no response_type", func(r *BeginRequest) { r.ResponseType = "" }, "invalid_request"},            // RFC 6749 §4.1.2.1
		{"token", func(r *BeginRequest) { r.ResponseType = "token" }, "unsupported_response_type"},        // RFC 6749 §4.1.2.1
		{"no PKCE", func(r *BeginRequest) { r.Challenge = "" }, "invalid_request"},                        // RFC 7636 §4.4.1
		{"plain PKCE", func(r *BeginRequest) { r.Method = "plain" }, "invalid_request"},                   // OAuth 2.1 §7.5.2
		{"no PKCE method, which means plain", func(r *BeginRequest) { r.Method = "" }, "invalid_request"}, // RFC 7636 §4.3
		{"short challenge", func(r *BeginRequest) { r.Challenge = "abc" }, "invalid_request"},             // RFC 7636 §4.2
		{"challenge with odd characters", func(r *BeginRequest) { r.Challenge = strings.Repeat("+", 43) }, "invalid_request"},
		{"another resource", func(r *BeginRequest) { r.Resource = []string{"https://other/mcp"} }, "invalid_target"}, // RFC 8707 §2
		{"a malformed scope", func(r *BeginRequest) { r.Scope = "a\"b" }, "invalid_scope"},                           // RFC 6749 §3.3
		{"prompt none", func(r *BeginRequest) { r.Prompt = "none" }, "interaction_required"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			req := BeginRequest{Client: r.client(), RedirectURI: testRedirect, ResponseType: "code", Challenge: challengeOf(testVerifier), Method: "S256"}
			c.change(&req)
			_, err := r.Begin(req)
			wantCode(t, err, c.code)
		})
	}
}

func TestFlowBelongsToOneBrowser(t *testing.T) {
	r := newRig(t)
	f := r.begin(r.client())
	if _, err := r.View(f.ID, "victim"); err != nil {
		t.Fatal(err)
	}
	_, err := r.View(f.ID, "attacker")
	wantCode(t, err, "access_denied")
	_, _, err = r.Approve(f.ID, "attacker", f.CSRF, false)
	wantCode(t, err, "access_denied")
	_, _, err = r.Approve(f.ID, "victim", "wrong", false)
	wantCode(t, err, "access_denied")
	_, err = r.Deny(f.ID, "attacker", f.CSRF)
	wantCode(t, err, "access_denied")
	_, up, err := r.Approve(f.ID, "victim", f.CSRF, false)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = r.Callback(up.State, "attacker")
	wantCode(t, err, "access_denied")
	if _, _, err = r.Callback(up.State, "victim"); err != nil {
		t.Fatalf("the right browser after the wrong one: %v", err)
	}
	_, _, err = r.Callback(up.State, "victim")
	wantCode(t, err, "invalid_request")
}

func TestNoUpstreamStateBeforeApproval(t *testing.T) { // MCP security best practices, confused deputy
	r := newRig(t)
	f := r.begin(r.client())
	_, _ = r.View(f.ID, "b")
	if f.upstream.State != "" || len(r.flows.byState) != 0 {
		t.Error("state exists before the person approved")
	}
	_, _, err := r.Approve("", "b", f.CSRF, false)
	wantCode(t, err, "invalid_request")
	_, first, _ := r.Approve(f.ID, "b", f.CSRF, false)
	_, second, _ := r.Approve(f.ID, "b", f.CSRF, false)
	if first.State == second.State || len(r.flows.byState) != 1 {
		t.Error("an earlier state is still known")
	}
}

func TestFlowsExpire(t *testing.T) {
	r := newRig(t)
	c := r.client()
	late := r.begin(c)
	if _, err := r.View(r.begin(c).ID, "b"); err != nil {
		t.Fatal(err)
	}
	r.clock.forward(flowTTL + time.Second)
	_, err := r.View(late.ID, "b")
	wantCode(t, err, "invalid_request")
	r.expire()
	held := len(r.flows.byID) + len(r.flows.byState) + len(r.flows.actors) + r.flows.bytes
	for _, l := range r.flows.order {
		held += l.Len()
	}
	if held != 0 {
		t.Error("expired flows are still kept")
	}
}

// What a person has begun, looked at or approved outlasts floods of every kind
// that many addresses below the rate limit can send in the minutes that reading
// takes.
func TestFloodsOfFlows(t *testing.T) {
	from := func(i int) string { return fmt.Sprintf("127.%d.%d.%d", 1+i>>16, i>>8&255, i&255) }
	for _, c := range []struct {
		name    string
		victim  stage
		actors  int
		flows   int
		pretend stage // how far the flood takes its flows
		state   int   // bytes
		long    bool  // with DRAWBRIDGE_LONG alone
	}{
		{"25 addresses, a person reads", seen, 25, 15_400, begun, 10, true},
		{"25 addresses that read too, a person reads", seen, 25, 15_400, seen, 10, false},
		{"25 addresses with the longest state, a person reads", seen, 25, 15_400, begun, 4096, false},
		{"25 addresses, a person has just begun", begun, 25, 15_400, seen, 10, true},
		{"20,000 addresses, a person reads", seen, 20_000, 20_000, begun, 10, true},
		{"20,000 addresses, a person is at the provider", approved, 20_000, 20_000, seen, 10, false},
		{"9,000 addresses that read, a person has just begun", begun, 9_000, 11_000, seen, 10, false},
		{"one address, a person reads", seen, 1, 15_400, begun, 10, true},
	} {
		if c.long && os.Getenv("DRAWBRIDGE_LONG") == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			client := r.client()
			reach := func(f *Flow, browser string, to stage) {
				if to >= seen {
					if _, err := r.View(f.ID, browser); err != nil {
						t.Fatal(err)
					}
				}
				if to >= approved {
					if _, _, err := r.Approve(f.ID, browser, f.CSRF, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			state := strings.Repeat("s", c.state)
			for i := range c.flows / 2 {
				reach(r.begin(client, func(q *BeginRequest) { q.Remote, q.State = from(i%c.actors), state }), "x", c.pretend)
			}
			mine := r.begin(client, func(q *BeginRequest) { q.Remote = "203.0.113.7" })
			reach(mine, "mine", c.victim)
			for i := range c.flows / 2 {
				reach(r.begin(client, func(q *BeginRequest) { q.Remote, q.State = from((c.flows/2+i)%c.actors), state }), "x", c.pretend)
			}
			if _, err := r.View(mine.ID, "mine"); err != nil {
				t.Errorf("the person was thrown out: %v", err)
			}
			if len(r.flows.byID) > 10_000 || r.flows.bytes > 50<<20 {
				t.Errorf("%d flows of %d bytes kept", len(r.flows.byID), r.flows.bytes)
			}
		})
	}
}

// One host has many addresses under IPv6, and one share.
func TestFlowsOfOneNetwork(t *testing.T) {
	r := newRig(t)
	c := r.client()
	for i := range 2000 {
		r.begin(c, func(q *BeginRequest) { q.Remote = fmt.Sprintf("2001:db8:0:1::%x", i) })
	}
	if n := len(r.flows.byID); n > 500 {
		t.Errorf("one /64 holds %d flows", n)
	}
	r.begin(c, func(q *BeginRequest) { q.Remote = "2001:db8:0:2::1" })
	if n := len(r.flows.actors); n != 2 {
		t.Errorf("%d actors, want 2", n)
	}
}

// What the table says it takes is what it takes, whatever clients send: the
// worst is a metadata document with as many redirect URIs as are read.
func TestMemoryOfFlows(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	r := newRig(t)
	before := heap()
	for i := range 12_000 {
		uris := make([]string, 30)
		for j := range uris {
			uris[j] = fmt.Sprintf("http://localhost/%d/%s", j, strings.Repeat("u", 300))
		}
		client := &Client{ID: fmt.Sprintf("https://client.example/%d/%s", i, strings.Repeat("i", 900)), Name: "C", Kind: KindCIMD, RedirectURIs: uris, AuthMethod: "none"}
		r.begin(client, func(q *BeginRequest) {
			q.RedirectURI, q.State, q.Remote = uris[0], strings.Repeat("s", 4096), fmt.Sprintf("127.%d.%d.%d", 1+i>>16, i>>8&255, i&255)
		})
	}
	took := heap() - before
	if took > 50<<20 {
		t.Errorf("pending flows take %d MB", took>>20)
	}
	if counted := int64(r.flows.bytes); took > counted*5/4 {
		t.Errorf("%d bytes are counted, %d are taken", counted, took)
	}
	runtime.KeepAlive(r)
}

func TestRememberedConsent(t *testing.T) {
	r := newRig(t)
	c := r.client()
	signIn := func(scope string, remember bool) {
		f := r.begin(c, func(q *BeginRequest) { q.Scope = scope })
		_, _ = r.View(f.ID, "b")
		_, up, err := r.Approve(f.ID, "b", f.CSRF, remember)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := r.Callback(up.State, "b")
		if err != nil {
			t.Fatal(err)
		}
		code, err := r.Complete(back, ana())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Redeem(r.redemption(c, code)); err != nil {
			t.Fatal(err)
		}
	}
	asks := func(browser string, change ...func(*BeginRequest)) bool {
		f := r.begin(c, change...)
		_, _, ok := r.ApproveRemembered(f.ID, browser)
		return !ok
	}
	signIn("openid email", false)
	if !asks("b", func(q *BeginRequest) { q.Scope = "openid" }) {
		t.Fatal("remembered without being told to")
	}
	signIn("openid email", true)
	cases := []struct {
		name    string
		browser string
		change  func(*BeginRequest)
		asks    bool
	}{
		{"the same again", "b", func(q *BeginRequest) { q.Scope = "openid email" }, false},
		{"less", "b", func(q *BeginRequest) { q.Scope = "openid" }, false},
		{"another browser", "other", func(q *BeginRequest) { q.Scope = "openid" }, true},
		{"a larger scope", "b", func(q *BeginRequest) { q.Scope = "openid email profile" }, true},
		{"another redirect", "b", func(q *BeginRequest) { q.Scope = "openid"; q.RedirectURI = "https://claude.com/api/mcp/auth_callback" }, true},
		{"a client that wants to be asked", "b", func(q *BeginRequest) { q.Scope = "openid"; q.Prompt = "consent" }, true},
	}
	for _, round := range []string{"", " after a restart"} {
		for _, c := range cases {
			if got := asks(c.browser, c.change); got != c.asks {
				t.Errorf("%s%s: asks %v", c.name, round, got)
			}
		}
		r.restart()
	}
	if err := r.Revoke(r.newest(), "test"); err == nil && !asks("b", func(q *BeginRequest) { q.Scope = "openid" }) {
		t.Error("remembered after the owner revoked the client's session")
	}
	r.clock.forward(consentTTL + time.Hour)
	r.expire()
	if len(r.disk.records[BucketConsents]) != 0 {
		t.Error("an expired consent is still kept")
	}
}

// newest returns the id of any grant, finished or not.
func (r *rig) newest() string {
	for id := range r.disk.records[BucketGrants] {
		return id
	}
	return ""
}

func TestLoopbackConsentIsNeverRemembered(t *testing.T) { // RFC 8252 §8.6
	r := newRig(t)
	c, _, err := r.Register("CLI", []string{"http://localhost:1/cb"})
	if err != nil {
		t.Fatal(err)
	}
	f := r.begin(c, func(q *BeginRequest) { q.RedirectURI = "http://localhost:1/cb" })
	_, _ = r.View(f.ID, "b")
	_, _, _ = r.Approve(f.ID, "b", f.CSRF, true)
	if f.remember || f.MayRemember() {
		t.Error("remembered")
	}
}
