package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/term"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// screen is where commands print, and in which language. A terminal gets
// colours, and lines that fit it; a pipe or a file gets plain text, uncut.
type screen struct {
	io.Writer
	texts *assets.Texts
	now   func() time.Time
	width int // in columns; 0 for no terminal
	color bool
	err   error // of the first write that failed; callers look at the last
}

func newScreen(w io.Writer, texts *assets.Texts) *screen {
	s := &screen{Writer: w, texts: texts, now: time.Now}
	f, ok := w.(*os.File)
	if !ok {
		return s
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		s.width = max(width, 40)
		s.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && takesColor(f) // no-color.org
	}
	return s
}

// ink is how a text is shown: parameters of Select Graphic Rendition (ECMA-48
// §8.3.117).
type ink string

const (
	plain   ink = ""
	heading ink = "1"
	dim     ink = "2"
	bad     ink = "31"
	good    ink = "32"
	warning ink = "33"
)

func (s *screen) paint(text string, i ink) string {
	if !s.color || i == plain || text == "" {
		return text
	}
	return "\x1b[" + string(i) + "m" + text + "\x1b[0m"
}

// word is a word of the program's, such as ready or refused. Scripts find it in
// English as it is; other languages have theirs in the catalogue.
type word struct{ prefix, raw string }

func (s *screen) word(w word) string {
	if s.texts.Lang == "en" || !s.texts.Has(w.prefix+w.raw) {
		return w.raw
	}
	return s.texts.Say(w.prefix + w.raw)
}

func (w word) ink() ink {
	switch w.raw {
	case "ok", "ready", "up":
		return good
	case "error", "refused", "failed", "down", "unreachable", "misconfigured":
		return bad
	case "paused", "starting", "connecting":
		return warning
	}
	return plain
}

// translate is a sentence of the running instance in the screen's language, if
// it is known there.
func (s *screen) translate(text string) string { return assets.Translate(s.texts.Lang, text) }

// print prints text as one line that can't move the terminal's cursor: parts of
// it were chosen by clients.
func (s *screen) print(text string) error { return s.line(cell{text, plain}) }

// line prints cells beside each other. On a terminal the last one goes on below
// where it began.
func (s *screen) line(cells ...cell) error {
	var before strings.Builder
	at := 0
	for _, c := range cells[:len(cells)-1] {
		text := status.Clean(c.text, 4000)
		before.WriteString(s.paint(text, c.ink) + "  ")
		at += columns(text) + 2
	}
	last := cells[len(cells)-1]
	text := strings.TrimRight(status.Clean(last.text, 4000), " ")
	lines := []string{text}
	if s.width > 0 && columns(text) > s.width-at {
		if at > s.width-24 { // too little room beside it
			at = 4
			before.WriteString("\n" + strings.Repeat(" ", at))
		}
		lines = wrap(text, s.width-at)
	}
	for i, text := range lines {
		if i > 0 {
			before.WriteString("\n" + strings.Repeat(" ", at))
		}
		before.WriteString(s.paint(text, last.ink))
	}
	return s.write(strings.TrimRight(before.String(), " ") + "\n")
}

func (s *screen) write(text string) error {
	if _, err := io.WriteString(s.Writer, text); err != nil && s.err == nil {
		s.err = err
	}
	return s.err
}

// clock is a time of day, with its date where that is another.
func (s *screen) clock(t time.Time) string {
	t = t.Local()
	switch {
	case s.width == 0:
		return t.Format(time.DateTime)
	case t.Format(time.DateOnly) == s.now().Local().Format(time.DateOnly):
		return t.Format("15:04:05   ")
	}
	return t.Format("01-02 15:04")
}

// json prints v with every character that a terminal would act on or hide as \u
// escape; such can stand in strings only.
func (s *screen) json(v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range buf.String() {
		if r == '\n' || !status.Unprintable(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return s.write(out.String())
}

// relative says t as a person would: "2 min ago", "in 29 days".
func (s *screen) relative(t time.Time) string {
	if t.IsZero() {
		return s.texts.Say("time.never")
	}
	d, key := s.now().Sub(t), "cli.ago."
	if d < 0 {
		d, key = -d, "cli.in."
	}
	switch {
	case d < time.Minute:
		return s.texts.Say(key + "moment")
	case d < time.Hour:
		return s.texts.Say(key+"minutes", d/time.Minute)
	case d < 48*time.Hour:
		return s.texts.Say(key+"hours", d/time.Hour)
	}
	return s.texts.Say(key+"days", d/(24*time.Hour))
}
