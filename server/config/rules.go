package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The tables that come several times: [[access.rule]] and [server.NAME].
const (
	ruleTable   = "access.rule"
	serverTable = "server"
)

// takeRule puts an entry under access.rule into the rule that the last
// [[access.rule]] began.
func (p *parser) takeRule(e entry) {
	rules := p.config.Access.Rules
	key := fmt.Sprintf("%s[%d]", ruleTable, len(rules)-1)
	switch {
	case len(e.path) == 2 && e.header && e.value.kind == kindTables:
		p.config.Access.Rules = append(rules, Rule{})
		p.places[fmt.Sprintf("%s[%d]", ruleTable, len(rules))] = e.at
	case len(e.path) == 2 || len(rules) == 0:
		p.refused[ruleTable] = true
		p.fail(e.at, ruleTable, "rules are a list: write [[%s]] for each, and its keys below it", ruleTable)
	default:
		takeInto(p, e, key, "[["+ruleTable+"]]", e.path[2:], ruleKeys, &rules[len(rules)-1])
	}
}

// takeServer puts an entry of [server.NAME] into the settings of that server.
func (p *parser) takeServer(e entry) {
	if len(e.path) == 1 && e.header && e.value.kind == kindTable {
		return // [server] alone says nothing
	}
	if len(e.path) < 2 || e.value.kind == kindTables || len(e.path) == 2 && !e.header {
		p.refused[serverTable] = true
		p.fail(e.at, serverTable, "each server has a table of its own: write [%s.NAME], and its keys below it", serverTable)
		return
	}
	name := e.path[1]
	key := serverTable + "." + name
	s, known := p.config.Servers[name]
	if !known {
		p.places[key] = e.at
	}
	if len(e.path) > 2 {
		takeInto(p, e, key, "["+serverTable+"."+quoted(name)+"]", e.path[2:], serverKeys, &s)
	}
	if p.config.Servers == nil {
		p.config.Servers = map[string]ServerSettings{}
	}
	p.config.Servers[name] = s
}

// takeInto puts an entry into to, part of what the table named where holds;
// path is the entry's within it, key the table's for errors.
func takeInto[T any](p *parser, e entry, key, where string, path []string, keys map[string]setter[T], to *T) {
	name := path[0]
	key += "." + name
	set := keys[name]
	switch {
	case p.refused[key]:
	case set == nil && isSecretName(name):
		p.fail(e.at, key, "%s in %s looks like a secret, and this file holds none: take the line out and run `drawbridge secret set`", code(name), where)
	case set == nil:
		p.refused[key] = true
		p.fail(e.at, key, "unknown key %s in %s%s", code(name), where, suggest(nearest(name, slices.Sorted(maps.Keys(keys)))))
	case len(path) > 1 || e.header:
		p.refused[key] = true
		p.fail(e.at, key, "%s in %s is a key, not a table", code(name), where)
	default:
		p.places[key] = e.at
		for i, item := range e.value.items {
			p.places[fmt.Sprintf("%s[%d]", key, i)] = item.at
		}
		if says := set(to, e.value); says != "" {
			p.refused[key] = true
			p.fail(e.value.at, key, "%s in %s %s", code(name), where, says)
		}
	}
}

// checkRule refuses what a rule can't mean, and what it would mean to nobody's
// surprise but the owner's: an empty list of people reads like nobody and would
// be everybody.
func checkRule(key string, r Rule) (errs []error) {
	bad := func(name, says string) {
		if says != "" {
			plain, _, _ := strings.Cut(name, "[")
			errs = append(errs, &Error{Key: key + "." + name, Msg: code(plain) + " in [[" + ruleTable + "]] " + says})
		}
	}
	each := func(name string, all []string, check func(string) string) {
		for i, s := range all {
			bad(fmt.Sprintf("%s[%d]", name, i), check(s))
		}
	}
	whom := func(name string, all []string, check func(string) string) {
		if all != nil && len(all) == 0 {
			bad(name, "is empty: name somebody, or take the line out to leave "+name+" out of account")
		}
		each(name, all, check)
	}
	whom("emails", r.Emails, checkEmail)
	whom("domains", r.Domains, checkDomain)
	whom("groups", r.Groups, checkPrintable)
	if r.Servers != nil && len(r.Servers) == 0 {
		bad("servers", "is empty: name one, or take the line out for all of them")
	}
	each("servers", r.Servers, checkGlob)
	each("tools", r.Tools, checkGlob)
	each("prompts", r.Prompts, checkGlob)
	each("resources", r.Resources, checkGlob)
	nobody := r.Emails == nil && r.Domains == nil && r.Groups == nil
	switch {
	case nobody && r.Servers == nil && r.Tools == nil && r.Prompts == nil && r.Resources == nil && !r.ReadOnly:
		errs = append(errs, &Error{Key: key, Msg: "[[" + ruleTable + "]] is empty: say whom it is for (emails, domains, groups) or what it allows (servers, tools, prompts, resources, read_only)"})
	case r.Tools != nil && len(r.Tools)+len(r.Prompts)+len(r.Resources) == 0:
		errs = append(errs, &Error{Key: key, Msg: "[[" + ruleTable + "]] allows nothing: name a tool, a prompt or a resource"})
	}
	return errs
}

// checkSettings checks [server.NAME].
func checkSettings(name string, s ServerSettings) (errs []error) {
	key := serverTable + "." + name
	where := " in [" + serverTable + "." + quoted(name) + "] "
	bad := func(field, says string) {
		errs = append(errs, &Error{Key: key + "." + field, Msg: code(field) + where + says})
	}
	if says := checkName(name); says != "" {
		errs = append(errs, &Error{Key: key, Msg: "[" + serverTable + "." + quoted(name) + "]: " + says})
	}
	for i, glob := range s.Ask {
		if says := checkGlob(glob); says != "" {
			errs = append(errs, &Error{Key: fmt.Sprintf("%s.ask[%d]", key, i), Msg: "`ask`" + where + says})
		}
	}
	if s.Timeout != 0 && s.Timeout < time.Second {
		bad("timeout", shortDuration)
	}
	if s.Idle > 0 && s.Idle < time.Second {
		bad("idle", shortDuration+`, or "never"`)
	}
	return errs
}
