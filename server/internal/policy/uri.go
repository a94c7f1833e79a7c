package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A rule for resources compares text, and a server opens what its URI parser
// makes of the text. So where a rule limits resources, only such URIs are let
// through as every parser reads alike: RFC 3986 to the letter, without anything
// that is resolved, dropped or repaired on the way to a file. WHATWG parsers
// (new URL) drop tabs and line breaks before they resolve "..", and turn "\"
// into "/"; many decoders give up on one malformed escape, others step over it.

// unambiguous reports whether every parser reads uri alike.
func unambiguous(uri string) bool { return strict(uri) && !climbs(uri) }

// unambiguousTemplate is unambiguous for a URI template (RFC 6570): its expressions stand for
// what is checked once it is there.
func unambiguousTemplate(template string) bool {
	var b strings.Builder
	for {
		literal, rest, found := strings.Cut(template, "{")
		b.WriteString(literal)
		if !found {
			return unambiguous(b.String())
		}
		expression, after, closed := strings.Cut(rest, "}")
		if !closed || expression == "" {
			return false
		}
		template = after
		if !strings.ContainsAny(expression[:1], "/?&#.;") { // those bring their own separators
			b.WriteByte('x')
		}
	}
}

// strict reports whether s is a URI of RFC 3986 (§3, "Syntax Components").
func strict(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || !isAlpha(scheme[0]) || strings.ContainsFunc(scheme, func(r rune) bool {
		return r >= utf8.RuneSelf || !isAlpha(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("+-.", r)
	}) {
		return false
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	if !made(fragment, ":@/?") || !made(query, ":@/?") {
		return false
	}
	after, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return made(rest, ":@/")
	}
	authority, path, _ := strings.Cut(after, "/")
	return strictAuthority(authority) && made(path, ":@/")
}

// strictAuthority is RFC 3986 §3.2.
func strictAuthority(s string) bool {
	if user, host, ok := strings.Cut(s, "@"); ok {
		if !made(user, ":") {
			return false
		}
		s = host
	}
	host, port := s, ""
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, port, ok = strings.Cut(inner, "]"); !ok || inner == "" || strings.Contains(inner, "%") || !made(inner, ":") {
			return false
		}
		host = ""
		if port != "" && port[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		host, port, _ = strings.Cut(s, ":")
	}
	return made(host, "") && !strings.ContainsFunc(port, func(r rune) bool { return r < '0' || r > '9' })
}

// made reports whether s consists of unreserved characters, sub-delims, whole
// escapes and the characters of also (RFC 3986 §2).
func made(s, also string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isAlpha(c), isDigit(c), strings.IndexByte("-._~!$&'()*+,;=", c) >= 0, strings.IndexByte(also, c) >= 0:
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

// maxDecodings is how often a server may decode what it was sent. A URI with
// more escapes of escapes than that has no honest use.
const maxDecodings = 8

// climbs reports whether a URI, or a part of one, has a segment "." or ".."
// (RFC 3986 §5.2.4), or what some decoder takes for one, however often it is
// decoded.
func climbs(s string) bool {
	for range maxDecodings {
		if !utf8.ValidString(s) { // %c0%ae is a dot to careless decoders
			return true
		}
		plain := strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, s)
		segments := strings.FieldsFunc(plain, func(r rune) bool { return strings.ContainsRune(`/\?#;`, r) }) // servlets cut a segment at ";"
		if slices.ContainsFunc(segments, func(segment string) bool {
			segment = strings.TrimSpace(segment) // Windows takes ".. " for ".."
			return segment == "." || segment == ".."
		}) {
			return true
		}
		decoded := decode(s)
		if decoded == s {
			return false
		}
		s = decoded
	}
	return true
}

// decode replaces the escapes of s that are whole, once, and leaves the others.
func decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
