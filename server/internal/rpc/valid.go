package rpc

import "encoding/json"

// maxNesting is how deep a value may nest, as in encoding/json.
const maxNesting = 10_000

// Valid is [json.Valid], three to nine times as fast on a long text: results of
// megabytes are one string. It accepts the same bytes.
func Valid(b []byte) bool {
	end, ok := validValue(b, skipSpace(b, 0), 0)
	return ok && skipSpace(b, end) == len(b)
}

// ValidObject is Valid for an object, whose members it visits in the same walk, as
// [Members] yields them. What was visited counts only if it returns true.
func ValidObject(b []byte, visit func(name []byte, value json.RawMessage)) bool {
	if !IsObject(b) {
		return false
	}
	end, ok := validMembers(b, skipSpace(b, 0), 1, visit)
	return ok && skipSpace(b, end) == len(b)
}

func validValue(b []byte, i, depth int) (end int, ok bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"':
		return validString(b, i)
	case '{', '[':
		return validMembers(b, i, depth+1, nil)
	}
	end = i + lengthOfWord(b[i:])
	switch word := b[i:end]; string(word) {
	case "true", "false", "null":
		return end, true
	default:
		return end, json.Valid(word) // a number, or nothing
	}
}

// validMembers is validValue for an object or an array. visit gets the members of
// this object; nil: nobody wants them.
func validMembers(b []byte, i, depth int, visit func([]byte, json.RawMessage)) (end int, ok bool) {
	object, last := b[i] == '{', b[i]+2 // } and ] follow { and [ but one
	if depth > maxNesting {
		return i, false
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == last {
		return i + 1, true
	}
	for nameEnd := 0; ; {
		name := i
		if object {
			if i, ok = validString(b, i); !ok {
				return i, false
			}
			nameEnd = i
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return i, false
			}
			i = skipSpace(b, i+1)
		}
		start := i
		if i, ok = validValue(b, i, depth); !ok {
			return i, false
		}
		if visit != nil {
			text, _ := unquote(b[name:nameEnd])
			visit(text, b[start:i:i])
		}
		switch i = skipSpace(b, i); {
		case i >= len(b):
			return i, false
		case b[i] == last:
			return i + 1, true
		case b[i] != ',':
			return i, false
		}
		i = skipSpace(b, i+1)
	}
}

func validString(b []byte, i int) (end int, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return i, false
	}
	for i++; i < len(b); i++ {
		if i += plain(b[i:]); i >= len(b) {
			return i, false
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, true
		case c < ' ':
			return i, false
		case c == '\\':
			if i++; i >= len(b) {
				return i, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; i >= len(b) || !isHex(b[i]) {
						return i, false
					}
				}
			default:
				return i, false
			}
		}
	}
	return i, false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
