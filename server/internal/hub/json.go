package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Objects are taken apart by exact key, and put together again before they are
// sent on: encoding/json matches struct fields whatever the case, so a second
// "Name" could be checked here and "name" be used there.

// object is a JSON object. Its values are valid JSON.
type object map[string]json.RawMessage

// fields takes an object apart. Absent is an empty one.
func fields(raw json.RawMessage) (object, error) {
	if len(raw) == 0 {
		return object{}, nil
	}
	if !rpc.Valid(raw) || !rpc.IsObject(raw) {
		return nil, errors.New("this is no object")
	}
	o := object{}
	for name, value := range rpc.Members(raw) {
		o[string(name)] = value
	}
	return o, nil
}

// encode puts an object together, its values byte for byte.
func encode(o object) json.RawMessage {
	keys := make([]string, 0, len(o))
	size := 2
	for k, v := range o {
		keys = append(keys, k)
		size += len(k) + len(v) + 4
	}
	slices.Sort(keys)
	b := make([]byte, 0, size)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quote(k)...)
		b = append(b, ':')
		b = append(b, o[k]...)
	}
	return append(b, '}')
}

func quote(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimRight(b.Bytes(), "\n")
}

// text returns the string of a field, and whether it is one.
func (o object) text(key string) (string, bool) {
	var s *string
	if json.Unmarshal(o[key], &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// has reports whether raw says something else than null.
func has(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// depth is how deeply arrays and objects are nested in raw, which is valid.
func depth(raw []byte) int {
	deepest, now := 0, 0
	inString := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
