package wizard

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Access reads who may sign in from what a person typed into three fields, one
// name a line. Addresses and domains may also stand side by side; a domain
// among the addresses ("@example.com") is taken for what it is.
func Access(emails, domains, groups string, anyone bool) config.Access {
	a := config.Access{Anyone: anyone}
	for _, s := range words(emails) {
		if domain, ok := strings.CutPrefix(s, "@"); ok {
			a.Domains = once(a.Domains, domain)
		} else {
			a.Emails = once(a.Emails, strings.TrimPrefix(s, "mailto:"))
		}
	}
	for _, s := range words(domains) {
		a.Domains = once(a.Domains, strings.TrimPrefix(strings.TrimPrefix(s, "*."), "@"))
	}
	for line := range strings.Lines(groups) {
		if line = strings.TrimSpace(line); line != "" {
			a.Groups = once(a.Groups, line)
		}
	}
	return a
}

// words are the words of s; nil if there is none.
func words(s string) []string {
	return append([]string(nil), strings.FieldsFunc(s, func(r rune) bool {
		return r <= ' ' || r == ',' || r == ';' || r == '<' || r == '>' || r == '\u3000' || r == '、'
	})...)
}

func once(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// CheckAccess looks at who may sign in.
func (w *Wizard) CheckAccess(c Candidate) Report {
	var r Report
	a := c.Config.Access
	kind, f := KindOf(c.Config.IDP)
	if a.Empty() {
		r.problem(FieldEmails, "Nobody may sign in yet. Enter at least your own address, or a domain or a group.")
		return r
	}
	r.configured(c.Config, "access.", "idp.")
	switch {
	case len(a.Groups) == 0:
	case kind == Google:
		r.problem(FieldGroups, "Google names no groups. Let people in by address or by domain.")
	case kind == Entra:
		r.note("Microsoft Entra names groups by object ID, and leaves them out for members of very many: let it send the groups assigned to the application.")
	case kind == Okta:
		r.note("Okta names groups only with a groups claim: see the last step of registering the app. Of a hundred groups or more some are left out.")
	}
	switch {
	case a.Anyone && kind == Google:
		r.note("Anybody with a Google account may sign in, unless the app at Google is internal to your Workspace.")
	case a.Anyone && kind == Entra && !uuid.MatchString(f[FieldTenant]):
		r.note("Anybody with a Microsoft account may sign in, of any organisation. Enter your own tenant ID to keep it to yours.")
	case a.Anyone:
		r.note("Whoever the provider lets in may sign in: who that is, is decided there.")
	case kind == Entra && len(a.Emails)+len(a.Domains) > 0:
		r.note("Microsoft Entra says that an address is verified only with the optional claim xms_edov: add it to the ID token under Token configuration.")
	}
	return r
}

// letsIn says whether and why a list lets a person in.
func letsIn(list oauth.AccessList, id oauth.Identity) (bool, Sentence) {
	who, why := cmp.Or(id.Email, id.Subject), list.Check(id)
	switch {
	case why == nil:
		return true, say("{who} may sign in.", "who", who)
	case list.Empty():
		return false, say("{who} may not sign in, nor anybody else: the list of who may is empty.", "who", who)
	case errors.Is(why, oauth.ErrNotVerified):
		return false, say("{who} is on the list, but may not sign in: the provider says that the address is not verified.", "who", who)
	case errors.Is(why, oauth.ErrNotVouched):
		return false, say("{who} is on the list, but may not sign in: the provider does not say whether the address is verified.", "who", who)
	case errors.Is(why, oauth.ErrGroupsElsewhere), errors.Is(why, oauth.ErrNoGroups), errors.Is(why, oauth.ErrOverage):
		return false, say("{who} may not sign in: the address is not on the list, and the provider named no groups.", "who", who)
	case id.Email == "" && len(list.Emails)+len(list.Domains) > 0 && len(list.Groups) == 0:
		return false, say("{who} may not sign in: the provider gave no e-mail address, and the list holds nothing else.", "who", who)
	}
	return false, say("{who} may not sign in: neither the address nor a group is on the list.", "who", who)
}
