package oauth

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// The owner's name for a session is cleaned, and outlives a refresh and a
// restart; one of a session that is over finds nothing.
func TestRename(t *testing.T) {
	r := newRig(t)
	c, tokens := r.signIn()
	id := r.Sessions()[0].ID
	if err := r.Rename(id, " lap\x1b\u202etop\n"); err != nil {
		t.Fatal(err)
	}
	tokens = r.mustRefresh(c, tokens.Refresh)
	r.restart()
	if got := r.Sessions()[0].Label; got != "laptop" || !r.alive(tokens.Access) {
		t.Errorf("it is called %q", got)
	}
	if err := r.Rename(id, strings.Repeat("é", 500)); err != nil || len([]rune(r.Sessions()[0].Label)) != 40 {
		t.Errorf("a long name: %v, %q", err, r.Sessions()[0].Label)
	}
	if err := r.Rename(id, ""); err != nil || r.Sessions()[0].Label != "" {
		t.Errorf("no name: %v, %q", err, r.Sessions()[0].Label)
	}
	if err := r.Revoke(id, "test"); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{id, "", "x", strings.Repeat("A", 500)} {
		if err := r.Rename(gone, "laptop"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v, want ErrNotFound", gone, err)
		}
	}
	if len(r.disk.records[BucketGrants]) != 0 {
		t.Error("a name brought a session back")
	}
}

// What a session asks for waits while its revocation can be taken back: it is
// answered if that is done, and refused if not.
func TestRevokeAfter(t *testing.T) {
	for _, kept := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			c, tokens := r.signIn()
			id, start := r.Sessions()[0].ID, time.Now()
			for range 2 { // two clicks are one
				if err := r.RevokeAfter(id, 5*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			if r.Sessions()[0].Leaving.IsZero() {
				t.Error("the session does not say that it leaves")
			}
			called, refreshed := make(chan bool), make(chan error)
			go func() { called <- r.alive(tokens.Access) }()
			go func() { _, err := r.refreshWith(c, tokens.Refresh); refreshed <- err }()
			time.Sleep(4 * time.Second) // of the bubble
			select {
			case <-called:
				t.Error("a call did not wait")
			case <-refreshed:
				t.Error("a refresh did not wait")
			default:
			}
			if kept {
				if err := r.Keep(id); err != nil {
					t.Fatal(err)
				}
			}
			alive, err := <-called, <-refreshed
			if alive != kept || (err == nil) != kept {
				t.Errorf("kept %v: the call goes through: %v, the refresh: %v", kept, alive, err)
			}
			if took := time.Since(start); !kept && took != 5*time.Second {
				t.Errorf("it ended after %v", took)
			}
			time.Sleep(time.Minute)
			if n := len(r.Sessions()); n != map[bool]int{true: 1}[kept] || n > 0 && !r.Sessions()[0].Leaving.IsZero() {
				t.Errorf("kept %v: %d sessions later", kept, n)
			}
			if !kept && !errors.Is(r.Keep(id), ErrNotFound) {
				t.Error("a session was kept that had ended")
			}
		})
	}
}

// A revocation that could still be taken back is carried out by a restart, at
// once by a second revocation, and at once where it can't be saved.
func TestRevokeAfterEndsAnyway(t *testing.T) {
	for name, end := range map[string]func(r *rig, id string){
		"a restart":    func(r *rig, id string) { r.RevokeAfter(id, time.Hour); r.restart() },
		"a second one": func(r *rig, id string) { r.RevokeAfter(id, time.Hour); r.Revoke(id, ByOwner) },
		"a disk that is full": func(r *rig, id string) {
			r.disk.full = true
			if err := r.RevokeAfter(id, time.Hour); err == nil {
				r.t.Error("a full disk is not told")
			}
			r.disk.full = false
		},
	} {
		r := newRig(t)
		_, tokens := r.signIn()
		end(r, r.Sessions()[0].ID)
		if r.alive(tokens.Access) || len(r.Sessions()) != 0 {
			t.Errorf("after %s the session lives on", name)
		}
		if name == "a restart" && r.disk.count(status.SessionRevoked) != 1 {
			t.Errorf("after %s no event tells of it", name)
		}
	}
}

// An ID can be given to a command as it stands: "drawbridge revoke -h…" would
// print the help and end nothing.
func TestIDIsNoFlag(t *testing.T) {
	for range 5000 {
		if id := newGrantID().String(); strings.HasPrefix(id, "-") {
			t.Fatal(id)
		}
	}
}
