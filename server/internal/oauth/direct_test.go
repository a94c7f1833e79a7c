package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

const company = "https://acme.example"

func trusting(o *Options) {
	o.Trusted, o.AssertedTTL, o.Access = []string{company}, 15*time.Minute, AccessList{Anyone: true}
}

func (r *rig) add(n status.NewClient) (*Client, string) {
	r.t.Helper()
	added, secret, err := r.AddClient(n)
	if err != nil {
		r.t.Fatal(err)
	}
	c, ok := r.Known(added.ID)
	if !ok {
		r.t.Fatal("the client that was added is not known")
	}
	return c, secret
}

var assertions atomic.Int64

// vouches is an assertion for a person to c, of now.
func (r *rig) vouches(c *Client, sub string) Assertion {
	return Assertion{Identity: Identity{Issuer: company, Subject: sub, Email: sub + "@example.com", EmailVerified: true}, ClientID: c.ID,
		ID: fmt.Sprint("jti-", assertions.Add(1)), Expires: r.clock.Now().Add(5 * time.Minute)}
}

func (r *rig) redeem(c *Client, a Assertion) (Tokens, error) {
	tokens, _, err := r.RedeemAssertion(c, a, TokenRequest{ClientID: c.ID, Remote: "203.0.113.7"})
	return tokens, err
}

func (r *rig) mustRedeem(c *Client, a Assertion) Tokens {
	r.t.Helper()
	tokens, err := r.redeem(c, a)
	if err != nil {
		r.t.Fatal(err)
	}
	return tokens
}

// Of many that show one assertion at once one gets a token, and of many assertions
// of one person at once all are one session.
func TestAssertionsAtOnce(t *testing.T) {
	r := newRig(t, trusting)
	c, _ := r.add(status.NewClient{Name: "Claude"})
	same := r.vouches(c, "ana")
	var won, others atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			_, err := r.redeem(c, same)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ErrAssertionTwice):
				t.Errorf("refused for %v", err)
			}
		})
		own := r.vouches(c, "ana")
		all.Go(func() {
			if _, err := r.redeem(c, own); err == nil {
				others.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || others.Load() != 32 || r.Count() != 1 {
		t.Errorf("%d of 32 with one assertion, %d of 32 with their own, %d sessions", won.Load(), others.Load(), r.Count())
	}
}

// What could not be saved was not given, and uses nothing up.
func TestAssertionOnAFullDisk(t *testing.T) {
	r := newRig(t, trusting)
	c, _ := r.add(status.NewClient{Name: "Claude"})
	a := r.vouches(c, "ana")
	r.disk.full = true
	_, err := r.redeem(c, a)
	wantCode(t, err, "server_error")
	if r.Count() != 0 {
		t.Error("a session that was not saved is there")
	}
	if _, _, err := r.AddClient(status.NewClient{Name: "Other"}); err == nil || len(r.Clients()) != 1 {
		t.Errorf("a client that was not saved is there (%v)", err)
	}
	r.disk.full = false
	first := r.mustRedeem(c, a)
	r.disk.full = true
	b := r.vouches(c, "ana")
	_, err = r.redeem(c, b)
	wantCode(t, err, "server_error")
	if !r.alive(first.Access) {
		t.Error("a renewal that failed ended the session")
	}
	r.disk.full = false
	r.mustRedeem(c, b)
}

// A session without a page lives from one assertion to the next.
func TestAssertedSessionEnds(t *testing.T) {
	r := newRig(t, trusting)
	c, _ := r.add(status.NewClient{Name: "Claude"})
	first := r.mustRedeem(c, r.vouches(c, "ana"))
	if first.Refresh != "" || first.ExpiresIn != 15*time.Minute {
		t.Errorf("refresh %t, %v", first.Refresh != "", first.ExpiresIn)
	}
	r.clock.forward(10 * time.Minute)
	second := r.mustRedeem(c, r.vouches(c, "ana"))
	r.clock.forward(10 * time.Minute)
	if r.expire(); r.alive(first.Access) || !r.alive(second.Access) {
		t.Error("the first token lives on, or the second does not")
	}
	r.restart()
	if r.Count() != 1 {
		t.Error("a restart lost the session")
	}
	r.mustRedeem(c, r.vouches(c, "ana"))
	if r.Count() != 1 {
		t.Errorf("%d sessions after a restart", r.Count())
	}
	r.clock.forward(29 * time.Minute) // the token is over for long, and its client may come yet
	if r.expire(); r.Count() != 1 {
		t.Errorf("%d sessions, whose client comes now", r.Count())
	}
	r.clock.forward(2 * time.Minute)
	if r.expire(); r.Count() != 0 || r.disk.count(status.SessionExpired) != 1 {
		t.Errorf("%d sessions, %d expired", r.Count(), r.disk.count(status.SessionExpired))
	}
	if n := len(r.disk.records[BucketAssertions]); n != 0 {
		t.Errorf("%d records of assertions that have expired", n)
	}
	r.mustRedeem(c, r.vouches(c, "ana")) // nobody revoked it, so nobody is blocked
}

// The clock decides to the second, and a replay is refused until the assertion is
// refused for its age.
func TestAssertionIsRememberedLongEnough(t *testing.T) {
	r := newRig(t, trusting)
	c, _ := r.add(status.NewClient{Name: "Claude"})
	a := r.vouches(c, "ana")
	r.mustRedeem(c, a)
	r.clock.forward(5*time.Minute + AssertionSkew - time.Millisecond) // the verifier takes it until then
	r.expire()
	r.restart()
	if _, err := r.redeem(c, a); !errors.Is(err, ErrAssertionTwice) {
		t.Errorf("redeemed twice: %v", err)
	}
}

// Revoked at the very moment of a renewal: whichever comes first, no token works and
// no other session begins.
func TestRevokeWhileRenewed(t *testing.T) {
	for range 15 {
		r := newRig(t, trusting)
		c, _ := r.add(status.NewClient{Name: "Claude"})
		got := make(chan Tokens, 10)
		r.mustRedeem(c, r.vouches(c, "ana"))
		id := r.Sessions()[0].ID
		var all sync.WaitGroup
		for range 8 {
			a := r.vouches(c, "ana")
			all.Go(func() {
				if tokens, err := r.redeem(c, a); err == nil {
					got <- tokens
				}
			})
		}
		all.Go(func() {
			if err := r.Revoke(id, ByOwner); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		close(got)
		for tokens := range got {
			if r.alive(tokens.Access) {
				t.Fatal("a token works after the revocation")
			}
		}
		if _, err := r.redeem(c, r.vouches(c, "ana")); !errors.Is(err, ErrBlocked) || r.Count() != 0 || len(r.Blocked()) != 1 {
			t.Fatalf("%v, %d sessions, blocked %+v", err, r.Count(), r.Blocked())
		}
	}
}

// A revocation that could be taken back blocks once it is not, also by a restart.
func TestRevokeAfterBlocks(t *testing.T) {
	r := newRig(t, trusting)
	c, _ := r.add(status.NewClient{Name: "Claude"})
	r.mustRedeem(c, r.vouches(c, "ana"))
	if err := r.RevokeAfter(r.Sessions()[0].ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	r.restart()
	if _, err := r.redeem(c, r.vouches(c, "ana")); !errors.Is(err, ErrBlocked) {
		t.Errorf("it comes back: %v", err)
	}
}

// A flood of good assertions: memory has its bound, who
// floods is refused, and everybody else comes in.
func TestFloodOfAssertions(t *testing.T) {
	r := newRig(t, trusting)
	c, _ := r.add(status.NewClient{Name: "Claude"})
	refused := 0
	for range 600 { // one person
		if _, err := r.redeem(c, r.vouches(c, "mallory")); err != nil {
			refused++
		}
	}
	if refused != 100 {
		t.Errorf("%d of 600 refused", refused)
	}
	other, _ := r.add(status.NewClient{Name: "Other"})
	r.mustRedeem(c, r.vouches(c, "ana"))
	r.mustRedeem(other, r.vouches(other, "mallory"))

	people := 100
	for i := range 3000 { // ten minutes, of which five and a half have to be remembered
		r.mustRedeem(c, r.vouches(c, fmt.Sprint("person", i%people)))
		if r.clock.forward(200 * time.Millisecond); i%200 == 0 {
			r.expire()
		}
	}
	if n, saved := len(r.presented.seen), len(r.disk.records[BucketAssertions]); n > 1900 || saved != n || len(r.presented.of) != people {
		t.Errorf("%d assertions of %d are remembered, %d are saved", n, len(r.presented.of), saved)
	}
	if r.Count() != people+3 {
		t.Errorf("%d sessions of %d people", r.Count(), people+3)
	}
}

// What an owner can't have meant is said, and nothing is added.
func TestAddClientRefuses(t *testing.T) {
	r := newRig(t, trusting)
	r.add(status.NewClient{Name: "ci", Grants: []string{GrantMachine}})
	for name, c := range map[string]struct {
		n    status.NewClient
		says string
	}{
		"no name":               {status.NewClient{Name: " \n"}, "needs a name"},
		"a name that is there":  {status.NewClient{Name: "CI"}, "there already"},
		"an unknown grant":      {status.NewClient{Name: "x", Grants: []string{"password"}}, "password"},
		"codes without a URI":   {status.NewClient{Name: "x", Grants: []string{GrantCode}}, "redirect URIs go together"},
		"a URI without codes":   {status.NewClient{Name: "x", Grants: []string{GrantMachine}, RedirectURIs: []string{testRedirect}}, "redirect URIs go together"},
		"a URI that is unsafe":  {status.NewClient{Name: "x", RedirectURIs: []string{"javascript:alert(1)"}}, "redirect URI"},
		"a URI of our own":      {status.NewClient{Name: "x", RedirectURIs: []string{"https://bridge.example/auth/callback"}}, "this server itself"},
		"keys without TLS":      {status.NewClient{Name: "x", JWKSURI: "http://ci.example/keys"}, "must be https"},
		"keys without a host":   {status.NewClient{Name: "x", JWKSURI: "https:///keys"}, "must be https"},
		"keys behind a user":    {status.NewClient{Name: "x", JWKSURI: "https://u@ci.example/keys"}, "must be https"},
		"more URIs than enough": {status.NewClient{Name: "x", RedirectURIs: slices.Repeat([]string{"https://a.example/cb"}, 33)}, "32"},
	} {
		if _, _, err := r.AddClient(c.n); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(r.Clients()); n != 1 {
		t.Errorf("%d clients", n)
	}
	for _, err := range []error{r.DeleteClient("x"), r.Unblock("x"), func() error { _, _, err := r.RotateClient("x"); return err }()} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
	}
}

// Secrets are void under another data key, and none is on the disk.
func TestSecretsAreMACs(t *testing.T) {
	r := newRig(t, trusting)
	c, secret := r.add(status.NewClient{Name: "Claude"})
	keyed, _ := r.add(status.NewClient{Name: "ci", Grants: []string{GrantMachine}, JWKSURI: "https://ci.example/jwks.json"})
	if !r.ProveSecret(c.ID, secret) || r.ProveSecret(c.ID, secret+"x") || r.ProveSecret(c.ID, "") || r.ProveSecret("", secret) || r.ProveSecret("dbk_x", "") {
		t.Error("another secret than its own proves a client")
	}
	other, _ := r.add(status.NewClient{Name: "Other"})
	if r.ProveSecret(other.ID, secret) {
		t.Error("one client's secret proves another")
	}
	for _, v := range r.disk.records[BucketKnown] {
		if strings.Contains(string(v), secret[4:]) {
			t.Error("the secret is on the disk")
		}
	}
	r.clock.forward(time.Hour)
	next, until, err := r.RotateClient("Claude")
	if err != nil || !until.Equal(r.clock.Now().Add(24*time.Hour)) || !r.ProveSecret(c.ID, secret) || !r.ProveSecret(c.ID, next) {
		t.Errorf("rotated: %v, %v", until, err)
	}
	r.clock.forward(24 * time.Hour)
	if r.ProveSecret(c.ID, secret) || !r.ProveSecret(c.ID, next) {
		t.Error("the old secret works after a day, or the new one does not")
	}
	r.opts.DataKey = []byte(strings.Repeat("8", 32))
	r.restart()
	if r.ProveSecret(c.ID, next) {
		t.Error("a secret works under another data key")
	}
	if _, ok := r.Known(keyed.ID); ok {
		t.Error("so does a client with keys of its own")
	}
	if _, _, err := r.RotateClient("ci"); err == nil || !strings.Contains(err.Error(), "add it again") || len(r.Clients()) != 3 {
		t.Errorf("the owner is not told what to do: %v", err)
	}
}

// What proves a client with keys is good once, also after a restart, and no other
// client's is in its way.
func TestShownOnce(t *testing.T) {
	r := newRig(t, trusting)
	until := r.clock.Now().Add(time.Minute)
	for _, c := range []struct {
		client, id string
		restart    bool
		first      bool
	}{{"dbk_a", "1", false, true}, {"dbk_a", "1", false, false}, {"dbk_b", "1", false, true}, {"dbk_a", "1", true, false}, {"dbk_b", "1", true, false}, {"dbk_a", "2", false, true}} {
		if c.restart {
			r.restart()
		}
		if first, err := r.ShownOnce(c.client, c.id, until); err != nil || first != c.first {
			t.Errorf("%+v: %v, %v", c, first, err)
		}
	}
}

// A client that is deleted while it asks gets nothing.
func TestDeleteClientWhileItAsks(t *testing.T) {
	for range 10 {
		r := newRig(t, trusting)
		ci, _ := r.add(status.NewClient{Name: "ci", Grants: []string{GrantMachine}})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for ctx.Err() == nil {
					_, _, _ = r.ForMachine(ci, TokenRequest{ClientID: ci.ID})
				}
			})
		}
		if err := r.DeleteClient("ci"); err != nil {
			t.Fatal(err)
		}
		cancel()
		all.Wait()
		if r.Count() != 0 {
			t.Fatalf("%d sessions of a client that is gone", r.Count())
		}
		r.restart()
		if r.Count() != 0 || len(r.Clients()) != 0 {
			t.Fatalf("after a restart %d sessions, clients %+v", r.Count(), r.Clients())
		}
	}
}

// Who is taken off the access list while their assertion is redeemed, after it was
// looked at, has no session afterwards.
func TestTakenOffWhileVouched(t *testing.T) {
	var onTime func()
	r := newRig(t, trusting, func(o *Options) {
		now := o.Now
		o.Now = func() time.Time {
			if f := onTime; f != nil {
				onTime = nil
				f()
			}
			return now()
		}
	})
	c, _ := r.add(status.NewClient{Name: "Claude"})
	a := r.vouches(c, "ana")
	onTime = func() { // when the session is made
		onTime = func() { // when the assertion is noted
			if err := r.SetAccess(AccessList{Emails: []string{"else@example.com"}}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := r.redeem(c, a); !errors.Is(err, ErrNotListed) || r.Count() != 0 {
		t.Errorf("%d sessions, %v", r.Count(), err)
	}
	if err := r.SetAccess(AccessList{Anyone: true}); err != nil {
		t.Fatal(err)
	}
	r.mustRedeem(c, a)
}
