package policy

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A rule for resources compares text, and a server opens what its URI parser
// makes of the text. So where a rule limits resources, only such URIs are let
// through as every parser reads alike: RFC 3986 to the letter, without anything
// that is resolved, dropped or repaired on the way to a file. WHATWG parsers
// (new URL) drop tabs and line breaks before they resolve "..", and turn "\"
// into "/"; many decoders give up on one malformed escape, others step over it.

// unambiguous reports whether every parser reads uri alike.
func unambiguous(uri string) bool { return strict.MatchString(uri) && !climbs(uri) }

// unambiguousTemplate is unambiguous for a URI template (RFC 6570): its expressions
// stand for what is checked once it is there.
func unambiguousTemplate(template string) bool {
	return unambiguous(expression.ReplaceAllStringFunc(template, func(e string) string {
		if strings.ContainsAny(e[1:2], "/?&#.;") {
			return "" // it brings its own separator
		}
		return "x"
	}))
}

const (
	escape = `%[0-9A-Fa-f]{2}`
	name   = `[A-Za-z0-9\-._~!$&'()*+,;=]|` + escape // unreserved, sub-delims, pct-encoded
	pchar  = `(?:[:@]|` + name + `)`
)

var (
	// strict is RFC 3986, appendix A, without future kinds of IP literals.
	strict = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.\-]*:` +
		`(?://(?:(?:` + name + `|:)*@)?(?:\[[0-9A-Fa-f:.]+\]|(?:` + name + `)*)(?::[0-9]*)?(?:/` + pchar + `*)*` +
		`|/?(?:` + pchar + `+(?:/` + pchar + `*)*)?)` +
		`(?:\?(?:` + pchar + `|[/?])*)?(?:#(?:` + pchar + `|[/?])*)?$`)
	escapes    = regexp.MustCompile(escape)
	expression = regexp.MustCompile(`\{[^{}]+\}`)
)

// maxDecodings is how often a server may decode what it was sent. A URI with
// more escapes of escapes than that has no honest use.
const maxDecodings = 8

// climbs reports whether a URI, or a part of one, has a segment "." or ".."
// (RFC 3986 §5.2.4), or what some decoder takes for one, however often it is
// decoded. Control characters, which decoders drop or end at, count as well.
func climbs(s string) bool {
	for range maxDecodings {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) { // %c0%ae is a dot to careless decoders; a name ends at %00 for some
			return true
		}
		segments := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(`/\?#;`, r) }) // servlets cut a segment at ";"
		if slices.ContainsFunc(segments, func(segment string) bool {
			segment = strings.TrimSpace(segment) // Windows takes ".. " for ".."
			return segment == "." || segment == ".."
		}) {
			return true
		}
		decoded := escapes.ReplaceAllStringFunc(s, func(e string) string {
			b, _ := hex.DecodeString(e[1:])
			return string(b)
		})
		if decoded == s {
			return false
		}
		s = decoded
	}
	return true
}
