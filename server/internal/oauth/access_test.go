package oauth

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Who may sign in, list by list; nobody by an empty one, and nobody by what they
// lack.
func TestAccessList(t *testing.T) {
	verified := func(email, domain string, groups ...string) Identity {
		return Identity{Subject: "sub", Email: email, EmailVerified: email != "", Domain: domain, Groups: groups}
	}
	none := Identity{Subject: "sub", EmailVerified: true} // verified, of nothing
	for _, c := range []struct {
		name string
		list AccessList
		id   Identity
		says string // "" lets in
		err  error
	}{
		{"an empty list", AccessList{}, verified("ana@example.com", "example.com", "staff"), "", ErrNobody},
		{"anyone", AccessList{Anyone: true}, Identity{Subject: "sub"}, "", nil},
		{"an address", AccessList{Emails: []string{"Ana@Example.com"}}, verified("ana@example.com", ""), "", nil},
		{"another address", AccessList{Emails: []string{"ana@example.com"}}, verified("eve@example.com", "example.com"), "eve@example.com is not on", nil},
		{"an address that is not verified", AccessList{Emails: []string{"ana@example.com"}}, Identity{Subject: "sub", Email: "ana@example.com"}, "", ErrNotVerified},
		{"an address of which nothing is said", AccessList{Emails: []string{"ana@example.com"}}, Identity{Subject: "sub", Email: "ana@example.com", Unsaid: Unsaid{Verified: true}}, "", ErrNotVouched},
		{"a domain", AccessList{Domains: []string{"@Example.com"}}, verified("ana@example.com", "example.com"), "", nil},
		{"a domain, not verified", AccessList{Domains: []string{"example.com"}}, Identity{Subject: "sub", Email: "ana@example.com"}, "", ErrNotVerified},
		{"another domain", AccessList{Domains: []string{"example.com"}}, verified("ana@example.com.evil", "example.com.evil"), "is not on", nil},
		{"a group", AccessList{Groups: []string{"staff"}}, verified("", "", "x", "/staff"), "", nil},
		{"a group in other letters", AccessList{Groups: []string{"staff"}}, verified("", "", "Staff"), "sub is not on", nil},
		{"an empty address on the list", AccessList{Emails: []string{""}}, none, "sub is not on", nil},
		{"an empty domain on the list", AccessList{Domains: []string{"", "@"}}, none, "sub is not on", nil},
		{"only domains", AccessList{Domains: []string{"example.com"}}, none, "sub is not on", nil},
	} {
		err := c.list.Check(c.id)
		switch {
		case c.err != nil && !errors.Is(err, c.err), c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)), c.err == nil && c.says == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Counters are kept through a disk that is full for a while, and a session
// shows from where it was used last.
func TestUseIsCounted(t *testing.T) {
	r := newRig(t)
	_, tokens := r.signIn()
	used := r.clock.Now().Add(time.Minute)
	r.clock.forward(time.Minute)
	for _, remote := range []string{"198.51.100.1", "198.51.100.2"} {
		if _, _, err := r.Authenticate(tokens.Access, testMCP, remote); err != nil {
			t.Fatal(err)
		}
	}
	r.UsedTool(r.Sessions()[0].ID, "echo")
	r.UsedTool("no session", "echo")
	r.disk.full = true
	r.writeUsage()
	r.disk.full = false
	r.writeUsage()
	r.restart()
	s := r.Sessions()[0]
	if s.Requests != 2 || s.Remote != "198.51.100.2" || s.LastTool != "echo" || !s.LastUsedAt.Equal(used) {
		t.Errorf("%d requests, from %s, %s at %v", s.Requests, s.Remote, s.LastTool, s.LastUsedAt)
	}
}
