package oauth

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestRedeemRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*rig, *TokenRequest)
		code   string
		burns  bool
	}{
		{"an unknown code", func(_ *rig, r *TokenRequest) { r.Code = "nonsense" }, "invalid_grant", false},                            // RFC 6749 §5.2
		{"a code of another client", func(_ *rig, r *TokenRequest) { r.ClientID = "dbc_other" }, "invalid_grant", true},               // RFC 6749 §5.2
		{"another redirect URI", func(_ *rig, r *TokenRequest) { r.RedirectURI += "x" }, "invalid_grant", true},                       // RFC 6749 §4.1.3
		{"a wrong verifier", func(_ *rig, r *TokenRequest) { r.Verifier = testVerifier + "x" }, "invalid_grant", true},                // RFC 7636 §4.6
		{"a verifier that is too short", func(_ *rig, r *TokenRequest) { r.Verifier = "short" }, "invalid_grant", true},               // RFC 7636 §4.1
		{"a late code", func(r *rig, _ *TokenRequest) { r.clock.forward(codeTTL + time.Second) }, "invalid_grant", true},              // RFC 6749 §4.1.2
		{"another resource", func(_ *rig, r *TokenRequest) { r.Resource = []string{"https://other/mcp"} }, "invalid_target", false},   // RFC 8707 §2
		{"two resources", func(_ *rig, r *TokenRequest) { r.Resource = []string{testMCP, "https://o/mcp"} }, "invalid_target", false}, // RFC 8707 §2
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			client := r.client()
			code, err := r.code(client, ana())
			if err != nil {
				t.Fatal(err)
			}
			req := r.redemption(client, code)
			good := req
			c.change(r, &req)
			_, err = r.Redeem(req)
			wantCode(t, err, c.code)
			_, err = r.Redeem(good)
			if burnt := err != nil; burnt != c.burns {
				t.Errorf("after the refusal the right request got %v", err)
			}
		})
	}
}

func TestRedeemIsAtomic(t *testing.T) { // 32 parallel redemptions of one code
	r := newRig(t)
	c := r.client()
	code, err := r.code(c, ana())
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := r.Redeem(r.redemption(c, code)); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d redemptions succeeded", won.Load())
	}
}

func TestReplayedCodeEndsTheGrant(t *testing.T) { // RFC 6749 §10.5
	r := newRig(t)
	c := r.client()
	code, err := r.code(c, ana())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := r.Redeem(r.redemption(c, code))
	if err != nil || !r.alive(tokens.Access) {
		t.Fatalf("first redemption: %v", err)
	}
	_, err = r.Redeem(r.redemption(c, code))
	wantCode(t, err, "invalid_grant")
	if r.alive(tokens.Access) {
		t.Error("the access token outlived the replay of its code")
	}
	_, err = r.refreshWith(c, tokens.Refresh)
	wantCode(t, err, "invalid_grant")
	if r.disk.count(status.TokenReused) != 1 {
		t.Error("no token.reused event")
	}
}

func TestFullDiskBurnsNoCode(t *testing.T) {
	r := newRig(t)
	c := r.client()
	code, err := r.code(c, ana())
	if err != nil {
		t.Fatal(err)
	}
	r.disk.full = true
	_, err = r.Redeem(r.redemption(c, code))
	wantCode(t, err, "server_error")
	r.disk.full = false
	if _, err := r.Redeem(r.redemption(c, code)); err != nil {
		t.Fatalf("after the disk had room again: %v", err)
	}
}

func TestUnfinishedSignInIsNoSession(t *testing.T) {
	r := newRig(t)
	if _, err := r.code(r.client(), ana()); err != nil {
		t.Fatal(err)
	}
	if n := len(r.Sessions()); n != 0 {
		t.Fatalf("%d sessions before any token", n)
	}
	r.clock.forward(codeTTL + time.Second)
	r.expire()
	if len(r.disk.records[BucketGrants]) != 0 || len(r.grants) != 0 {
		t.Error("the unfinished grant is still kept")
	}
	if got := r.disk.count(status.SessionExpired); got != 1 {
		t.Errorf("%d session.expired events", got)
	}
}

func TestCompleteAsksTheAccessList(t *testing.T) {
	r := newRig(t)
	bob := ana()
	bob.Identity.Subject, bob.Identity.Email, bob.Identity.Groups = "bob", "bob@example.com", []string{"everyone"}
	_, err := r.code(r.client(), bob)
	wantCode(t, err, "access_denied")
	if len(r.disk.records[BucketGrants]) != 0 {
		t.Error("a refused person has a grant")
	}
}

func TestGrantHasTheProvidersScopes(t *testing.T) { // the provider grants fewer than asked
	r := newRig(t)
	up := ana()
	up.Scopes = []string{"openid", "email"}
	c := r.client()
	code, err := r.code(c, up)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := r.Redeem(r.redemption(c, code))
	if err != nil {
		t.Fatal(err)
	}
	if len(tokens.Scopes) != 2 || tokens.Scopes[0] != "openid" || tokens.Scopes[1] != "email" {
		t.Errorf("scopes %v", tokens.Scopes)
	}
}

func TestNoUpstreamRefreshTokenMeansNone(t *testing.T) {
	r := newRig(t)
	up := ana()
	up.RefreshToken = ""
	c := r.client()
	code, err := r.code(c, up)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := r.Redeem(r.redemption(c, code))
	if err != nil || tokens.Refresh != "" {
		t.Fatalf("refresh token %q, %v: nobody could check the person again", tokens.Refresh, err)
	}
	r.clock.forward(r.opts.AccessTTL + time.Second)
	r.expire()
	if len(r.Sessions()) != 0 {
		t.Error("the session outlived its only token")
	}
}

// A sign-in is written once, when its tokens are given: a restart before leaves
// nothing of it, a restart after all of it.
func TestSignInIsWrittenOnce(t *testing.T) {
	r := newRig(t)
	c := r.client()
	for _, redeemed := range []bool{false, true} {
		code, err := r.code(c, ana())
		if err != nil {
			t.Fatal(err)
		}
		if redeemed {
			if _, err := r.Redeem(r.redemption(c, code)); err != nil {
				t.Fatal(err)
			}
		}
		want := map[bool]int{true: 1}[redeemed]
		if r.disk.saves != want || r.disk.count(status.SigninSucceeded) == 0 {
			t.Errorf("redeemed %v: %d writes, want %d", redeemed, r.disk.saves, want)
		}
		r.restart()
		if _, known := r.SignedIn(c.ID); known != redeemed || len(r.Sessions()) != want {
			t.Errorf("redeemed %v: after a restart the client is known: %v, %d sessions", redeemed, known, len(r.Sessions()))
		}
	}
}
