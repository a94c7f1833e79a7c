package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var (
	_ oauth.Saver    = (*Journal)(nil)
	_ oauth.Recorder = (*Journal)(nil)
)

func openJournal(t testing.TB, db *DB) (*Journal, *status.Board) {
	t.Helper()
	board := status.NewBoard(time.Now)
	j, err := OpenJournal(db, board, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, board
}

func reasons(events []status.Event) []string {
	var all []string
	for _, ev := range events {
		all = append(all, ev.Reason)
	}
	return all
}

func TestHistoryLasts(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	j, board := openJournal(t, db)
	recorded := j.Record(status.Event{Type: status.ClientRegistered, Reason: "1\x1b"})
	if recorded.ID == "" || recorded.Time.IsZero() || recorded.Reason != "1" {
		t.Errorf("recorded as %+v", recorded)
	}
	err := j.Save([]oauth.Change{set("grants", "g", "v")}, status.Event{Type: status.SigninSucceeded, Reason: "2"}, status.Event{Type: status.TokenIssued, Reason: "3"})
	if err != nil {
		t.Fatal(err)
	}
	j.Record(status.Event{Type: status.ToolCalled, Reason: "4"})
	before := board.Events()
	if err := errors.Join(j.Close(), j.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	db = openDB(t, path)
	_, board = openJournal(t, db)
	if after := board.Events(); !slices.Equal(after, before) || len(after) != 4 {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	if mustLoad(t, db, "grants")["g"] != "v" {
		t.Error("the change was not saved")
	}
}

func TestRecordedEventsReachTheDiskWithinASecond(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, path)
		j, board := openJournal(t, db)
		for round := range 3 {
			j.Record(status.Event{Type: status.ToolCalled})
			if n := len(board.Events()); n != round+1 {
				t.Errorf("%d events on the board at once, want %d", n, round+1)
			}
			time.Sleep(time.Second) // of the bubble's clock
			synctest.Wait()
			if n := len(mustLoad(t, db, eventBucket)); n != round+1 {
				t.Errorf("%d events on disk after a second, want %d", n, round+1)
			}
		}
		j.Close()
	})
}

// A failed save publishes nothing; a failed flush is made up for.
func TestFailedSaves(t *testing.T) {
	db := openDB(t, newPath(t))
	j, board := openJournal(t, db)
	if err := j.Save([]oauth.Change{set("meta", "k", "v")}, status.Event{Type: status.SigninSucceeded}); err == nil {
		t.Fatal("an impossible record is saved")
	}
	if got := board.Events(); len(got) != 0 {
		t.Errorf("published: %+v", got)
	}
	if err := db.Wipe(); err != nil {
		t.Fatal(err)
	}
	j.Record(status.Event{Type: status.TunnelUp, Reason: "kept"})
	if err := j.flush(); !errors.Is(err, ErrSealed) {
		t.Fatal("flush while sealed:", err)
	}
	if err := db.Unseal(testKey); err != nil {
		t.Fatal(err)
	}
	if err := j.flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(mustLoad(t, db, eventBucket)); n != 1 {
		t.Errorf("%d events on disk, want 1", n)
	}
}

// The disk keeps what the board keeps, whatever comes and in whichever way.
func TestHistoryIsBounded(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	j, board := openJournal(t, db)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 3500 {
			j.Record(status.Event{Type: status.ToolCalled, Reason: fmt.Sprint(i)})
		}
	})
	wg.Go(func() {
		for i := range 60 {
			var many []status.Event
			for k := range 50 {
				many = append(many, status.Event{Type: status.TokenRefused, Reason: fmt.Sprint(i*50 + k)}, status.Event{Type: status.TokenIssued})
			}
			if err := j.Save(nil, many...); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	before := board.Events()
	if err := errors.Join(j.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	db = openDB(t, path)
	if n := len(mustLoad(t, db, eventBucket)); n != 4000 {
		t.Errorf("%d events on disk, want 4000", n)
	}
	_, board = openJournal(t, db)
	byID := func(a, b status.Event) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) }
	after := board.Events()
	if !slices.IsSortedFunc(reasonsOf(after, status.ToolCalled), compareNumbers) || !slices.IsSortedFunc(reasonsOf(after, status.TokenRefused), compareNumbers) {
		t.Error("the order within a class is lost")
	}
	slices.SortFunc(before, byID)
	slices.SortFunc(after, byID)
	if !slices.Equal(before, after) {
		t.Error("after the restart the board holds other events")
	}
}

func reasonsOf(events []status.Event, eventType string) []string {
	return reasons(slices.DeleteFunc(slices.Clone(events), func(ev status.Event) bool { return ev.Type != eventType }))
}

func compareNumbers(a, b string) int {
	var x, y int
	fmt.Sscan(a, &x)
	fmt.Sscan(b, &y)
	return x - y
}

func BenchmarkRecord(b *testing.B) {
	j, _ := openJournal(b, openDB(b, newPath(b)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			j.Record(status.Event{Type: status.ToolCalled, Outcome: status.OK, User: "ana@example.com",
				Client: "Claude", Session: "0123456789abcdef", Tool: "echo", Remote: "203.0.113.7"})
		}
	})
}
