package rpc

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math/bits"
	"strings"
)

// Messages pass through Drawbridge as they stand, so JSON is read and changed
// here without decoding it into types that would lose what they don't know.
// Names are compared byte for byte: encoding/json would take "Name" for name,
// and the server behind would not.

// Members yields the members of a JSON object in order, each name without its
// quotes and escapes. The object must be valid JSON; anything else yields
// nothing, or stops early. A value may be kept, and appending to it is safe.
func Members(object json.RawMessage) iter.Seq2[[]byte, json.RawMessage] {
	return func(yield func([]byte, json.RawMessage) bool) {
		walk(object, func(name []byte, _, start, end int) bool {
			return yield(name, object[start:end:end])
		})
	}
}

// Get returns a member of a JSON object; nil if there is none. Of several the
// last counts, as with most decoders.
func Get(object json.RawMessage, name string) json.RawMessage {
	start, end := find(object, name)
	if end == 0 {
		return nil
	}
	return object[start:end:end]
}

// Set returns a JSON object with one member replaced, or added in front, and
// every other byte as it was. What is no object becomes one.
func Set(object json.RawMessage, name string, value json.RawMessage) json.RawMessage {
	if start, end := find(object, name); end != 0 {
		out := make([]byte, 0, len(object)-(end-start)+len(value))
		out = append(append(out, object[:start]...), value...)
		return append(out, object[end:]...)
	}
	key := Quote(name)
	out := make([]byte, 0, len(object)+len(key)+len(value)+3)
	out = append(append(append(append(out, '{'), key...), ':'), value...)
	first := skipSpace(object, 0)
	if first >= len(object) || object[first] != '{' {
		return append(out, '}')
	}
	if next := skipSpace(object, first+1); next < len(object) && object[next] != '}' {
		out = append(out, ',')
	}
	return append(out, object[first+1:]...)
}

// Given returns value, or nil if it is null.
func Given(value json.RawMessage) json.RawMessage {
	if string(value) == "null" {
		return nil
	}
	return value
}

// DropNulls returns a JSON object without the members that are null, and every
// other one as it was.
func DropNulls(object json.RawMessage) json.RawMessage {
	if !bytes.Contains(object, []byte("null")) {
		return object
	}
	return Drop(object, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
}

// Drop returns a JSON object without the members that which names, and every
// other one as it was.
func Drop(object json.RawMessage, which func(name string, value json.RawMessage) bool) json.RawMessage {
	kept, dropped := append(make([]byte, 0, len(object)), '{'), false
	walk(object, func(name []byte, at, start, end int) bool {
		if which(string(name), object[start:end]) {
			dropped = true
			return true
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(kept, object[at:end]...)
		return true
	})
	if !dropped {
		return object
	}
	return append(kept, '}')
}

// Quote writes text as a JSON string, without the escapes for HTML that
// json.Marshal adds.
func Quote(text string) json.RawMessage {
	if strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) < 0 {
		return json.RawMessage(`"` + text + `"`)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes
	return bytes.TrimRight(b.Bytes(), "\n")
}

// String returns what a JSON string holds, and whether value is one.
func String(value json.RawMessage) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	text, ok := unquote(value)
	return string(text), ok
}

// IsObject reports whether valid JSON is an object.
func IsObject(value json.RawMessage) bool {
	i := skipSpace(value, 0)
	return i < len(value) && value[i] == '{'
}

// OneLine returns valid JSON without line breaks, which can only be spaces
// between its parts. Both event streams and stdio end a message with one.
func OneLine(value json.RawMessage) json.RawMessage {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	out := bytes.Clone(value)
	for i, c := range out {
		if c == '\n' || c == '\r' {
			out[i] = ' '
		}
	}
	return out
}

func find(object []byte, name string) (start, end int) {
	walk(object, func(n []byte, _, s, e int) bool {
		if string(n) == name {
			start, end = s, e
		}
		return true
	})
	return start, end
}

// walk calls visit with each member's name, and the places where that and the
// value begin, and where the member ends.
func walk(object []byte, visit func(name []byte, at, start, end int) bool) {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return
	}
	for {
		at := skipSpace(object, i+1)
		if at >= len(object) || object[at] != '"' {
			return
		}
		end := skipString(object, at)
		name, ok := unquote(object[at:end])
		if i = skipSpace(object, end); !ok || i >= len(object) || object[i] != ':' {
			return
		}
		start := skipSpace(object, i+1)
		if end = skipValue(object, start); end == start || !visit(name, at, start, end) {
			return
		}
		if i = skipSpace(object, end); i >= len(object) || object[i] != ',' {
			return
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		i += plain(b[i:])
		switch {
		case i >= len(b):
			return len(b)
		case b[i] == '"':
			return i + 1
		case b[i] == '\\':
			i++
		}
	}
	return len(b)
}

// plain is how many bytes at the start of b are neither quote nor backslash nor
// control character. It looks at eight at once: results of megabytes are one text.
func plain(b []byte) (n int) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; n+8 <= len(b); n += 8 {
		word := binary.LittleEndian.Uint64(b[n:])
		quote, slash := word^('"'*ones), word^('\\'*ones)
		// Of (word - k*ones) &^ word, the first top bit that is set is that of the
		// first byte below k.
		found := ((word-' '*ones)&^word | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}

// skipValue returns where the value that begins at i ends. It needs no stack
// however deep the value nests.
func skipValue(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ' ', '\n', '\t', '\r', ':':
			if depth == 0 {
				return i
			}
			continue
		default: // a number or a word
			if depth == 0 {
				return i + lengthOfWord(b[i:])
			}
			continue
		}
		if depth == 0 {
			return min(i+1, len(b))
		}
	}
	return len(b)
}

// lengthOfWord is how long a number, true, false or null at the start of b is.
func lengthOfWord(b []byte) int {
	for i, c := range b {
		switch c {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return len(b)
}

func unquote(quoted []byte) ([]byte, bool) {
	if len(quoted) < 2 || quoted[len(quoted)-1] != '"' {
		return nil, false
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return []byte(text), err == nil
}

// Depth is how deep lists and objects stand in each other, in whatever claims to
// be JSON. It decodes nothing: each level costs a decoder a stack frame.
func Depth(value []byte) (deepest int) {
	depth := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '"':
			i = skipString(value, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// Doubled reports whether an object anywhere in valid JSON has a member twice:
// of two readers each may take another one.
func Doubled(value json.RawMessage) bool {
	var open []map[string]bool // the members so far of the objects around, nil for a list
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '{':
			open = append(open, map[string]bool{})
		case '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:max(0, len(open)-1)]
		case '"':
			end := skipString(value, i)
			if next := skipSpace(value, end); next < len(value) && value[next] == ':' && len(open) > 0 {
				name, _ := unquote(value[i:end])
				in := open[len(open)-1]
				if in == nil || in[string(name)] {
					return true
				}
				in[string(name)] = true
			}
			i = end - 1
		}
	}
	return false
}
