package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// overwrite returns text with the values of c, as far as they differ from what text
// says: the rest, comments among it, stays as a person wrote it. It returns
// false if that can't be done, and the file has to be written anew.
func overwrite(text []byte, c Config) ([]byte, bool) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	old, err := Parse("", text)
	if err != nil {
		return nil, false
	}
	text = dropRules(text, old.Access.Rules, c.Access.Rules)
	if old, err = Parse("", text); err != nil {
		return nil, false
	}
	before, after := settings(old), settings(c)
	for _, s := range before {
		if !slices.ContainsFunc(after, func(other setting) bool { return s.table == other.table && s.name == other.name }) {
			text = drop(text, func(l line) bool { return l.table == s.table && (l.name == s.name || s.name == "") })
		}
	}
	for _, s := range after {
		if !slices.Contains(before, s) {
			text = set(text, s)
		}
	}
	// Whatever was overlooked, such as a table written inline, shows here.
	got, err := Parse("", text)
	return text, err == nil && reflect.DeepEqual(got, c)
}

// dropRules takes out as many rules as text has more than keep: those that are
// not among keep, so that the comments of the others stay with them.
func dropRules(text []byte, rules, keep []Rule) []byte {
	for i := len(rules) - 1; i >= 0 && len(rules) > len(keep); i-- {
		kept := slices.ContainsFunc(keep, func(r Rule) bool { return reflect.DeepEqual(r, rules[i]) })
		if !kept || i < len(rules)-len(keep) {
			rules = slices.Delete(slices.Clone(rules), i, i+1)
			table := fmt.Sprintf("%s[%d]", ruleTable, i)
			text = drop(text, func(l line) bool { return l.table == table })
		}
	}
	return text
}

// line is an entry of the file, under the table and the name that its setting
// has.
type line struct {
	entry
	table, name string
}

// linesOf takes a text apart that [Parse] takes.
func linesOf(text []byte) []line {
	entries, _ := walk(text)
	var all []line
	rules := 0
	for _, e := range entries {
		l, path := line{entry: e}, e.path
		if !e.header {
			l.name, path = path[len(path)-1], path[:len(path)-1]
		}
		if e.value.kind == unstable.ArrayTable {
			rules++
		}
		if l.table = strings.Join(path, "."); l.table == ruleTable {
			l.table = fmt.Sprintf("%s[%d]", ruleTable, rules-1)
		}
		all = append(all, l)
	}
	return all
}

// drop takes out the lines that match.
func drop(text []byte, match func(line) bool) []byte {
	for _, l := range slices.Backward(linesOf(text)) {
		if match(l) {
			from := 1 + bytes.LastIndexByte(text[:l.at], '\n')
			if l.header && bytes.HasSuffix(text[:from], []byte("\n\n")) {
				from-- // a table goes with the empty line above it
			}
			text = slices.Concat(text[:from], text[lineEnd(text, l.to):])
		}
	}
	return text
}

// set puts the value of s in the place of the one that is there, or adds its
// line, if need be with a table.
func set(text []byte, s setting) []byte {
	after, inside := -1, s.table == "" // the end of the last line of the table, so far
	if inside {
		after = 0
	}
	for i, l := range linesOf(text) {
		if l.header {
			inside = l.table == s.table
		} else if l.table == s.table && l.name == s.name {
			if listed := relist(text, l, "v = "+s.value); listed != nil && slices.Equal(itemsOf(listed, i), itemsOf([]byte("v = "+s.value), 0)) {
				return listed
			}
			return slices.Concat(text[:l.from], []byte(s.value), text[l.to:])
		}
		if inside {
			after = lineEnd(text, l.to)
		}
	}
	end := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	added := ""
	if s.name != "" {
		added = s.name + " = " + s.value + end
	}
	if after < 0 { // a table of its own
		after, added = len(text), end+strings.ReplaceAll(headRemarks[s.table], "\n", end)+header(s.table)+end+added
	}
	if after > 0 && text[after-1] != '\n' {
		added = end + added
	}
	return slices.Concat(text[:after], []byte(added), text[after:])
}

// relist is text with the items of assignment in the list of l, if there each
// item has a line of its own: what else these lines say stays. Lines go with
// their items, and new ones come behind. nil: it is no such list.
func relist(text []byte, l line, assignment string) (listed []byte) {
	want := itemsOf([]byte(assignment), 0)
	at, behind := 0, 0 // how much of text is listed, and where new lines go
	indent, end := "", ""
	for _, item := range l.value.items {
		alone := func(text string) bool { return slices.Equal(itemsOf([]byte("v = ["+text+"]"), 0), []string{item.text}) }
		from, to := 1+bytes.LastIndexByte(text[:item.at], '\n'), lineEnd(text, item.at)
		own := string(text[from:to])
		if from <= l.from || !alone(own) {
			return nil
		}
		listed = append(listed, text[at:from]...)
		if at = to; len(want) == 0 || want[0] != item.text {
			continue
		}
		want = want[1:]
		indent, end = string(text[from:item.at]), own[len(strings.TrimRight(own, "\r\n")):]
		lacksComma := itemsOf([]byte("v = ["+own+"'']"), 0) == nil
		for n := item.at - from; lacksComma && n <= len(own); n++ {
			if alone(own[:n]) {
				own, lacksComma = own[:n]+","+own[n:], false
			}
		}
		listed = append(listed, own...)
		behind = len(listed)
	}
	if behind == 0 {
		return nil
	}
	added := ""
	for _, item := range want {
		added += indent + plain(item) + "," + end
	}
	return append(slices.Insert(listed, behind, []byte(added)...), text[at:]...)
}

// itemsOf is what the list of the entry i of text holds; nil if text is none.
func itemsOf(text []byte, i int) (items []string) {
	entries, err := walk(text)
	if err != nil || i >= len(entries) {
		return nil
	}
	for _, item := range entries[i].value.items {
		items = append(items, item.text)
	}
	return items
}

// lineEnd is where the line after from begins.
func lineEnd(text []byte, from int) int {
	if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(text)
}
