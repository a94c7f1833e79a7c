package config

import (
	"bytes"
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// entry is one key with its value, or one table header.
type entry struct {
	path     []string // with the table's
	at       int      // where it begins, in bytes
	header   bool
	value    value
	from, to int // of the value as written; of a header both are at
}

// value is a text, a number, a switch or a list; of a header, what its brackets
// say. No key takes the other kinds, such as fractions and dates.
type value struct {
	kind  unstable.Kind
	at    int
	text  string  // what a text says; else as written
	items []value // of a list
}

// maxEntries bounds the work of a hostile or mistaken file.
const maxEntries = 10_000

// walk returns the entries of a TOML document in order, up to the first
// syntax error. Inline tables and dotted keys look like any other.
func walk(data []byte) (entries []entry, err error) {
	var parser unstable.Parser
	var table []string
	parser.Reset(data)
	for parser.NextExpression() {
		switch node := parser.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			entries = append(entries, headerOf(node.Kind, entryAt(node, nil)))
			table = entries[len(entries)-1].path
		case unstable.KeyValue:
			entries = append(entries, keyValues(data, node, table)...)
		}
	}
	if len(entries) > maxEntries {
		return nil, errors.New("too many keys")
	}
	return entries, parser.Error()
}

// entryAt is the entry of a node's key; its value begins behind from.
func entryAt(node *unstable.Node, table []string) entry {
	e := entry{path: slices.Clone(table)}
	for it := node.Key(); it.Next(); {
		part := it.Node()
		if len(e.path) == len(table) {
			e.at = int(part.Raw.Offset)
		}
		e.path = append(e.path, string(part.Data))
		e.from = int(part.Raw.Offset + part.Raw.Length)
	}
	return e
}

func headerOf(kind unstable.Kind, e entry) entry {
	return entry{path: e.path, at: e.at, header: true, value: value{kind: kind, at: e.at}, from: e.at, to: e.at}
}

// keyValues is one entry, or those of an inline table.
func keyValues(data []byte, node *unstable.Node, table []string) (entries []entry) {
	e := entryAt(node, table)
	v := node.Value()
	if v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				entries = append(entries, keyValues(data, it.Node(), e.path)...)
			}
		}
		if len(entries) == 0 {
			entries = append(entries, headerOf(unstable.Table, e))
		}
		return entries
	}
	e.from += bytes.IndexByte(data[e.from:], '=') + 1
	e.to = int(node.Raw.Offset + node.Raw.Length)
	e.from = e.to - len(bytes.TrimLeft(data[e.from:e.to], " \t"))
	e.value = value{kind: v.Kind, at: e.from, text: string(v.Data)}
	for it := v.Children(); v.Kind == unstable.Array && it.Next(); {
		item := value{kind: it.Node().Kind, at: e.from, text: string(it.Node().Data)}
		if item.kind == unstable.String {
			item.at = int(it.Node().Raw.Offset)
		}
		e.value.items = append(e.value.items, item)
	}
	return []entry{e}
}
