package oauth

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
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
			case <-ended:
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

// together is a disk whose saves of ends wait for each other.
type together struct {
	*disk
	missing atomic.Int64
	all     chan struct{}
}

func (d *together) Save(changes []Change, events ...status.Event) error {
	if len(events) == 1 && events[0].Type == status.SessionRevoked {
		if d.missing.Add(-1) == 0 {
			close(d.all)
		}
		select {
		case <-d.all:
		case <-time.After(20 * time.Second):
			return errors.New("saved alone")
		}
	}
	return d.disk.Save(changes, events...)
}

// Many sessions end together, so that they share the writes to disk: one after
// the other a hundred thousand took more than a minute.
func TestRevokeAllTogether(t *testing.T) {
	r := newRig(t)
	const many = 100
	for range many {
		r.signIn()
	}
	disk := &together{disk: r.disk, all: make(chan struct{})}
	disk.missing.Store(many)
	r.opts.Saver = disk
	r.restart()
	if n, err := r.RevokeAll("test"); n != many || err != nil {
		t.Errorf("%d sessions ended, %v", n, err)
	}
	if left := len(r.disk.records[BucketGrants]); left != 0 {
		t.Errorf("%d are left on disk", left)
	}
}
