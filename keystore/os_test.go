package keystore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// fakeChild stands in for child processes: each call is told to the test,
// which decides on the answer.
type fakeChild struct{ calls chan childCall }

type childCall struct {
	request request
	answer  chan reply
}

func (f fakeChild) run(ctx context.Context, r request) reply {
	c := childCall{r, make(chan reply)}
	f.calls <- c
	select {
	case r := <-c.answer:
		return r
	case <-ctx.Done():
		return reply{Class: classLocked}
	}
}

func TestOSStoreRunsOneChildAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		childReady.Store(true)
		f := fakeChild{make(chan childCall, 10)}
		s := newOSStore(f.run, answerTime, promptTime)
		ctx := context.Background()
		start := time.Now()

		set := func(text string) chan error {
			done := make(chan error, 1)
			go func() { done <- s.Set(ctx, "a", NewSecret(text)) }()
			synctest.Wait()
			return done
		}
		first, again := set("1"), set("1")
		call := <-f.calls
		if len(f.calls) != 0 {
			t.Fatal("the same set started a second child")
		}
		for _, done := range []chan error{first, again} {
			if err := <-done; !IsKind(err, Locked) || time.Since(start) != answerTime {
				t.Fatalf("%v after %v", err, time.Since(start))
			}
		}

		// Nobody waits for this one when its turn would come.
		if err := s.Delete(ctx, "b"); !IsKind(err, Locked) {
			t.Fatal(err)
		}
		// Another value ends the child that still waits with the older one.
		second := set("2")
		call = <-f.calls
		if string(call.request.Secret) != "2" {
			t.Fatalf("the child writes %q", call.request.Secret)
		}
		call.answer <- reply{Class: classOK}
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(f.calls) != 0 || len(s.jobs) != 0 || len(s.turn) != 0 {
			t.Fatalf("left behind: %d calls, %d jobs, %d turns", len(f.calls), len(s.jobs), len(s.turn))
		}

		// A child nobody answers is ended, and the next one has its turn.
		_ = s.Delete(ctx, "c")
		<-f.calls
		time.Sleep(promptTime) // the bubble's clock
		synctest.Wait()
		if len(s.jobs) != 0 || len(s.turn) != 0 {
			t.Fatal("a child outlived its time")
		}
	})
}

func TestOSStoreDemandsChildMain(t *testing.T) {
	childReady.Store(false)
	defer childReady.Store(true)
	if _, err := OS().Get(context.Background(), DataKey); !IsKind(err, Unavailable) {
		t.Errorf("a program without ChildMain would start itself: %v", err)
	}
}
