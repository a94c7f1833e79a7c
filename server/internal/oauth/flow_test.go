package oauth

import (
	"fmt"
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

func TestFlowsExpireAndAreBounded(t *testing.T) {
	r := newRig(t)
	c := r.client()
	mine := r.begin(c)
	for i := range maxFlowsByAddress + 10 {
		r.begin(c, func(q *BeginRequest) { q.Remote = "198.51.100.9"; q.State = fmt.Sprint(i) })
	}
	if n := len(r.flows.byID); n != maxFlowsByAddress+1 {
		t.Errorf("%d flows kept", n)
	}
	if _, err := r.View(mine.ID, "b"); err != nil {
		t.Errorf("another address's flood pushed out an honest flow: %v", err)
	}
	for i := range maxFlows {
		r.begin(c, func(q *BeginRequest) { q.Remote = fmt.Sprint("host-", i) })
	}
	if n := len(r.flows.byID); n != maxFlows || len(r.flows.byAddress) > maxFlows {
		t.Errorf("%d flows kept of %d addresses", n, len(r.flows.byAddress))
	}
	late := r.begin(c)
	r.clock.forward(flowTTL + time.Second)
	_, err := r.View(late.ID, "b")
	wantCode(t, err, "invalid_request")
	r.expire()
	if len(r.flows.byID)+len(r.flows.byState)+len(r.flows.byAddress)+r.flows.order.Len()+len(r.flows.place) != 0 {
		t.Error("expired flows are still kept")
	}
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
		if _, err = r.Complete(back, ana()); err != nil {
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
	c, err := r.Register("CLI", []string{"http://localhost:1/cb"})
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
