package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// printTable prints rows in columns, cells cut to width runes.
func printTable(w io.Writer, rows [][]string, width int) error {
	widths := make(map[int]int)
	for _, row := range rows {
		for i := range row {
			row[i] = status.Clean(row[i], width)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		if err := printLine(w, line.String()); err != nil {
			return err
		}
	}
	return nil
}

// printLine prints s as one line that can't move the terminal's cursor: parts
// of it were chosen by clients.
func printLine(w io.Writer, s string) error {
	_, err := fmt.Fprintln(w, strings.TrimRight(status.Clean(s, 4000), " "))
	return err
}

// printJSON prints v with every character that a terminal would act on or hide
// as \u escape; such can stand in strings only.
func printJSON(w io.Writer, v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range buf.String() {
		switch {
		case r == '\n' || !status.Unprintable(r):
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// relative says t as a person would: "2 min ago", "in 29 days".
func relative(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	form := "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	switch {
	case d < time.Minute:
		if form == "in %s" {
			return "within a minute"
		}
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf(form, fmt.Sprintf("%d min", d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf(form, fmt.Sprintf("%d h", d/time.Hour))
	}
	return fmt.Sprintf(form, fmt.Sprintf("%d days", d/(24*time.Hour)))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// join puts commas between the parts that say something.
func join(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, ", ")
}
