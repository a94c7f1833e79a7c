package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func clock() time.Time { return time.Date(2026, 11, 22, 14, 2, 0, 123456789, time.UTC) }

func TestPrepare(t *testing.T) {
	b := NewBoard(clock)
	ev := b.Prepare(Event{Type: ClientRegistered, Outcome: OK, Client: "Claude"})
	if len(ev.ID) != 10 || !ev.Time.Equal(clock().Truncate(time.Millisecond)) {
		t.Errorf("ID %q, time %v", ev.ID, ev.Time)
	}
	if again := b.Prepare(ev); again != ev {
		t.Errorf("prepared twice: %+v, want %+v", again, ev)
	}
	if other := b.Prepare(Event{}); other.ID == ev.ID {
		t.Error("two events have one ID")
	}
	flood := strings.Repeat("\u202eé\x00", 5000)
	ev = b.Prepare(Event{User: flood, Client: flood, Session: flood, Tool: flood, Reason: flood, Remote: flood})
	for _, s := range []string{ev.User, ev.Client, ev.Session, ev.Tool, ev.Reason, ev.Remote} {
		if utf8.RuneCountInString(s) > 300 || strings.ContainsAny(s, "\u202e\x00") {
			t.Errorf("left as %q", s)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text", "Claude", "Claude"},
		{"other scripts", "Zoë 東京", "Zoë 東京"},
		{"an escape sequence", "a\x1b[2Jb", "a[2Jb"},
		{"the one-character CSI", "a\u009b2Jb", "a2Jb"},
		{"a bidi override", "exe\u202etxt", "exetxt"},
		{"zero-width characters", "Cla\u200bude\ufeff", "Claude"},
		{"line breaks", "a\nb\u2028c", "a b c"},
		{"broken UTF-8", "a\xffb", "a\ufffdb"},
		{"too many runes", strings.Repeat("é", 21), strings.Repeat("é", 19) + "…"},
		{"just enough runes", strings.Repeat("é", 20), strings.Repeat("é", 20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Clean(c.in, 20); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCleanLines(t *testing.T) {
	for in, want := range map[string]string{
		"{\n  \"a\": \"\u202e\x1b[1m\"\r\n}": "{\n  \"a\": \"[1m\" \n}",
		"":                                   "",
		strings.Repeat("\n", 100):            strings.Repeat("\n", 29) + "…",
		strings.Repeat("\n", 30):             strings.Repeat("\n", 30),
		strings.Repeat("x", 30):              strings.Repeat("x", 30),
		strings.Repeat("x", 31):              strings.Repeat("x", 29) + "…",
		strings.Repeat("x", 29) + "\n":       strings.Repeat("x", 29) + "\n",
		strings.Repeat("x", 30) + "\n":       strings.Repeat("x", 29) + "…",
		strings.Repeat("x", 30) + "\ny":      strings.Repeat("x", 29) + "…",
		strings.Repeat("x", 28) + "\ny\nz":   strings.Repeat("x", 28) + "\n…",
		strings.Repeat(" ", 100):             strings.Repeat(" ", 29) + "…",
		"a\n" + strings.Repeat("é", 50):      "a\n" + strings.Repeat("é", 27) + "…",
	} {
		if got := CleanLines(in, 30); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSpell(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"plain \\u0041":                  "plain \\u0041",
		"{\n  \"ä\": 1\n}":               "{\n  \"ä\": 1\n}",
		"a\u202eb\x1b[2J":                `a\u202eb\u001b[2J`,
		"a\tb\r":                         `a\u0009b\u000d`,
		"\u00a0\u3000\u2028\u200b\ufeff": `\u00a0\u3000\u2028\u200b\ufeff`,
		"\u3164\u2800\u115f\u1160\uffa0": `\u3164\u2800\u115f\u1160\uffa0`,
		"\U000e0041\U000f0000":           `\udb40\udc41\udb80\udc00`, // a tag, a private letter
		"❤\ufe0f x\ufe01\U000e0100":      "❤\ufe0f x" + `\ufe01\udb40\udd00`,
		"e\u0301\u0302\u0303\u0304":      "e\u0301\u0302" + `\u0303\u0304`,
		"日本語 ไทย हिन्दी":                 "日本語 ไทย हिन्दी",
		"\xff":                           "\ufffd",
	} {
		if got := Spell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if again := Spell(want); again != want {
			t.Errorf("%q is spelt again as %q", want, again)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b\u202e\xff", 3)
	f.Fuzz(func(t *testing.T, s string, max int) {
		max = max&0xff + 1
		got := Clean(s, max)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > max || strings.IndexFunc(got, Unprintable) >= 0 {
			t.Errorf("Clean(%q, %d) = %q", s, max, got)
		}
	})
}

// A flood of one class leaves the others alone, and the order across classes
// is that of publication.
func TestBoardIsBoundedByClass(t *testing.T) {
	b := NewBoard(clock)
	b.Publish(&Event{Type: SigninSucceeded, Reason: "first"})
	for i := range 5000 {
		b.Publish(&Event{Type: ToolCalled, Reason: fmt.Sprint(i)}, &Event{Type: ClientRefused, Reason: fmt.Sprint(i)})
	}
	b.Publish(&Event{Type: SessionRevoked, Reason: "last"})
	events := b.Events()
	if len(events) != 2002 || events[0].Reason != "first" || events[2001].Reason != "last" {
		t.Fatalf("%d events, from %q to %q", len(events), events[0].Reason, events[len(events)-1].Reason)
	}
	if events[1].Reason != "4000" || events[1].Type != ToolCalled || events[2].Type != ClientRefused {
		t.Errorf("after the first come %+v, %+v", events[1], events[2])
	}
	for i := range 3000 {
		b.Publish(&Event{Type: TunnelUp, Reason: fmt.Sprint(i)})
	}
	if n := len(b.Events()); n != 3002 {
		t.Errorf("%d events in all, want 3002", n)
	}
}

func TestRestore(t *testing.T) {
	b := NewBoard(clock)
	woken := b.Watch(t.Context())
	b.Restore([]Event{{Type: TunnelUp, Reason: "a"}, {Type: ToolCalled, Reason: "b"}})
	b.Publish(&Event{Type: ToolCalled, Reason: "c"})
	if got := b.Events(); len(got) != 3 || got[0].Reason != "a" || got[2].Reason != "c" {
		t.Errorf("got %+v", got)
	}
	if len(woken) != 0 {
		t.Error("restored events and a tool call woke a watcher")
	}
}

func TestWatch(t *testing.T) {
	b := NewBoard(clock)
	ctx, cancel := context.WithCancel(t.Context())
	ch, other := b.Watch(ctx), b.Watch(t.Context())
	for range 3 {
		b.Publish(&Event{Type: TunnelUp})
	}
	<-ch
	if len(ch) != 0 {
		t.Error("three changes left more than one wake")
	}
	b.Wake()
	<-ch
	<-other
	cancel()
	if _, open := <-ch; open {
		t.Error("the channel stays open after its context")
	}
	b.Wake()
	<-other
}

// A follower gets every event once and in order, under a load that the board
// itself doesn't keep.
func TestFollow(t *testing.T) {
	b := NewBoard(clock)
	b.Publish(&Event{Type: ToolCalled, Reason: "0"})
	f := b.Follow()
	defer f.Close()
	const n = 20_000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i < n; i++ {
			b.Publish(&Event{Type: ToolCalled, Reason: fmt.Sprint(i)})
		}
	})
	defer wg.Wait()
	for i := 0; i < n; {
		events, err := f.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range events {
			if ev.Reason != fmt.Sprint(i) {
				t.Fatalf("event %s, want %d", ev.Reason, i)
			}
			i++
		}
	}
}

func TestFollowKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBoard(clock)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var load sync.WaitGroup
		load.Go(func() {
			for ctx.Err() == nil {
				b.Publish(&Event{Type: ToolCalled})
				time.Sleep(time.Millisecond)
			}
		})
		defer load.Wait()
		f := b.Follow()
		defer f.Close()
		answers := 0
		for ; ; answers++ {
			if _, err := f.Next(ctx); err != nil {
				break
			}
		}
		if answers < 38 || answers > 41 {
			t.Errorf("%d answers in 10 s, want 4 a second", answers)
		}
	})
}

func TestFollowTooSlow(t *testing.T) {
	b := NewBoard(clock)
	f := b.Follow()
	for range followLimit + 1 {
		b.Publish(&Event{Type: ToolCalled})
	}
	for range 2 {
		if _, err := f.Next(t.Context()); !errors.Is(err, ErrLagged) {
			t.Fatalf("got %v, want ErrLagged", err)
		}
	}
	f.Close()
	if len(b.followers) != 0 {
		t.Error("a closed follower is still on the board")
	}
}

func BenchmarkToolCalled(b *testing.B) {
	board := NewBoard(time.Now)
	board.Watch(b.Context())
	for _, followers := range []int{0, 1} {
		b.Run(fmt.Sprintf("followers=%d", followers), func(b *testing.B) {
			if followers > 0 {
				f := board.Follow()
				defer f.Close()
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				go func() {
					for {
						if _, err := f.Next(ctx); err != nil {
							return
						}
					}
				}()
			}
			b.ReportAllocs()
			for b.Loop() {
				ev := board.Prepare(Event{Type: ToolCalled, Outcome: OK, User: "ana@example.com",
					Client: "Claude", Session: "0123456789abcdef", Tool: "echo", Remote: "203.0.113.7"})
				board.Publish(&ev)
			}
		})
	}
}
