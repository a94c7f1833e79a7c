package rpc

import (
	"encoding/json"
	"slices"
)

// Object is a JSON object as its members, in their order, each as it stands. A
// result of megabytes is looked into, changed and sent as one, without another
// walk through it, and without a copy. nil is no object.
type Object []Member

// Member is a member of an object.
type Member struct {
	Name  []byte          // without its quotes and escapes
	Value json.RawMessage // part of text
	text  []byte          // all that stands between two commas
}

// ObjectOf finds the members of valid JSON; nil if that is no object.
func ObjectOf(raw json.RawMessage) Object {
	if !IsObject(raw) {
		return nil
	}
	o, at := Object{}, skipSpace(raw, 0)+1
	walk(raw, func(name []byte, _, start, end int) bool {
		comma := skipSpace(raw, end)
		o = append(o, Member{name, raw[start:end:end], raw[at:comma:comma]})
		at = comma + 1
		return true
	})
	return o
}

// Get is [Get] of an object's members.
func (o Object) Get(name string) json.RawMessage {
	for _, m := range slices.Backward(o) {
		if string(m.Name) == name {
			return m.Value
		}
	}
	return nil
}

// With returns the object with one member replaced, or added in front.
func (o Object) With(name string, value json.RawMessage) Object {
	key := Quote(name)
	text := slices.Concat(key, []byte{':'}, value)
	m := Member{[]byte(name), text[len(key)+1:], text}
	for i := len(o) - 1; i >= 0; i-- {
		if string(o[i].Name) == name {
			o = slices.Clone(o)
			o[i] = m
			return o
		}
	}
	return slices.Insert(slices.Clip(o), 0, m)
}

// Without returns the object without the members that which names.
func (o Object) Without(which func(Member) bool) Object {
	return slices.DeleteFunc(slices.Clone(o), which)
}

// Length is how many bytes it takes, at most.
func (o Object) Length() int {
	n := 2
	for _, m := range o {
		n += len(m.text) + 1
	}
	return n
}

// longMember is from how many bytes on a copy of a member costs more than a write
// of its own.
const longMember = 16 << 10

// Between returns the object between two texts, in parts: what is long is not
// copied.
func (o Object) Between(before, after string) [][]byte {
	var parts [][]byte
	b := append(make([]byte, 0, len(before)+len(after)+min(o.Length(), longMember)), before...)
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		if len(m.text) < longMember {
			b = append(b, m.text...)
		} else {
			parts, b = append(parts, b, m.text), nil
		}
	}
	return append(parts, append(append(b, '}'), after...))
}

// Raw is the object as JSON.
func (o Object) Raw() json.RawMessage { return slices.Concat(o.Between("", "")...) }
