package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// node is a value of a JSON text and where it stands there, so that an error
// can name its line.
type node struct {
	kind    hujson.Kind
	start   int      // byte offset of the value
	text    string   // of a string, decoded; of another literal, as written
	items   []*node  // of a list
	members []member // of an object, in order
}

type member struct {
	name  string
	at    int // byte offset of the name's quote
	value *node
}

const (
	jsonNull   hujson.Kind = 'n'
	jsonFalse  hujson.Kind = 'f'
	jsonTrue   hujson.Kind = 't'
	jsonString hujson.Kind = '"'
	jsonNumber hujson.Kind = '0'
	jsonObject hujson.Kind = '{'
	jsonList   hujson.Kind = '['
)

// member returns the value of name, or nil.
func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// syntaxError is where a text stops being JSON.
type syntaxError struct {
	at  place
	msg string
}

// maxDepth bounds how deep lists and objects stand in each other.
const maxDepth = 64

// parseJSON reads one JSON value (RFC 8259). As VS Code and others do, it
// takes comments, and a comma after the last member.
func parseJSON(data []byte) (*node, *syntaxError) {
	root, err := parseTree(data)
	if err != nil {
		return nil, err
	}
	n := nodeOf(root, 0)
	if n == nil {
		return nil, tooDeep
	}
	return n, nil
}

var tooDeep = &syntaxError{place{1, 1}, fmt.Sprintf("lists and objects stand more than %d deep in each other", maxDepth)}

// parseTree is data as a tree that knows each byte, and a line feed behind it,
// without which the library takes no comment at the end.
func parseTree(data []byte) (hujson.Value, *syntaxError) {
	if !utf8.Valid(data) {
		return hujson.Value{}, &syntaxError{place{1, 1}, "it is not UTF-8"}
	}
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{"))-bytes.Count(data, []byte("]"))-bytes.Count(data, []byte("}")) > 10_000 {
		return hujson.Value{}, tooDeep // the library's stack knows no bound
	}
	root, err := hujson.Parse(append(bytes.Clone(data), '\n'))
	if err == nil {
		return root, nil
	}
	var at place
	_, _ = fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &at.line, &at.column)
	at.line = min(at.line, 1+bytes.Count(data, []byte("\n")))
	return root, &syntaxError{at, syntaxWords(err.Error())}
}

// syntaxWords says an error of the library without the words of the text, among
// which there may be a secret.
func syntaxWords(theirs string) string {
	if _, literal, ok := strings.Cut(theirs, "invalid literal: "); ok {
		switch {
		case !strings.HasPrefix(literal, `"`):
			return `this is no value: texts stand in "quotes"`
		case strings.Contains(literal, `\`):
			return `a text holds a \ that begins no character: write \\ for one \`
		}
		return "a text is not closed with a quote in its line"
	}
	for _, w := range [][2]string{
		{"after top-level value", "something follows the last }"},
		{"parsing comment", "a comment is not closed with */"},
		{"parsing string", "a text is not closed with a quote"},
		{"unexpected EOF", "the text ends too early"},
		{"after object value", "a comma or } must come here"},
		{"after array value", "a comma or ] must come here"},
		{"start of object name", `a name in "quotes" must come here, or }`},
		{"after object name", "a : must come here, after the name"},
	} {
		if strings.HasSuffix(theirs, w[0]) || strings.Contains(theirs, w[0]+":") || strings.Contains(theirs, w[0]+" (") {
			return w[1]
		}
	}
	return `this is no value: texts stand in "quotes"`
}

// nodeOf returns nil for what stands too deep.
func nodeOf(v hujson.Value, depth int) *node {
	if depth > maxDepth {
		return nil
	}
	n := &node{kind: v.Value.Kind(), start: v.StartOffset}
	switch v := v.Value.(type) {
	case *hujson.Object:
		for _, m := range v.Members {
			value := nodeOf(m.Value, depth+1)
			if value == nil {
				return nil
			}
			n.members = append(n.members, member{nameOf(m), m.Name.StartOffset, value})
		}
	case *hujson.Array:
		for _, item := range v.Elements {
			value := nodeOf(item, depth+1)
			if value == nil {
				return nil
			}
			n.items = append(n.items, value)
		}
	case hujson.Literal:
		n.text = v.String() // decodes a text, and leaves the rest as written
	}
	return n
}

func nameOf(m hujson.ObjectMember) string { return m.Name.Value.(hujson.Literal).String() }
