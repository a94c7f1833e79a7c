package status

import (
	"strings"
	"unicode"
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
// feeds and spaces stay, max runes in all.
func CleanLines(s string, max int) string {
	var b strings.Builder
	first := true
	for line := range strings.SplitSeq(s, "\n") {
		if max < 1 {
			break
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if indent >= max {
			indent = 0
		}
		line = line[:indent] + Clean(line[indent:], max-indent)
		if !first {
			b.WriteByte('\n')
		}
		first = false
		b.WriteString(line)
		max -= utf8.RuneCountInString(line) + 1
	}
	return b.String()
}

// Sentence makes an error's text a sentence: it begins with a capital, unless
// with a name that has none (an address, a file, a parameter, ngrok), and ends
// with a full stop.
func Sentence(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz'’-,") == "" && word != "" && word != "ngrok" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return FullStop(s)
}

// FullStop ends a text that may have one already, such as an error's after a
// colon.
func FullStop(s string) string { return strings.TrimSuffix(s, ".") + "." }

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
