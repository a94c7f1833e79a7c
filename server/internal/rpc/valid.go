package rpc

import "encoding/json"

// maxNesting is how deep a value may nest, as in encoding/json.
const maxNesting = 10_000

// Valid is [json.Valid], three times as fast on a long text (560 against 190 MB/s
// with go1.26): results of megabytes are one string. It accepts the same bytes.
func Valid(b []byte) bool {
	end, ok := validValue(b, skipSpace(b, 0), 0)
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
		return validMembers(b, i, depth+1)
	}
	end = i + lengthOfWord(b[i:])
	switch word := b[i:end]; string(word) {
	case "true", "false", "null":
		return end, true
	default:
		return end, json.Valid(word) // a number, or nothing
	}
}

// validMembers is validValue for an object or an array.
func validMembers(b []byte, i, depth int) (end int, ok bool) {
	object, last := b[i] == '{', b[i]+2 // } and ] follow { and [ but one
	if depth > maxNesting {
		return i, false
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == last {
		return i + 1, true
	}
	for {
		if object {
			if i, ok = validString(b, i); !ok {
				return i, false
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return i, false
			}
			i = skipSpace(b, i+1)
		}
		if i, ok = validValue(b, i, depth); !ok {
			return i, false
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
