package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// setting is one line of config.toml, as a value has it that is not as by
// default or is always written. The first one of a rule and of a server has no
// name: it says that there is such a table.
type setting struct {
	table string // "", idp, access.rule[0], server.NAME
	name  string
	value string
}

// settings are all of c, in the order of a new file.
func settings(c Config) []setting {
	all := written("", fileKeys, c, Default())
	for i, r := range c.Access.Rules {
		all = append(all, written(fmt.Sprintf("%s[%d]", ruleTable, i), ruleKeys, r, Rule{})...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		all = append(all, written(serverTable+"."+name, serverKeys, c.Servers[name], ServerSettings{})...)
	}
	return all
}

// written are those keys of v that are not as usual or are always written; table
// is that of v, "" if the keys know theirs.
func written[T any](table string, keys []key, v, usual T) (all []setting) {
	if table != "" {
		all = append(all, setting{table: table})
	}
	for _, k := range keys {
		field, other := k.in(reflect.ValueOf(v)).Interface(), k.in(reflect.ValueOf(usual)).Interface()
		if k.saved || !reflect.DeepEqual(field, other) {
			all = append(all, setting{cmp.Or(table, k.table()), k.name(), plain(field)})
		}
	}
	return all
}

// header is the line that begins a table.
func header(table string) string {
	if strings.HasPrefix(table, ruleTable) {
		return "[[" + ruleTable + "]]"
	}
	if name, ok := strings.CutPrefix(table, serverTable+"."); ok {
		if strings.Contains(name, ".") { // else it is a bare key
			name = plain(name)
		}
		return "[" + serverTable + "." + name + "]"
	}
	return "[" + table + "]"
}

// headRemarks stand above the tables that a person looks for, where they begin.
var headRemarks = map[string]string{
	"access":          "# Who may sign in. All empty: nobody.\n",
	ruleTable + "[0]": "# Who may use what. What no rule allows is refused.\n",
}

// marshal is a new file for c.
func marshal(c Config) (text []byte) {
	for _, s := range settings(c) {
		text = set(text, s)
	}
	return text
}

// plain is a value as TOML has it.
func plain(v any) string {
	switch value := v.(type) {
	case time.Duration:
		v = Short(value)
	case []string:
		if value == nil {
			v = []string{}
		}
	}
	text, err := toml.Marshal(map[string]any{"v": v})
	if err != nil {
		panic(err) // TOML has all texts, numbers and lists of texts
	}
	return strings.TrimSpace(strings.TrimPrefix(string(text), "v = "))
}

// Short is a duration as a person writes it: 720h, not 720h0m0s.
func Short(d time.Duration) string {
	if d == never {
		return "never"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
