package oauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestEveryWayToEndASession(t *testing.T) {
	cases := map[string]func(*rig, *Client, Tokens) error{
		"revoke":                func(r *rig, _ *Client, _ Tokens) error { return r.Revoke(r.Sessions()[0].ID, "test") },
		"revoke all":            func(r *rig, _ *Client, _ Tokens) error { _, err := r.RevokeAll("test"); return err },
		"client's refresh":      func(r *rig, c *Client, k Tokens) error { return r.RevokeToken(k.Refresh, c.ID, "") }, // RFC 7009 §2.1
		"client's access token": func(r *rig, c *Client, k Tokens) error { return r.RevokeToken(k.Access, c.ID, "") },  // RFC 7009 §2.1
	}
	for name, end := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c, tokens := r.signIn()
			_, ended, err := r.Authenticate(tokens.Access, testMCP, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := end(r, c, tokens); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended.Done():
			default:
				t.Error("open streams were not told")
			}
			if r.alive(tokens.Access) || len(r.Sessions()) != 0 || len(r.disk.records[BucketGrants]) != 0 {
				t.Error("the session lives on")
			}
			if r.disk.count(status.SessionRevoked) != 1 {
				t.Error("no session.revoked event")
			}
			r.revokeOnce(t.Context())
			if !slices.Equal(r.provider.revoked, []string{"upstream-rt"}) || len(r.disk.records[BucketRevocations]) != 0 {
				t.Errorf("revoked at the provider: %v", r.provider.revoked)
			}
		})
	}
}

func TestRevokeTokenOfAnother(t *testing.T) { // RFC 7009 §2.1, §2.2
	r := newRig(t)
	_, tokens := r.signIn()
	for _, text := range []string{tokens.Refresh, "nonsense", ""} {
		if err := r.RevokeToken(text, "another client", ""); err != nil {
			t.Error(err)
		}
	}
	if !r.alive(tokens.Access) {
		t.Error("another client ended the session")
	}
	if err := r.Revoke("nonsense", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoke of nonsense: %v", err)
	}
}

func TestRevocationAtTheProviderIsRetriedAcrossARestart(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.provider.set(func(p *fakeProvider) { p.err = &ProviderError{Kind: ProviderUnreachable} })
	if _, err := r.RevokeAll("test"); err != nil {
		t.Fatal(err)
	}
	if r.revokeOnce(t.Context()) {
		t.Fatal("done although the provider is away")
	}
	r.restart()
	r.provider.set(func(p *fakeProvider) { p.err = nil })
	if !r.revokeOnce(t.Context()) || len(r.provider.revoked) != 1 || len(r.disk.records[BucketRevocations]) != 0 {
		t.Error("not revoked after the restart")
	}
}

func TestRevokeOnAFullDisk(t *testing.T) {
	r := newRig(t)
	_, tokens := r.signIn()
	id := r.Sessions()[0].ID
	r.disk.full = true
	if err := r.Revoke(id, "test"); !errors.Is(err, errFull) {
		t.Fatalf("revoke on a full disk: %v", err)
	}
	if r.alive(tokens.Access) || len(r.Sessions()) != 0 {
		t.Error("the session lives on because a disk is full")
	}
	if r.saveEnds() {
		t.Error("saved on a full disk")
	}
	r.disk.full = false
	if !r.saveEnds() || len(r.disk.records[BucketGrants]) != 0 || r.disk.count(status.SessionRevoked) != 1 {
		t.Error("the end was not saved once there was room")
	}
	r.restart()
	if r.alive(tokens.Access) {
		t.Error("a restart brought the session back")
	}
}

func TestRestartKeepsSessionsAndCounters(t *testing.T) {
	r := newRig(t)
	_, tokens := r.signIn()
	for range 3 {
		r.alive(tokens.Access)
	}
	r.UsedTool(r.Sessions()[0].ID, "add")
	r.UsedTool(r.Sessions()[0].ID, "echo")
	before := r.disk.saves
	r.writeUsage()
	if r.disk.saves != before+1 {
		t.Errorf("%d writes for the counters of one session", r.disk.saves-before)
	}
	want := r.Sessions()
	r.restart()
	got := r.Sessions()
	if len(got) != 1 || got[0].ID != want[0].ID || got[0].Requests != 3 || got[0].LastTool != "echo" || !r.alive(tokens.Access) {
		t.Errorf("after the restart: %+v", got)
	}
}

func TestConfigurationEndsSessionsAtStart(t *testing.T) {
	cases := map[string]func(*Options){
		"another provider":     func(o *Options) { o.Issuer = "https://other.example" },
		"another public URL":   func(o *Options) { o.Resources = []string{"https://new.example/mcp"} },
		"person off the list":  func(o *Options) { o.Access = AccessList{Emails: []string{"bob@example.com"}} },
		"access list is empty": func(o *Options) { o.Access = AccessList{} },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, tokens := r.signIn()
			change(&r.opts)
			r.restart()
			if len(r.Sessions()) != 0 || r.alive(tokens.Access) || len(r.disk.records[BucketGrants]) != 0 {
				t.Error("the session lives on")
			}
		})
	}
}

func TestRunEndsWhatExpires(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Now = time.Now; o.AccessTTL = time.Second; o.RefreshTTL = time.Second })
	r.signIn()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	deadline := time.After(time.Minute)
	for r.disk.count(status.SessionExpired) == 0 {
		select {
		case <-deadline:
			t.Fatal("never expired")
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	<-done
}

// slow is a disk that takes its time for ends, and says when it has begun.
type slow struct {
	*disk
	began, goOn chan struct{}
}

func (d *slow) Save(changes []Change, events ...status.Event) error {
	select {
	case d.began <- struct{}{}:
		<-d.goOn
	default:
	}
	return d.disk.Save(changes, events...)
}

// However many sessions there are, none opens anything while the disk is still
// waited for, and their ends share its writes and are one line of the history:
// one by one a hundred thousand took more than a minute.
func TestRevokeAllTogether(t *testing.T) {
	r := newRig(t)
	const many = 120
	var tokens []Tokens
	for range many {
		_, k := r.signIn()
		tokens = append(tokens, k)
	}
	told := map[string]string{}
	slow := &slow{disk: r.disk, began: make(chan struct{}, 1), goOn: make(chan struct{})}
	r.opts.Saver = slow
	r.opts.Ended = func(reasons map[string]string) { maps.Copy(told, reasons) }
	r.restart()
	saves := r.disk.saves
	done := make(chan error, 1)
	go func() {
		n, err := r.RevokeAll("test")
		if n != many {
			err = fmt.Errorf("%d sessions ended, %w", n, err)
		}
		done <- err
	}()
	<-slow.began
	for _, k := range tokens {
		if r.alive(k.Access) {
			t.Fatal("a token opens the MCP URL while the disk is waited for")
		}
	}
	if len(r.Sessions()) != 0 {
		t.Error("sessions are shown while the disk is waited for")
	}
	close(slow.goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if saves = r.disk.saves - saves; saves != 1 || r.disk.count(status.SessionRevoked) != 1 || len(told) != many {
		t.Errorf("%d writes, %d events, %d sessions told", saves, r.disk.count(status.SessionRevoked), len(told))
	}
	if last := r.disk.events[len(r.disk.events)-1]; !strings.Contains(last.Reason, "120 sessions") || !strings.Contains(last.Reason, "test") {
		t.Errorf("the event says %q", last.Reason)
	}
	if left := len(r.disk.records[BucketGrants]); left != 0 {
		t.Errorf("%d are left on disk", left)
	}
	r.restart()
	if len(r.Sessions()) != 0 || !r.revokeOnce(t.Context()) || len(r.provider.revoked) != many || len(r.disk.records[BucketRevocations]) != 0 {
		t.Errorf("%d were revoked at the provider", len(r.provider.revoked))
	}
}

// A sign-in whose code nobody redeemed is in memory alone. Whoever stops
// Drawbridge then leaves no refresh token alive at the provider.
func TestStoppedBeforeTheCodeIsRedeemed(t *testing.T) {
	r := newRig(t)
	if _, err := r.code(r.client(), ana()); err != nil {
		t.Fatal(err)
	}
	r.Close()
	r.restart()
	r.revokeOnce(t.Context())
	if !slices.Equal(r.provider.revoked, []string{"upstream-rt"}) || len(r.disk.records[BucketRevocations]) != 0 {
		t.Errorf("revoked at the provider: %v", r.provider.revoked)
	}
}
