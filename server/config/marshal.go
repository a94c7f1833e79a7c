package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// marshal is a new file for c. What is as by default is left out, apart from
// what a person looks for.
func marshal(c Config) []byte {
	var b strings.Builder
	head := func(table, remark string) {
		b.WriteString("\n" + remark + table + "\n") // listen always comes before
	}
	in := ""
	for k, value := range written(fileKeys, c, Default()) {
		if k.table() != in {
			in = k.table()
			if in == "access" {
				head("[access]", "# Who may sign in. All empty: nobody.\n")
			} else {
				head("["+in+"]", "")
			}
		}
		fmt.Fprintf(&b, "%s = %s\n", k.name(), value)
	}
	for i, r := range c.Access.Rules {
		remark := ""
		if i == 0 {
			remark = "# Who may use what. What no rule allows is refused.\n"
		}
		head("[["+ruleTable+"]]", remark)
		for k, value := range written(ruleKeys, r, Rule{}) {
			fmt.Fprintf(&b, "%s = %s\n", k.path, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		head("["+serverTable+"."+plain(name)+"]", "")
		for k, value := range written(serverKeys, c.Servers[name], ServerSettings{}) {
			fmt.Fprintf(&b, "%s = %s\n", k.path, value)
		}
	}
	return []byte(b.String())
}

// written are those keys of v, with their values, that are not as usual or are
// always written.
func written[T any](keys []key, v, usual T) func(yield func(key, string) bool) {
	return func(yield func(key, string) bool) {
		for _, k := range keys {
			field, other := k.in(reflect.ValueOf(v)).Interface(), k.in(reflect.ValueOf(usual)).Interface()
			if (k.saved || !reflect.DeepEqual(field, other)) && !yield(k, plain(field)) {
				return
			}
		}
	}
}

// plain is a value as TOML has it.
func plain(v any) string {
	switch value := v.(type) {
	case time.Duration:
		v = short(value)
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

// short prints a duration as a person writes it: 720h, not 720h0m0s.
func short(d time.Duration) string {
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
