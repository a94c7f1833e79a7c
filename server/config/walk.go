package config

import (
	"errors"

	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where something stands in a file, both from 1.
type place struct{ line, column int }

// entry is one key with its value, or one table header.
type entry struct {
	path   []string // with the table's
	at     place
	header bool
	value  value
}

type kind int

const (
	kindOther kind = iota // fractions, dates: no key takes them
	kindText
	kindNumber // whole
	kindBool
	kindList
	kindTable  // a [header]
	kindTables // a [[header]]
)

type value struct {
	kind  kind
	at    place
	end   int // in bytes; of texts and numbers
	text  string
	yes   bool
	items []value // of a list
}

// walk returns the entries of a TOML document in order, up to the first
// syntax error. Inline tables and dotted keys look like any other.
func walk(data []byte) ([]entry, error) {
	w := walker{data: data}
	w.parser.Reset(data)
	for w.parser.NextExpression() {
		node := w.parser.Expression()
		switch node.Kind {
		case unstable.Table, unstable.ArrayTable:
			path, at := w.key(node, nil)
			w.table = path
			k := kindTable
			if node.Kind == unstable.ArrayTable {
				k = kindTables
			}
			w.entries = append(w.entries, entry{path: path, at: at, header: true, value: value{kind: k, at: at}})
		case unstable.KeyValue:
			w.keyValue(node, w.table)
		}
	}
	err := w.parser.Error()
	if len(w.entries) > maxEntries {
		return nil, errors.New("too many keys")
	}
	return w.entries, err
}

// maxEntries bounds the work of a hostile or mistaken file.
const maxEntries = 10_000

type walker struct {
	data    []byte
	parser  unstable.Parser
	table   []string
	entries []entry
}

func (w *walker) keyValue(node *unstable.Node, table []string) {
	path, at := w.key(node, table)
	if v := node.Value(); v.Kind == unstable.InlineTable {
		empty := true
		for it := v.Children(); it.Next(); empty = false {
			if it.Node().Kind == unstable.KeyValue {
				w.keyValue(it.Node(), path)
			}
		}
		if empty {
			w.entries = append(w.entries, entry{path: path, at: at, header: true, value: value{kind: kindTable, at: at}})
		}
		return
	}
	w.entries = append(w.entries, entry{path: path, at: at, value: w.value(node.Value(), at)})
}

// key returns the full path of a node's key and the place of its first part.
func (w *walker) key(node *unstable.Node, table []string) ([]string, place) {
	path := append([]string(nil), table...)
	var at place
	for it := node.Key(); it.Next(); {
		if at.line == 0 {
			at = w.place(it.Node())
		}
		path = append(path, string(it.Node().Data))
	}
	return path, at
}

// value reads one value; near stands in where the parser keeps no place.
func (w *walker) value(node *unstable.Node, near place) value {
	v := value{at: near, end: int(node.Raw.Offset + node.Raw.Length)}
	switch node.Kind {
	case unstable.String:
		v.kind, v.text, v.at = kindText, string(node.Data), w.place(node)
	case unstable.Integer:
		v.kind, v.text = kindNumber, string(node.Data)
	case unstable.Bool:
		v.kind, v.yes = kindBool, string(node.Data) == "true"
	case unstable.Array:
		v.kind = kindList
		for it := node.Children(); it.Next(); {
			item := value{at: near} // lists in lists have no use here
			if it.Node().Kind == unstable.String {
				item = w.value(it.Node(), near)
			}
			v.items = append(v.items, item)
		}
	}
	return v
}

func (w *walker) place(node *unstable.Node) place { return lineOf(w.data, int(node.Raw.Offset)) }
