package tray

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func asked(id string) status.Approval {
	return status.Approval{ID: id, User: "ana@example.com", Client: "Claude", Server: "files", Tool: "write_file", Arguments: "{\n  \"path\": \"/tmp/a\"\n}"}
}

// waiting has these calls wait for a word.
func (s *stage) waiting(ids ...string) {
	s.set(func(snap *status.Snapshot) {
		snap.Approvals = nil
		for _, id := range ids {
			snap.Approvals = append(snap.Approvals, asked(id))
		}
	})
	time.Sleep(pace)
	synctest.Wait()
}

// A call that waits is told at once, and no more once it waits no longer.
func TestAsk(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		s.waiting("a1")
		if len(s.look().notes) != 1 {
			t.Fatalf("told %q", s.titles())
		}
		n := s.look().notes[0]
		want := "ana@example.com with Claude asks for files: write_file\n{\n  \"path\": \"/tmp/a\"\n}"
		if n.Body != want || !n.Urgent || n.Page != "/approvals" || n.Name != "a1" || len(n.Buttons) != 2 ||
			n.Buttons[0] != (button{"Allow", action{kind: allowCall, id: "a1"}}) || n.Buttons[1] != (button{"Refuse", action{kind: refuseCall, id: "a1"}}) {
			t.Errorf("told %+v", n)
		}
		if !s.shows("1 call needs your approval…") {
			t.Errorf("the menu:\n%s", s.last())
		}
		s.press(n.Buttons[0].Does)
		s.waiting("a2", "a3")
		if !s.shows("2 calls need your approval…") || s.done() != "allow a1" {
			t.Errorf("the server was told %q, the menu:\n%s", s.done(), s.last())
		}
		s.press(n.Buttons[0].Does) // the note has not gone yet
		if s.done() != "allow a1" {
			t.Errorf("an answer to a call that is over: %q", s.done())
		}
		s.waiting("a3")
		s.waiting()
		if got := strings.Join(s.look().gone, " "); got != "a1 a2 a3" || s.shows("approval") || len(s.look().notes) != 3 {
			t.Errorf("withdrawn: %q, %d notes, the menu:\n%s", got, len(s.look().notes), s.last())
		}
	})
}

// Switched off, notes go and don't come, and the menu says it; switched on, the
// call that still waits is told.
func TestAskQuietly(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		s.waiting("a1")
		s.press(action{kind: toggleQuiet})
		s.waiting("a1", "a2")
		if got := s.look(); len(got.notes) != 1 || strings.Join(got.gone, " ") != "a1" || s.last().Tooltip != "Drawbridge: 2 calls need your approval…" {
			t.Errorf("%d notes, withdrawn %q, the menu:\n%s", len(got.notes), got.gone, s.last())
		}
		s.press(action{kind: toggleQuiet})
		if len(s.look().notes) != 3 {
			t.Errorf("switched on again: %s", s.titles())
		}
	})
}

// However many calls come and go, a few notes come a minute, and whoever waits
// in the end is told.
func TestAskStorm(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		var many []string
		for i := range 32 {
			many = append(many, fmt.Sprint("m", i))
		}
		s.waiting(many...)
		if got := s.titles(); got != "Calls need your approval" || s.look().notes[0].Page != "/approvals" {
			t.Fatalf("32 at once: %q", got)
		}
		s.waiting(many[:2]...)
		if n := s.look(); len(n.notes) != 3 || strings.Join(n.gone, " ") != manyName {
			t.Errorf("two are left: %s, withdrawn %q", s.titles(), n.gone)
		}
		before := len(s.look().notes)
		for i := range 120 { // for a minute
			s.waiting(fmt.Sprint("s", i))
			time.Sleep(pace)
		}
		if n := len(s.look().notes) - before; n > askBurst+3 {
			t.Errorf("120 calls a minute made %d notes", n)
		}
		s.waiting("last")
		time.Sleep(askPause + askAgain)
		synctest.Wait()
		if n := s.look().notes; n[len(n)-1].Name != "last" && n[len(n)-1].Name != manyName {
			t.Errorf("the last call was not told but %q", n[len(n)-1].Name)
		}
		s.waiting()
		if len(s.asker.told) != 0 {
			t.Errorf("notes left: %v", s.asker.told)
		}
	})
}

// What a note shows of hostile texts is bounded, and Allow stands only under
// the whole of what it allows.
func TestAskHostile(t *testing.T) {
	for name, c := range map[string]struct {
		arguments, shown string
		whole            bool
	}{
		"nothing":           {"{}", "", true},
		"a value":           {"{\n  \"a\": 1\n}", "{\n  \"a\": 1\n}", true},
		"a letter with ink": {`"ż·…"`, `"ż·…"`, true},
		"blanks":            {"\"a\u3164\u2800\u00a0b\"", `"a\u3164\u2800\u00a0b"`, true},
		"a tower":           {"\"z\u0301\u0301\u0301\u0301\"", "\"z\u0301\u0301" + `\u0301\u0301"`, true},
		"a gap":             {"\"a" + strings.Repeat(" ", 90) + "b\"", `"a …`, false},
		"an escape":         {"\"\x1b[2J\u202ex\"", `"\u001b[2J\u202ex"`, true},
		"nine lines":        {strings.Repeat("1\n", 8) + "1", strings.Repeat("1\n", 7) + "1", false},
		"eight lines":       {strings.Repeat("1\n", 7) + "1", strings.Repeat("1\n", 7) + "1", true},
		"a long line":       {strings.Repeat("x", 5000), strings.Repeat("x", maxArguments-1) + "…", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, whole := excerpt(c.arguments); got != c.shown || whole != c.whole {
				t.Errorf("shown %q, whole: %v", got, whole)
			}
		})
	}
	a := status.Approval{ID: "a1", User: hostile, Client: hostile, Server: hostile, Tool: strings.Repeat(hostile, 9), Arguments: strings.Repeat(hostile+"\n", 99)}
	n := asking(english, a)
	if n.Buttons[0].Label != "Read all" || n.Buttons[0].Does != (action{kind: openConsole, page: "/approvals"}) || n.Buttons[1].Label != "Refuse" {
		t.Errorf("buttons %+v", n.Buttons)
	}
	if utf8.RuneCountInString(n.Body) > 800 || strings.Count(n.Body, "\n") > 12 || strings.ContainsAny(n.Body, "\u202e\x1b\u3164") {
		t.Errorf("the note is %q", n.Body)
	}
}

// Nor does Allow stand under a name that is not whole.
func TestAskLongName(t *testing.T) {
	for n, want := range map[int]string{128: "Allow", 129: "Read all"} {
		if got := asking(english, status.Approval{ID: "a1", Tool: strings.Repeat("x", n), Arguments: "{}"}).Buttons[0].Label; got != want {
			t.Errorf("a name of %d letters: %q", n, got)
		}
	}
}

// What a client sends as arguments is shown in a few lines that hide nothing.
func FuzzExcerpt(f *testing.F) {
	f.Add(hostile)
	f.Add("{\n  \"path\": \"/tmp/a\"\n}")
	f.Fuzz(func(t *testing.T, s string) {
		got, whole := excerpt(s)
		if utf8.RuneCountInString(got) > 2*maxArguments+maxArgumentLines || strings.Count(got, "\n") >= maxArgumentLines {
			t.Errorf("too much: %q", got)
		}
		for _, r := range got {
			if r != '\n' && (status.Unprintable(r) || blank(r)) {
				t.Errorf("%q holds %q", got, r)
			}
		}
		odd := func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }
		if s = strings.TrimSpace(s); whole && s != "" && s != "{}" && !strings.ContainsFunc(s, odd) && got != s {
			t.Errorf("%q is not the whole of %q", got, s)
		}
	})
}
