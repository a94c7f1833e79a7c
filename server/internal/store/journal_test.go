package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
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
	db.setAEAD(nil)
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

// What was recorded of sessions before a save is on disk with it.
func TestSaveTakesWhatWasRecorded(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	j, _ := openJournal(t, db)
	j.Record(status.Event{Type: status.SigninSucceeded, Session: "s", Reason: "before"})
	if err := j.Save(nil, status.Event{Type: status.TokenIssued, Session: "s", Reason: "after"}); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(mustLoad(t, db, eventBucket))
	if !strings.Contains(got, "before") || !strings.Contains(got, "after") {
		t.Errorf("on disk: %s", got)
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
				many = append(many, status.Event{Type: status.TokenRefused, Reason: fmt.Sprint(i*50 + k)}, status.Event{Type: status.TokenIssued, Session: fmt.Sprint(i*50 + k)})
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

// A history of the time when events had other classes is read whole and in
// order, and stands in its new places from then on.
func TestOldHistory(t *testing.T) {
	sample, err := os.ReadFile("testdata/history-v1.db")
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, sample)
	want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}
	for range 2 { // as it was left, then as it stands now
		db := openDB(t, path)
		j, board := openJournal(t, db)
		if got := reasons(board.Events()); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if err := j.Save(nil, status.Event{Type: status.SessionExpired, Reason: fmt.Sprint(len(want))}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(len(want)))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(mustLoad(t, db, eventBucket)); n != len(want) {
			t.Errorf("%d events on disk, want %d", n, len(want))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What repeats is one event, on the board, on disk and after a restart; it keeps
// the reference that a page has shown.
func TestRepeatsAreOneEvent(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	j, board := openJournal(t, db)
	refused := status.Event{Type: status.TokenRefused, Outcome: status.Refused, Client: "Claude", Reason: "code is unknown", Remote: "203.0.113.7"}
	first := j.Record(refused)
	for range 298 {
		j.Record(refused)
	}
	if err := j.Save(nil, refused); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := board.Events()
		if len(got) != 1 || got[0].Count != 300 || got[0].ID != first.ID {
			t.Errorf("got %+v, want 300 times %s", got, first.ID)
		}
		if err := errors.Join(j.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		db = openDB(t, path)
		j, board = openJournal(t, db)
	}
}

// Strangers and people push out nothing but what is theirs, on disk either.
func TestFloodsKeepToTheirRoom(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	j, _ := openJournal(t, db)
	keep := []status.Event{
		{Type: status.TunnelUp, Reason: "the owner's"},
		{Type: status.SigninSucceeded, User: "ana@example.com", Reason: "ana's"},
		{Type: status.SessionRevoked, User: "ana@example.com", Reason: "ana's, too"},
		{Type: status.ToolCalled, User: "ana@example.com", Reason: "ana's call"},
		{Type: status.ClientRefused, Remote: "192.0.2.1", Reason: "another stranger's"},
	}
	if err := j.Save(nil, keep...); err != nil {
		t.Fatal(err)
	}
	for i := range 2100 {
		for _, typ := range []string{status.ConsentShown, status.ConsentApproved, status.TokenRefused} {
			j.Record(status.Event{Type: typ, Client: fmt.Sprint("Client ", i), Remote: fmt.Sprintf("2001:db8::%x", i)})
		}
		j.Record(status.Event{Type: status.SigninSucceeded, User: "bob@example.com", Session: fmt.Sprint(i)})
		j.Record(status.Event{Type: status.TokenRefreshed, User: "bob@example.com", Session: fmt.Sprint(i)})
	}
	if err := errors.Join(j.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	_, board := openJournal(t, openDB(t, path))
	all := reasons(board.Events())
	for _, want := range keep {
		if !slices.Contains(all, want.Reason) {
			t.Errorf("%s was pushed out", want.Reason)
		}
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
