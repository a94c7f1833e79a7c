package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
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
	case len(e.path) == 2 && e.header && e.value.kind == unstable.ArrayTable:
		p.config.Access.Rules = append(rules, Rule{})
		p.places[fmt.Sprintf("%s[%d]", ruleTable, len(rules))] = e.at
	case len(e.path) == 2 || len(rules) == 0:
		p.refused[ruleTable] = true
		p.fail(e.at, ruleTable, "rules are a list: write [[%s]] for each, and its keys below it", ruleTable)
	default:
		p.takeInto(e, key, "[["+ruleTable+"]]", e.path[2:], ruleKeys, reflect.ValueOf(&rules[len(rules)-1]).Elem())
	}
}

// takeServer puts an entry of [server.NAME] into the settings of that server.
func (p *parser) takeServer(e entry) {
	if len(e.path) == 1 && e.header && e.value.kind == unstable.Table {
		return // [server] alone says nothing
	}
	if len(e.path) < 2 || e.value.kind == unstable.ArrayTable || len(e.path) == 2 && !e.header {
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
		p.takeInto(e, key, "["+serverTable+"."+quoted(name)+"]", e.path[2:], serverKeys, reflect.ValueOf(&s).Elem())
	}
	if p.config.Servers == nil {
		p.config.Servers = map[string]ServerSettings{}
	}
	p.config.Servers[name] = s
}

// takeInto puts an entry into the struct to, what the table named where holds;
// path is the entry's within it, key the table's for errors.
func (p *parser) takeInto(e entry, key, where string, path []string, keys []key, to reflect.Value) {
	name := path[0]
	key += "." + name
	k := find(keys, name)
	switch {
	case p.refused[key]:
	case k == nil && isSecretName(name):
		p.fail(e.at, key, "%s in %s looks like a secret, and this file holds none: take the line out and run `drawbridge secret set`", code(name), where)
	case k == nil:
		p.refused[key] = true
		p.fail(e.at, key, "unknown key %s in %s%s", code(name), where, suggest(Nearest(name, pathsOf(keys))))
	case len(path) > 1 || e.header:
		p.refused[key] = true
		p.fail(e.at, key, "%s in %s is a key, not a table", code(name), where)
	default:
		p.put(*k, to, e, key, code(name)+" in "+where)
	}
}

func pathsOf(keys []key) (all []string) {
	for _, k := range keys {
		all = append(all, k.path)
	}
	return all
}

// problems are what is wrong with the values of a configuration, each an [*Error].
type problems []error

func (p *problems) add(key, says string) { *p = append(*p, &Error{Key: key, Msg: says}) }

// rule refuses what a rule can't mean, and what it would mean to nobody's
// surprise but the owner's: an empty list of people reads like nobody and would
// be everybody.
func (p *problems) rule(table string, r Rule) {
	const head = "[[" + ruleTable + "]]"
	none := func(list []string) bool { return list != nil && len(list) == 0 } // written, and nothing in it
	for name, list := range map[string][]string{"emails": r.Emails, "domains": r.Domains, "groups": r.Groups, "machines": r.Machines} {
		if none(list) {
			p.add(table+"."+name, code(name)+" in "+head+" is empty: name somebody, or take the line out to leave "+name+" out of account")
		}
	}
	if none(r.Servers) {
		p.add(table+".servers", code("servers")+" in "+head+" is empty: name one, or take the line out for all of them")
	}
	p.keys(ruleKeys, r, table+".", head)
	switch {
	case reflect.DeepEqual(r, Rule{}):
		p.add(table, head+" is empty: say whom it is for (emails, domains, groups, machines) or what it allows (servers, tools, prompts, resources, read_only)")
	case r.Tools != nil && len(r.Tools)+len(r.Prompts)+len(r.Resources) == 0:
		p.add(table, head+" allows nothing: name a tool, a prompt or a resource")
	}
}

// keys checks what stands in a struct by the tags of its fields. head is how
// sentences call its table; "" if the keys know theirs.
func (p *problems) keys(keys []key, v any, table, head string) {
	for _, k := range keys {
		name := display(strings.Split(k.path, "."))
		if head != "" {
			name = code(k.path) + " in " + head
		}
		k.problems(k.in(reflect.ValueOf(v)), func(where, says string) {
			if says != "" {
				p.add(table+k.path+where, name+" "+says)
			}
		})
	}
}
