package oauth

import (
	"errors"
	"strings"
	"testing"
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
