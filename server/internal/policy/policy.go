// Package policy says who may use what of the mounted servers and of
// Drawbridge's own tools, by the rules of config.toml.
//
// It is pure: it holds no state, asks nobody, and knows nothing of servers
// beyond their names. Start at [New].
package policy

import (
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// maxURI bounds the URI of a resource, in bytes: a longer one is refused, so
// that no request can make patterns expensive.
const maxURI = 8 << 10

// Policy is a set of rules. Without any, everybody may use everything; with
// one, what no rule allows is refused. It never changes, and its methods are
// safe for concurrent use. [config.BuiltIn] is the server of Drawbridge's own
// tools.
type Policy struct {
	rules []rule
}

// rule is a config.Rule, ready to be asked.
type rule struct {
	config.Rule
	everybody bool
	whom      oauth.AccessList
}

// New returns the policy of rules.
func New(rules []config.Rule) *Policy {
	p := &Policy{}
	for _, r := range rules {
		whom := oauth.AccessList{Emails: r.Emails, Domains: r.Domains, Groups: r.Groups}
		p.rules = append(p.rules, rule{Rule: r, whom: whom, everybody: whom.Empty() && len(r.Machines) == 0})
	}
	return p
}

// Tool reports whether who may call a tool; readOnly is what the server says of
// it (readOnlyHint, which is false if it says nothing).
func (p *Policy) Tool(who *oauth.Caller, server, tool string, readOnly bool) bool {
	return p.any(who, server, func(r *rule) bool {
		return (r.Tools == nil || config.MatchAny(r.Tools, tool)) && (readOnly || !r.ReadOnly)
	})
}

// Prompt reports whether who may get a prompt.
func (p *Policy) Prompt(who *oauth.Caller, server, prompt string) bool {
	return p.any(who, server, func(r *rule) bool { return r.allows(r.Prompts, prompt) })
}

// Resource reports whether who may read a resource or subscribe to it. What a
// rule decides on is what a server gets: where any rule limits the resources of
// server, a URI that two parsers could read in two ways is refused.
func (p *Policy) Resource(who *oauth.Caller, server, uri string) bool {
	return p.resource(who, server, uri, unambiguous)
}

// Template is Resource for a URI template.
func (p *Policy) Template(who *oauth.Caller, server, template string) bool {
	return p.resource(who, server, template, unambiguousTemplate)
}

// Value reports whether a value may be completed into a template of server: where
// rules limit its resources, not one that leads to another folder.
func (p *Policy) Value(server, value string) bool {
	return !p.limits(server) || len(value) <= maxURI && !strings.ContainsFunc(value, status.Unprintable) && !climbs(value)
}

func (p *Policy) resource(who *oauth.Caller, server, uri string, unambiguous func(string) bool) bool {
	if p.limits(server) && (len(uri) > maxURI || !unambiguous(uri)) {
		return false
	}
	return p.any(who, server, func(r *rule) bool { return r.allows(r.Resources, uri) })
}

// limits reports whether a rule, whoever it is for, lets only some resources of
// server through.
func (p *Policy) limits(server string) bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool {
		return r.covers(server) && (r.Resources != nil || r.Tools != nil)
	})
}

// Server reports whether who may use anything that server might offer.
func (p *Policy) Server(who *oauth.Caller, server string) bool {
	return p.any(who, server, func(r *rule) bool {
		return r.Tools == nil || len(r.Tools)+len(r.Prompts)+len(r.Resources) > 0
	})
}

// Whom names those whom rules let do what may asks about: addresses, @domains and
// groups; nil is whoever may sign in.
func (p *Policy) Whom(may func(*Policy) bool) []string {
	if len(p.rules) == 0 {
		return nil
	}
	names := []string{}
	for _, r := range p.rules {
		everybody := r.everybody
		r.everybody = true
		if !may(&Policy{rules: []rule{r}}) {
			continue
		}
		if everybody {
			return nil
		}
		names = append(names, r.Emails...)
		for _, domain := range r.Domains {
			names = append(names, "@"+domain)
		}
		names = append(names, r.Groups...)
		for _, machine := range r.Machines {
			names = append(names, oauth.MachinePrefix+machine)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// any reports whether a rule for who and server allows what is asked.
func (p *Policy) any(who *oauth.Caller, server string, allows func(*rule) bool) bool {
	if len(p.rules) == 0 {
		return true
	}
	for i := range p.rules {
		r := &p.rules[i]
		if r.covers(server) && allows(r) && r.isFor(who) {
			return true
		}
	}
	return false
}

func (r *rule) covers(server string) bool {
	return r.Servers == nil || config.MatchAny(r.Servers, server)
}

func (r *rule) isFor(who *oauth.Caller) bool {
	switch {
	case r.everybody || who == nil:
		return r.everybody
	case who.Through == status.Machine:
		return slices.Contains(r.Machines, who.Client.Name)
	}
	return r.whom.Names(who.Identity())
}

// allows is for prompts and resources: those of a rule that says nothing of
// them come with all tools, and not with some.
func (r *rule) allows(globs []string, name string) bool {
	if globs == nil {
		return r.Tools == nil
	}
	return config.MatchAny(globs, name)
}
