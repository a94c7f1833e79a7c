package approve

import (
	"context"
	"errors"
	"fmt"
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
	return [...]string{"denied", "expired", "crowded", "ended"}[r.Kind]
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
				q := NewQueue(time.Now, func() { changes.Add(1) })
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

func TestDeskIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(time.Now, nil)
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
		q.SetWait(5 * time.Second)
		if err := <-ask(t.Context(), q, "s", 1); kindOf(err) != "expired" || !strings.Contains(err.Error(), "5 seconds") {
			t.Errorf("got %v", err)
		}
	})
}

func TestShownTextIsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(time.Now, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go q.Ask(ctx, status.Approval{Tool: "a\x1b[2J\u202eb", Client: strings.Repeat("x", 500),
			Arguments: "{\n  \"a\": \"\u202e\x1b[1m\",\n  \"b\": \"" + strings.Repeat("é", 10_000) + "\"\n}"})
		synctest.Wait()
		p := q.Pending()[0]
		if p.Tool != "a[2Jb" || utf8.RuneCountInString(p.Client) > 80 {
			t.Errorf("shown %+v", p)
		}
		if !strings.HasPrefix(p.Arguments, "{\n  \"a\": \"[1m\",\n  \"b\": \"éé") || utf8.RuneCountInString(p.Arguments) > 4001 || !strings.HasSuffix(p.Arguments, "…") {
			t.Errorf("%d runes: %.60q", utf8.RuneCountInString(p.Arguments), p.Arguments)
		}
	})
}

// Answers, time-outs and ends race; each call gets one outcome, and none stays.
func TestRaces(t *testing.T) {
	q := NewQueue(time.Now, nil)
	q.SetWait(time.Millisecond)
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
