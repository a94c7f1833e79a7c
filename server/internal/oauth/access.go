package oauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// AccessList says who may sign in. Empty, it lets nobody in.
type AccessList struct {
	Emails  []string // verified addresses, compared without case
	Domains []string // domains of verified addresses, compared without case
	Groups  []string // compared exactly, but for Keycloak's leading "/"
	Anyone  bool     // whoever the provider signs in
}

// Empty reports whether the list lets nobody in.
func (l AccessList) Empty() bool {
	return !l.Anyone && len(l.Emails) == 0 && len(l.Domains) == 0 && len(l.Groups) == 0
}

// Check returns nil if id may sign in, else an error whose text is a sentence
// for that person.
func (l AccessList) Check(id Identity) error {
	if l.Anyone {
		return nil
	}
	if l.Empty() {
		return ErrNobody
	}
	if l.Names(id) {
		return nil
	}
	if !l.namesAddress(id) {
		return fmt.Errorf("%s is not on the access list", who(id))
	}
	return fmt.Errorf("%s %w", id.Email, ErrNotVerified)
}

// Names reports whether the list names id: one of its groups, or its address if
// that is verified. Anyone is left out of account.
func (l AccessList) Names(id Identity) bool {
	return id.EmailVerified && l.namesAddress(id) || slices.ContainsFunc(id.Groups, func(group string) bool {
		return slices.ContainsFunc(l.Groups, func(g string) bool { return trimGroup(g) == trimGroup(group) })
	})
}

func (l AccessList) namesAddress(id Identity) bool {
	return slices.ContainsFunc(l.Emails, func(s string) bool { return id.Email != "" && lower(s) == lower(id.Email) }) ||
		slices.ContainsFunc(l.Domains, func(s string) bool {
			return id.Domain != "" && lower(strings.TrimPrefix(s, "@")) == lower(id.Domain)
		})
}

// lower folds ASCII only: under Unicode's rules the Kelvin sign equals "k", and
// an address on the list could be had by registering a look-alike.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// trimGroup takes off the "/" that Keycloak puts before a top-level group.
func trimGroup(g string) string { return strings.TrimPrefix(g, "/") }

func who(id Identity) string {
	if id.Email != "" {
		return id.Email
	}
	return id.Subject
}

// SetAccess changes who may sign in. Sessions of people it leaves out end; the
// error is of the first that could not be saved as ended.
func (s *Grants) SetAccess(list AccessList) error {
	s.access.Store(&list)
	var first error
	for _, g := range s.all() {
		why := list.Check(g.record().Identity)
		if why == nil {
			continue
		}
		g.endSoon()
		err := s.take(g, func() error {
			return s.end(g, ending{typ: status.SessionRevoked, reason: why.Error()})
		})
		if first == nil && !errors.Is(err, ErrEnded) {
			first = err
		}
	}
	return first
}
