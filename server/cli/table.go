package cli

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/drawbridge-app/drawbridge/server/status"
)

type cell struct {
	text string
	ink  ink
}

// table is rows of columns.
type table struct {
	head []string // nil: none
	none string   // key of what is said where there are no rows; "": nothing
	rows [][]cell
	drop []int // columns that a narrow terminal does without, the first first
	most int   // characters of a cell; 0: 48
	wrap bool  // the last column goes on below instead of being cut
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

func (t *table) addTexts(texts ...string) {
	var row []cell
	for _, text := range texts {
		row = append(row, cell{text, plain})
	}
	t.add(row...)
}

// heads are the headings of columns.
func (s *screen) heads(keys ...string) (heads []string) {
	for _, key := range keys {
		heads = append(heads, s.texts.Say("cli.head."+key))
	}
	return heads
}

// table prints t, and makes it fit a terminal: by columns that are left out,
// then by cutting the widest.
func (s *screen) table(t table) error {
	if len(t.rows) == 0 {
		if t.none == "" {
			return nil
		}
		return s.print(s.texts.Say(t.none))
	}
	if t.head != nil {
		var head []cell
		for _, text := range t.head {
			head = append(head, cell{text, heading})
		}
		t.rows = slices.Insert(t.rows, 0, head)
	}
	if t.most == 0 {
		t.most = 48
	}
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i := range row {
			row[i].text = status.Clean(row[i].text, t.most)
			widths[i] = max(widths[i], columns(row[i].text)+2)
		}
	}
	shown := s.fit(widths, t)
	for _, row := range t.rows {
		var line []cell
		for i, c := range row {
			if !slices.Contains(shown, i) {
				continue
			}
			if last := i == shown[len(shown)-1]; !last || !t.wrap {
				c.text = cut(c.text, widths[i]-2)
				c.text += strings.Repeat(" ", widths[i]-2-columns(c.text))
			}
			line = append(line, c)
		}
		_ = s.line(line...)
	}
	return s.err
}

// fit makes widths fit, and returns which columns are shown.
func (s *screen) fit(widths []int, t table) (shown []int) {
	total := -2
	for i, w := range widths {
		shown, total = append(shown, i), total+w
	}
	if s.width == 0 || t.wrap {
		return shown
	}
	shrink := func(least int) {
		for total > s.width {
			widest := slices.MaxFunc(shown, func(a, b int) int { return widths[a] - widths[b] })
			if widths[widest] <= least {
				return
			}
			widths[widest]--
			total--
		}
	}
	shrink(26) // enough to know a name by
	for _, i := range t.drop {
		if total > s.width {
			total -= widths[i]
			shown = slices.DeleteFunc(shown, func(other int) bool { return other == i })
		}
	}
	shrink(3)
	return shown
}

// columns is how many columns of a terminal text takes (UAX #11).
func columns(text string) (n int) {
	for _, r := range text {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch k := width.LookupRune(r).Kind(); {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case k == width.EastAsianWide || k == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut is text in at most n columns.
func cut(text string, n int) string {
	if columns(text) <= n {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if n -= columnsOf(r); n < 1 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

// closers begin no line (JIS X 4051).
const closers = "、。」）・ー…,.!?:;)]”"

// wrap breaks text into lines of at most n columns: at spaces, and between wide
// characters.
func wrap(text string, n int) (lines []string) {
	for columns(text) > n {
		end, fits, used := 0, 0, 0 // where a line may end; how much fits in bytes
		before := ' '
		for i, r := range text {
			if i > 0 && (r == ' ' || (columnsOf(r) == 2 || columnsOf(before) == 2) && !strings.ContainsRune(closers, r)) {
				end = i
			}
			if used += columnsOf(r); used > n {
				break
			}
			fits, before = i+len(string(r)), r
		}
		if end == 0 {
			end = max(fits, 1)
		}
		lines = append(lines, strings.TrimRight(text[:end], " "))
		text = strings.TrimLeft(text[end:], " ")
	}
	return append(lines, text)
}

// join puts commas between the parts that say something.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
