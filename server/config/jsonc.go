package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// node is a value of a JSON text and where it stands there, so that an error
// can name its line and an edit can leave everything around it alone.
type node struct {
	kind       jsonKind
	start, end int    // byte offsets of the value
	text       string // of a string, decoded; of a number, as written
	yes        bool
	items      []*node  // of a list
	members    []member // of an object, in order
}

type member struct {
	name  string
	at    int // byte offset of the name's quote
	value *node
}

type jsonKind int

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonList
	jsonObject
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
	at  int
	msg string
}

// maxDepth bounds how deep lists and objects stand in each other.
const maxDepth = 64

// parseJSON reads one JSON value (RFC 8259). As VS Code and others do, it
// takes comments, a comma after the last member, and a byte order mark.
func parseJSON(data []byte) (*node, *syntaxError) {
	if !utf8.Valid(data) {
		return nil, &syntaxError{0, "it is not UTF-8"}
	}
	p := &jsonParser{data: string(data)}
	p.i = len(p.data) - len(strings.TrimPrefix(p.data, "\ufeff"))
	n, err := p.value(0)
	if err == nil {
		err = p.space()
	}
	if err == nil && p.i < len(p.data) {
		err = p.fail("something follows the last }")
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

type jsonParser struct {
	data string
	i    int
}

func (p *jsonParser) fail(format string, args ...any) *syntaxError {
	return &syntaxError{p.i, fmt.Sprintf(format, args...)}
}

// space skips white space and comments.
func (p *jsonParser) space() *syntaxError {
	for p.i < len(p.data) {
		rest := p.data[p.i:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			p.i++
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			p.i += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return p.fail("a comment is not closed with */")
			}
			p.i += n + 4
		default:
			return nil
		}
	}
	return nil
}

// next skips space and returns the byte that comes, or 0 at the end.
func (p *jsonParser) next() (byte, *syntaxError) {
	if err := p.space(); err != nil || p.i == len(p.data) {
		return 0, err
	}
	return p.data[p.i], nil
}

func (p *jsonParser) value(depth int) (*node, *syntaxError) {
	c, err := p.next()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, p.fail("lists and objects stand more than %d deep in each other", maxDepth)
	}
	n := &node{start: p.i}
	switch {
	case c == '{':
		err = p.object(n, depth)
	case c == '[':
		err = p.list(n, depth)
	case c == '"':
		n.kind = jsonString
		n.text, err = p.string()
	case c == 0 && p.i == len(p.data):
		return nil, p.fail("the text ends too early")
	default:
		err = p.word(n)
	}
	n.end = p.i
	return n, err
}

func (p *jsonParser) object(n *node, depth int) *syntaxError {
	n.kind = jsonObject
	return p.each('}', func(c byte) (err *syntaxError) {
		if c != '"' {
			return p.fail(`a name in "quotes" must come here, or }`)
		}
		m := member{at: p.i}
		if m.name, err = p.string(); err != nil {
			return err
		}
		if c, err = p.next(); err != nil {
			return err
		}
		if c != ':' {
			return p.fail("a : must come here, after the name")
		}
		p.i++
		m.value, err = p.value(depth + 1)
		n.members = append(n.members, m)
		return err
	})
}

func (p *jsonParser) list(n *node, depth int) *syntaxError {
	n.kind = jsonList
	return p.each(']', func(byte) *syntaxError {
		item, err := p.value(depth + 1)
		n.items = append(n.items, item)
		return err
	})
}

// each passes a bracket and what follows it up to end. Each item, told its first
// byte, is read by item; behind the last there may be a comma.
func (p *jsonParser) each(end byte, item func(byte) *syntaxError) *syntaxError {
	p.i++
	for {
		c, err := p.next()
		if err != nil {
			return err
		}
		if c == end {
			p.i++
			return nil
		}
		if err := item(c); err != nil {
			return err
		}
		switch c, err = p.next(); {
		case err != nil:
			return err
		case c == ',':
			p.i++
		case c != end:
			return p.fail("a comma or %c must come here", end)
		}
	}
}

func (p *jsonParser) string() (string, *syntaxError) {
	start := p.i
	for i := start + 1; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '\\':
			i++
		case c < ' ':
			return "", p.fail("a text is not closed with a quote in its line")
		case c == '"':
			p.i = i + 1
			var s string
			if json.Unmarshal([]byte(p.data[start:p.i]), &s) != nil {
				p.i = start
				return "", p.fail(`a text holds a \ that begins no character: write \\ for one \`)
			}
			return s, nil
		}
	}
	return "", p.fail("a text is not closed with a quote")
}

// word reads true, false, null or a number.
func (p *jsonParser) word(n *node) *syntaxError {
	rest := p.data[p.i:]
	end := strings.IndexAny(rest, " \t\r\n,:]}/\"[{")
	if end < 0 {
		end = len(rest)
	}
	word := rest[:end]
	switch word {
	case "null":
	case "true", "false":
		n.kind, n.yes = jsonBool, word == "true"
	default:
		if word == "" || (word[0] != '-' && (word[0] < '0' || word[0] > '9')) || !json.Valid([]byte(word)) {
			return p.fail("this is no value: texts stand in \"quotes\"")
		}
		n.kind, n.text = jsonNumber, word
	}
	p.i += end
	return nil
}

// lineOf returns the line and column of an offset, from 1.
func lineOf(data []byte, offset int) place {
	before := string(data[:min(offset, len(data))])
	return place{1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')}
}
