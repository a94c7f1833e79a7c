package oauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
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
	switch {
	case l.Anyone || l.Names(id):
		return nil
	case l.Empty():
		return ErrNobody
	case l.namesAddress(id) && id.Unsaid.Verified:
		return fmt.Errorf("%s %w", id.Email, ErrNotVouched)
	case l.namesAddress(id):
		return fmt.Errorf("%s %w", id.Email, ErrNotVerified)
	case len(l.Groups) == 0 || !id.Unsaid.Groups:
		return fmt.Errorf("%s is not on the access list", who(id))
	case id.Unsaid.Overage:
		return fmt.Errorf("%s %w", who(id), ErrOverage)
	case len(id.Unsaid.GroupsIn) > 0:
		return fmt.Errorf("%s %w: the provider sent %s. Set groups_claim under [idp] in config.toml", who(id), ErrGroupsElsewhere, strings.Join(id.Unsaid.GroupsIn, ", "))
	case id.Unsaid.Cure != "":
		return fmt.Errorf("%s %w. %s", who(id), ErrNoGroups, strings.TrimSuffix(id.Unsaid.Cure, "."))
	}
	return fmt.Errorf("%s %w", who(id), ErrNoGroups)
}

// Names reports whether the list names id: one of its groups, or its address if
// that is verified. Anyone is left out of account.
func (l AccessList) Names(id Identity) bool {
	return id.EmailVerified && (l.namesEmail(id) || l.namesDomain(id.Domain)) || slices.ContainsFunc(id.Groups, func(group string) bool {
		return slices.ContainsFunc(l.Groups, func(g string) bool { return trimGroup(g) == trimGroup(group) })
	})
}

// namesAddress reports whether the list would name id if its address were
// verified.
func (l AccessList) namesAddress(id Identity) bool {
	return !id.EmailVerified && (l.namesEmail(id) || l.namesDomain(hostname.DomainOf(id.Email)))
}

func (l AccessList) namesEmail(id Identity) bool {
	return id.Email != "" && slices.ContainsFunc(l.Emails, func(s string) bool { return hostname.Same(s, id.Email) })
}

func (l AccessList) namesDomain(domain string) bool {
	return domain != "" && slices.ContainsFunc(l.Domains, func(s string) bool { return hostname.Same(strings.TrimPrefix(s, "@"), domain) })
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
	return s.endWhere(list.bars)
}

// bars says why the person of r may not sign in, or "". A machine is let in by
// who has added it.
func (l AccessList) bars(r *Grant) string {
	if r.Through != status.Machine {
		if err := l.Check(r.Identity); err != nil {
			return err.Error()
		}
	}
	return ""
}
