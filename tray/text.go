package tray

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// clientName is what a program calls itself, kept from passing for our words.
func clientName(s string) string {
	if s = field(s, 24); s == "" {
		return "unnamed program"
	}
	return s
}

// field is a text that an outsider chose, as one part of a row: one line, at
// most max characters, without the dots that part rows or marks that begin
// them, and without towers of combining marks.
func field(s string, max int) string {
	marks := 0
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			if marks++; marks > 2 {
				return -1
			}
			return r
		}
		marks = 0
		switch r {
		case '·', '•', '∙', '⋅', '・', '●', '○', '◐', '▲', '✕', '‖', '…':
			return ' '
		}
		if unicode.IsSpace(r) || blank(r) {
			return ' '
		}
		return r
	}, status.Clean(s, 4*max))
	return status.Clean(strings.Join(strings.Fields(s), " "), max)
}

// blank reports whether r is a letter without ink.
func blank(r rune) bool {
	return r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' || r == '\u2800'
}

// label fits a text into one row.
func label(s string) string { return status.Clean(s, labelWidth) }

// wrap breaks a sentence into at most n lines of width characters.
func wrap(s string, width, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(status.Clean(s, 400)) {
		word = status.Clean(word, width)
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	if len(lines) > n {
		lines = lines[:n]
		lines[n-1] = strings.TrimRight(status.Clean(lines[n-1], width-1), "…") + "…"
	}
	if len(lines) > 0 {
		lines[0] = status.Capital(lines[0])
	}
	return lines
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// age says how long ago t was.
func age(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	case d < 48*time.Hour:
		return "yesterday"
	default:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	}
}

// clock says when t was: the time today, else the day too.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	}
	if t.Year() == now.Year() || t.After(now) && t.Sub(now) < 300*24*time.Hour {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006")
}
