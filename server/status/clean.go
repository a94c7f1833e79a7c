package status

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean makes s, which an outsider may have chosen, fit to be stored and shown
// in one line: valid UTF-8, at most max runes, without control characters
// (escape sequences), format characters (bidi overrides, zero-width ones),
// line separators and private use. White space becomes a space.
func Clean(s string, max int) string {
	if plain(s) && len(s) <= max {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || unicode.In(r, unicode.Zl, unicode.Zp):
			r = ' '
		case Unprintable(r):
			continue
		}
		if n == max-1 && max > 1 && utf8.RuneCountInString(s) > max {
			r = '…'
		}
		if n++; n > max {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// CleanLines is [Clean] for a text of several lines, such as indented JSON: line
// feeds and spaces stay, max runes in all. If it cuts anything away, the last of
// them is "…".
func CleanLines(s string, max int) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(s) {
		body, feed := strings.CutSuffix(line, "\n")
		text := body[:len(body)-len(strings.TrimLeft(body, " "))]
		text += Clean(body[len(text):], len(body)+1)
		if feed {
			text += "\n"
		}
		b.WriteString(text)
		if n += utf8.RuneCountInString(text); n > max {
			return string([]rune(b.String())[:max-1]) + "…"
		}
	}
	return b.String()
}

// Capital begins a text as a sentence does, unless it begins with a name that
// has no capital: an address, a file, a parameter, ngrok.
func Capital(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz'’") != "" || strings.HasPrefix(word, "ngrok") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// FullStop ends a text that may have one already, such as an error's after a
// colon.
func FullStop(s string) string { return strings.TrimSuffix(s, ".") + "." }

// Spell is s with all that a person would not see, or would take for something
// else, written out as JSON escapes: what [Unprintable] reports (but for line
// feeds), letters without ink, spaces that are none, variation selectors and the
// tops of towers of combining marks. Nothing is left out or cut, so that what is
// consented to can be shown whole.
func Spell(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for _, r := range s {
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		if r == '\n' || marks <= 2 && !hides(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func hides(r rune) bool {
	switch {
	case Unprintable(r), r != ' ' && unicode.IsSpace(r):
		return true
	case r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0', r == '\u2800': // letters without ink
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r) && r != '\ufe0e' && r != '\ufe0f' // those two are of emoji
}

// Unprintable reports whether r moves a cursor, reorders text, breaks a line
// or shows nothing, so that text holding it can look like something else.
func Unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

// plain reports whether s is printable ASCII: nearly always, and cheap to see.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
