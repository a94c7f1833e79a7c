package assets

import (
	"fmt"
	"strings"
	"unicode"
)

// The most characters shown of a name and of a sentence. Longer ones end in
// "…": a name as long as a paragraph is there to be mistaken for our words.
const (
	maxName = 80
	maxText = 600
)

// plain makes text of strangers safe to read, on one line of at most max
// characters. Escaping is the template's work; this is against text that is
// harmless to a browser and misleads a person.
func plain(s string, max int) string {
	var b strings.Builder
	marks := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case marks > 3:
			// A tower of accents would cover the lines above. No script needs it.
		case unicode.IsSpace(r), unicode.IsControl(r), looksEmpty(r):
			b.WriteByte(' ')
		case r == '\u200C', r == '\u200D':
			b.WriteRune(r) // the joiners: Persian, Hindi and emoji are spelt with them
		case !unicode.IsPrint(r):
			b.WriteRune('\uFFFD') // bidi overrides, zero-width characters, private use
		default:
			b.WriteRune(r)
		}
	}
	runes := []rune(strings.Join(strings.Fields(b.String()), " "))
	if len(runes) > max {
		return string(runes[:max-1]) + "…"
	}
	return string(runes)
}

// looksEmpty reports letters and symbols that are drawn as nothing.
func looksEmpty(r rune) bool {
	return strings.ContainsRune("\u115F\u1160\u2800\u3164\uFFA0", r)
}

// address shows a host or URL in printable ASCII, every other byte as %XX. A
// letter of another alphabet can so never pass for the one it resembles. It
// shortens nothing: the end of a host is the part that matters.
func address(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7F {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
