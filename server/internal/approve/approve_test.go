package approve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func kindOf(err error) string {
	var r *Refusal
	if !errors.As(err, &r) {
		return fmt.Sprint(err)
	}
	return map[string]string{"the owner said no": "denied", "nobody answered in time": "expired", "too many calls wait for an answer": "crowded",
		"it was given up, or its session ended": "ended", "its arguments are too long to be read": "too long", "the owner has just said no to this tool": "too soon"}[r.Why]
}

// ask has n calls of session wait and returns where their outcomes
// come, once all wait.
func ask(ctx context.Context, q *Queue, session string, n int) <-chan error {
	out := make(chan error, n)
	for range n {
		go func() {
			out <- q.Ask(ctx, status.Approval{Session: session, Server: "files", Tool: "write_file", User: "ana@example.com"})
		}()
	}
	synctest.Wait()
	return out
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(q *Queue, cancel context.CancelFunc) error
		want string
		says string
		took time.Duration
	}{
		{"a click on allow", func(q *Queue, _ context.CancelFunc) error { return q.Answer(q.Pending()[0].ID, true) }, "<nil>", "", 0},
		{"a click on deny", func(q *Queue, _ context.CancelFunc) error { return q.Answer(q.Pending()[0].ID, false) }, "denied", "did not allow this call of write_file", 0},
		{"nobody there", func(*Queue, context.CancelFunc) error { return nil }, "expired", "within 2 minutes", 2 * time.Minute},
		{"a grant that ends", func(_ *Queue, cancel context.CancelFunc) error { cancel(); return nil }, "ended", "given up", 0},
		{"a click after the grant's end", func(q *Queue, cancel context.CancelFunc) error {
			id := q.Pending()[0].ID
			cancel()
			return q.Answer(id, true) // comes first or second: never a leave
		}, "ended", "given up", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes atomic.Int32
				q := NewQueue(0, time.Now, func() { changes.Add(1) })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				out := ask(ctx, q, "s1", 1)
				p := q.Pending()
				if len(p) != 1 || p[0].Tool != "write_file" || p[0].ID == "" || !p[0].Expires.Equal(p[0].Time.Add(2*time.Minute)) {
					t.Fatalf("pending %+v", p)
				}
				if err := c.do(q, cancel); err != nil && !errors.Is(err, ErrUnknown) {
					t.Fatal(err)
				}
				err := <-out
				if kindOf(err) != c.want || c.says != "" && !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v", took)
				}
				synctest.Wait()
				if len(q.Pending()) != 0 || changes.Load() != 2 {
					t.Errorf("left: %+v, changes %q", q.Pending(), changes.Load())
				}
				if err := q.Answer(p[0].ID, true); !errors.Is(err, ErrUnknown) {
					t.Errorf("a second answer: %v", err)
				}
			})
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0, time.Now, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		wild := ask(ctx, q, "wild", 20)
		if n := len(q.Pending()); n != 8 {
			t.Errorf("%d of one session wait, want 8", n)
		}
		for range 12 {
			if err := <-wild; kindOf(err) != "crowded" {
				t.Errorf("got %v", err)
			}
		}
		other := ask(ctx, q, "other", 1)
		if n := len(q.Pending()); n != 9 {
			t.Errorf("another session's call does not wait: %d", n)
		}
		for i := range 10 {
			ask(ctx, q, fmt.Sprint(i), 8)
		}
		if n := len(q.Pending()); n != 32 {
			t.Errorf("%d wait in all, want 32", n)
		}
		p := q.Pending()
		if p[8].Session != "other" {
			t.Errorf("the order of pending: %+v", p[8])
		}
		if err := q.Answer(p[8].ID, true); err != nil || <-other != nil {
			t.Error("the one among many was not allowed")
		}
		cancel()
		synctest.Wait()
		if n := len(q.Pending()); n != 0 {
			t.Errorf("%d wait for nobody", n)
		}
		for wait, said := range map[time.Duration]string{5 * time.Second: "5 seconds", 90 * time.Second: "90 seconds", 2 * time.Minute: "2 minutes", 150 * time.Second: "150 seconds", 3 * time.Minute: "3 minutes",
			0: "2 minutes"} {
			q := NewQueue(wait, time.Now, func() {})
			if err := <-ask(t.Context(), q, "s", 1); kindOf(err) != "expired" || !strings.Contains(err.Error(), "within "+said+".") {
				t.Errorf("%v: got %v", wait, err)
			}
		}
	})
}

// What hides is written out, and nothing is cut away.
func TestTextsAreShownWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0, time.Now, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		long := strings.Repeat("é", 10_000)
		go q.Ask(ctx, status.Approval{Tool: "a\x1b[2J\u202eb", Client: strings.Repeat("x", 500), Arguments: "{\n  \"a\": \"\u202e\x1b[1m\",\n  \"b\": \"" + long + "\"\n}"})
		synctest.Wait()
		p := q.Pending()[0]
		if p.Tool != `a\u001b[2J\u202eb` || utf8.RuneCountInString(p.Client) > 80 {
			t.Errorf("shown %+v", p)
		}
		if p.Arguments != "{\n  \"a\": \""+`\u202e\u001b[1m`+"\",\n  \"b\": \""+long+"\"\n}" {
			t.Errorf("%d runes: %.60q", utf8.RuneCountInString(p.Arguments), p.Arguments)
		}
	})
}

// 64 KiB are the most that a person is asked to read, as it is shown.
func TestTooLongToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			tool, arguments string
			want            string
		}{
			"one byte less":        {"write", strings.Repeat("x", 65535), "<nil>"},
			"all of it":            {"write", strings.Repeat("x", 65536), "<nil>"},
			"one byte more":        {"write", strings.Repeat("x", 65537), "too long"},
			"by what is spelt out": {"write", strings.Repeat("\u202e", 10923), "too long"}, // 6 bytes each
			"just not":             {"write", strings.Repeat("\u202e", 10922), "<nil>"},
			"a long name":          {strings.Repeat("x", 200), "", "<nil>"},
			"a longer name":        {strings.Repeat("x", 201), "", "too long"},
		} {
			q := NewQueue(0, time.Now, func() {})
			out := make(chan error, 1)
			go func() { out <- q.Ask(t.Context(), status.Approval{Tool: c.tool, Arguments: c.arguments}) }()
			synctest.Wait()
			for _, p := range q.Pending() {
				_ = q.Answer(p.ID, true)
			}
			err := <-out
			if kindOf(err) != c.want {
				t.Errorf("%s: %v", name, err)
			}
			if c.want == "too long" && !strings.Contains(err.Error(), "Send at most 64 KiB") {
				t.Errorf("%s: %q does not say what to do", name, err)
			}
		}
	})
}

// After a refusal the same session's same tool is not asked about for a while,
// longer each time; another tool, session or server is.
func TestARefusalHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0, time.Now, func() {})
		try := func(session, server, name string, answer bool) string {
			out := make(chan error, 1)
			go func() {
				out <- q.Ask(t.Context(), status.Approval{Session: session, Server: server, Tool: name})
			}()
			synctest.Wait()
			if p := q.Pending(); len(p) == 1 {
				_ = q.Answer(p[0].ID, answer)
			}
			return kindOf(<-out)
		}
		for i, pause := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
			if got := try("s1", "files", "write", false); got != "denied" {
				t.Fatalf("refusal %d: %s", i, got)
			}
			time.Sleep(pause - time.Second)
			if err := q.Ask(t.Context(), status.Approval{Session: "s1", Server: "files", Tool: "write"}); kindOf(err) != "too soon" || !strings.Contains(err.Error(), "in 1 seconds") {
				t.Errorf("%s after refusal %d: %v", pause-time.Second, i, err)
			}
			for _, other := range [][3]string{{"s2", "files", "write"}, {"s1", "git", "write"}, {"s1", "files", "read"}} {
				if got := try(other[0], other[1], other[2], true); got != "<nil>" {
					t.Errorf("%q is not asked about: %s", other, got)
				}
			}
			time.Sleep(time.Second)
		}
		if got := try("s1", "files", "write", true); got != "<nil>" {
			t.Errorf("allowed: %s", got)
		}
		if got := try("s1", "files", "write", false); got != "denied" {
			t.Errorf("right after it was allowed: %s", got)
		}
		time.Sleep(10 * time.Second)
		if got := try("s1", "files", "write", false); got != "denied" {
			t.Errorf("after the first pause anew: %s", got)
		}
		time.Sleep(time.Minute + time.Hour - time.Nanosecond)
		if got := try("s1", "files", "write", false); got != "denied" {
			t.Errorf("after an hour: %s", got)
		}
		time.Sleep(time.Minute)
		if got := try("s1", "files", "write", true); got != "too soon" { // it was the third, and counts five minutes
			t.Errorf("an hour without a moment forgave: %s", got)
		}
		time.Sleep(4*time.Minute + time.Hour)
		_ = try("s1", "files", "other", false) // has old ones forgotten
		if got := try("s1", "files", "write", false); got != "denied" {
			t.Errorf("%s", got)
		}
		time.Sleep(10 * time.Second)
		if got := try("s1", "files", "write", true); got != "<nil>" {
			t.Errorf("after an hour it begins anew: %s", got)
		}
		_ = try("s1", "files", "write", false)
		q.Forget(func(s string) bool { return s == "s1" })
		if got := try("s1", "files", "write", true); got != "<nil>" {
			t.Errorf("of a session that has ended: %s", got)
		}
	})
}

// Eight that waited together and are refused one after the other are one refusal.
func TestRefusalsAtOnceCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0, time.Now, func() {})
		out := ask(t.Context(), q, "s1", 8)
		for _, p := range q.Pending() {
			_ = q.Answer(p.ID, false)
		}
		for range 8 {
			if err := <-out; kindOf(err) != "denied" {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		if err := <-ask(t.Context(), q, "s1", 1); kindOf(err) != "expired" { // it waited
			t.Error(err)
		}
	})
}

// One click allows a tool for ten minutes, to one session; what waits for it
// goes on; it can be taken back, and ends with the session.
func TestAllowTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes atomic.Int32
		q := NewQueue(0, time.Now, func() { changes.Add(1) })
		call := func(session, name string) string {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return kindOf(q.Ask(ctx, status.Approval{Session: session, Server: "files", Tool: name, Arguments: strings.Repeat("x", 70_000)}))
		}
		out := ask(t.Context(), q, "s1", 3)
		other := ask(t.Context(), q, "s2", 1)
		if err := q.AllowTool(q.Pending()[0].ID); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 3 {
			if err := <-out; err != nil {
				t.Error(err)
			}
		}
		if p := q.Pending(); len(p) != 1 || p[0].Session != "s2" {
			t.Errorf("left %+v", p)
		}
		want := []status.Leave{{Server: "files", Tool: "write_file", Until: start.Add(10 * time.Minute).UTC()}}
		if got := q.Leaves()["s1"]; !slices.Equal(got, want) || len(q.Leaves()["s2"]) != 0 {
			t.Errorf("leaves %+v, want %+v", got, want)
		}
		for what, got := range map[string]string{"it": call("s1", "write_file"), "another tool": call("s1", "wipe"), "another session": call("s2", "write_file")} {
			if (got == "<nil>") != (what == "it") {
				t.Errorf("%s: %s", what, got)
			}
		}
		time.Sleep(10*time.Minute - time.Nanosecond - time.Since(start))
		if got := call("s1", "write_file"); got != "<nil>" {
			t.Errorf("at the end: %s", got)
		}
		synctest.Wait()
		before := changes.Load()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := call("s1", "write_file"); got == "<nil>" || len(q.Leaves()["s1"]) != 0 {
			t.Errorf("after ten minutes: %s, %v", got, q.Leaves()["s1"])
		}
		if changes.Load() == before {
			t.Error("nobody was told that it is over")
		}
		if err := q.EndLeave("s1", "files", "write_file"); !errors.Is(err, ErrUnknown) {
			t.Errorf("a leave that is over: %v", err)
		}
		<-other

		out = ask(t.Context(), q, "s1", 1)
		_ = q.AllowTool(q.Pending()[0].ID)
		<-out
		if err := q.EndLeave("s1", "files", "wipe"); !errors.Is(err, ErrUnknown) {
			t.Errorf("another tool's leave: %v", err)
		}
		if err := q.EndLeave("s1", "files", "write_file"); err != nil || call("s1", "write_file") == "<nil>" {
			t.Errorf("taken back: %v", err)
		}
		if err := q.EndLeave("s1", "files", "write_file"); !errors.Is(err, ErrUnknown) {
			t.Errorf("twice: %v", err)
		}
		out = ask(t.Context(), q, "s1", 1)
		_ = q.AllowTool(q.Pending()[0].ID)
		<-out
		q.Forget(func(s string) bool { return s == "s2" })
		if len(q.Leaves()["s1"]) != 1 {
			t.Error("it ended with another session")
		}
		q.Forget(func(s string) bool { return s == "s1" })
		if call("s1", "write_file") == "<nil>" {
			t.Error("it outlives its session")
		}
		if err := q.AllowTool("nothing"); !errors.Is(err, ErrUnknown) {
			t.Errorf("an unknown call: %v", err)
		}
	})
}

// The leaves of a session stand in an order that does not change.
func TestLeavesAreSorted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(0, time.Now, func() {})
		names := [][2]string{{"b", "a"}, {"a", "z"}, {"a", "b"}, {"ab", "a"}, {"b", ""}}
		for _, n := range names {
			go q.Ask(t.Context(), status.Approval{Session: "s1", Server: n[0], Tool: n[1]})
			synctest.Wait()
			_ = q.AllowTool(q.Pending()[0].ID)
		}
		var got []string
		for _, l := range q.Leaves()["s1"] {
			got = append(got, l.Server+"/"+l.Tool)
		}
		if want := []string{"a/b", "a/z", "ab/a", "b/", "b/a"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// A call that waits no longer keeps its row for two seconds, and who gives up at
// once does not fill the screen.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes atomic.Int32
		q := NewQueue(0, time.Now, func() { changes.Add(1) })
		ctx, cancel := context.WithCancel(t.Context())
		ask(ctx, q, "s1", 2)
		ask(t.Context(), q, "s2", 1)
		cancel()
		synctest.Wait()
		if g := q.Gone(); len(g) != 2 || g[0].Session != "s1" || len(q.Pending()) != 1 {
			t.Fatalf("gone %+v", g)
		}
		time.Sleep(2*time.Second - time.Nanosecond)
		if len(q.Gone()) != 2 {
			t.Error("gone too soon")
		}
		synctest.Wait()
		before := changes.Load()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if g := q.Gone(); g == nil || len(g) != 0 || changes.Load() == before {
			t.Errorf("after two seconds: %+v", g)
		}
		_ = q.Answer(q.Pending()[0].ID, true)
		if g := q.Gone(); len(g) != 1 || g[0].Session != "s2" {
			t.Errorf("an answered one: %+v", g)
		}
		crowded := 0
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			out := ask(ctx, q, "wild", 1)
			cancel()
			if kindOf(<-out) == "crowded" {
				crowded++
			}
		}
		for i := range 60 {
			ctx, cancel := context.WithCancel(t.Context())
			out := ask(ctx, q, fmt.Sprint("one of many ", i), 1)
			cancel()
			if kindOf(<-out) == "crowded" {
				crowded++
			}
		}
		if crowded != 4+13 || len(q.Gone()) != 64 {
			t.Errorf("%d were crowded, %d rows", crowded, len(q.Gone()))
		}
		time.Sleep(2 * time.Second)
		if kindOf(<-ask(t.Context(), q, "wild", 1)) == "crowded" {
			t.Error("crowded for ever")
		}
	})
}

// Answers, time-outs and ends race; each call gets one outcome, and none stays.
func TestRaces(t *testing.T) {
	q := NewQueue(time.Millisecond, time.Now, func() {})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var answers sync.WaitGroup
	for range 2 {
		answers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for i, p := range q.Pending() {
					_ = q.Answer(p.ID, i%2 == 0)
				}
			}
		})
	}
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*300*time.Microsecond)
				_ = q.Ask(ctx, status.Approval{Session: fmt.Sprint(i)})
				cancel()
			}
		})
	}
	wg.Wait()
	close(stop)
	answers.Wait()
	if n := len(q.Pending()); n != 0 {
		t.Errorf("%d still wait", n)
	}
}
