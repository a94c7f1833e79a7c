package config

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"
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
	before, after := plainValues(old), plainValues(c)
	for _, k := range fileKeys {
		if before[k.path] != after[k.path] {
			if text, err = setKey(text, k, after[k.path]); err != nil {
				return nil, false
			}
		}
	}
	// Whatever was overlooked, such as a table written inline, shows here.
	got, err := Parse("", text)
	return text, err == nil && reflect.DeepEqual(got, c)
}

// plainValues are the values of c as [Save] writes them, by key; a key that is
// as by default is missing.
func plainValues(c Config) map[string]string {
	values := map[string]string{}
	for k, value := range written(fileKeys, c, Default()) {
		values[k.path] = value
	}
	return values
}

// setKey puts value in the place of k's, adds the key, or takes its line out if
// value is "".
func setKey(text []byte, k key, value string) ([]byte, error) {
	entries, err := walk(text)
	if err != nil {
		return nil, err
	}
	table := k.table()
	after := -1 // the end of the last line of the table, so far
	if table == "" {
		after = 0
	}
	inside := table == ""
	for _, e := range entries {
		path := strings.Join(e.path, ".")
		if e.header {
			if inside = path == table && e.value.kind == kindTable; inside {
				after = lineEnd(text, offset(text, e.at))
			}
			continue
		}
		from, to := valueRange(text, e)
		switch {
		case path == k.path && value == "":
			start := offset(text, place{e.at.line, 1})
			return slices.Concat(text[:start], text[lineEnd(text, to):]), nil
		case path == k.path:
			return slices.Concat(text[:from], []byte(value), text[to:]), nil
		case inside:
			after = lineEnd(text, to)
		}
	}
	end := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	line := k.name() + " = " + value + end
	if after < 0 { // a table of its own
		after, line = len(text), end+"["+table+"]"+end+line
	}
	if after > 0 && text[after-1] != '\n' {
		line = end + line
	}
	return slices.Concat(text[:after], []byte(line), text[after:]), nil
}

// offset is where a place stands, in bytes.
func offset(text []byte, at place) int {
	from := 0
	for range at.line - 1 {
		from += bytes.IndexByte(text[from:], '\n') + 1
	}
	return from + at.column - 1
}

// lineEnd is where the line after from begins.
func lineEnd(text []byte, from int) int {
	if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(text)
}

// valueRange finds the value of an entry in text that [Parse] takes.
func valueRange(text []byte, e entry) (from, to int) {
	from = offset(text, e.at)
	from += bytes.IndexByte(text[from:], '=') + 1 // of our keys none has to be quoted
	from += len(text[from:]) - len(bytes.TrimLeft(text[from:], " \t"))
	switch e.value.kind {
	case kindBool:
		return from, from + len(strconv.FormatBool(e.value.yes))
	case kindList:
		to = from + 1
		if n := len(e.value.items); n > 0 {
			to = e.value.items[n-1].end
		}
		for text[to] != ']' { // comments may come before it
			if text[to] == '#' {
				to = lineEnd(text, to)
			} else {
				to++
			}
		}
		return from, to + 1
	}
	return from, e.value.end
}

// write is the content of config.toml for c, where text is what there is; nil
// if there is nothing. It loses no setting silently.
func write(text []byte, c Config) []byte {
	if text != nil {
		if edited, ok := overwrite(text, c); ok {
			return edited
		}
	}
	return marshal(c)
}
