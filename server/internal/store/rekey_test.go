package store

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// After a new key the records are the same, the old key opens nothing, and
// the journal writes on.
func TestRekey(t *testing.T) {
	path := newPath(t)
	db := openDB(t, path)
	board := status.NewBoard(time.Now)
	j, err := OpenJournal(db, board, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i := range 3000 { // more than one page, and than one chunk
		key := fmt.Sprint("k", i)
		want[key] = "v" + key
		save(t, db, set("grants", key, want[key]))
		if i%1000 == 0 {
			j.Record(status.Event{Type: status.TunnelUp, Reason: fmt.Sprint("before ", i)})
		}
	}
	if err := db.Rekey(otherKey); err != nil {
		t.Fatal(err)
	}
	j.Record(status.Event{Type: status.TunnelUp, Reason: "after"})
	if got, err := load(db, "grants"); err != nil || !maps.Equal(got, want) {
		t.Fatalf("%d records, %v", len(got), err)
	}
	if err := errors.Join(j.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}

	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Unseal(testKey); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old key: %v", err)
	}
	if err := again.Unseal(otherKey); err != nil {
		t.Fatal(err)
	}
	if got, err := load(again, "grants"); err != nil || !maps.Equal(got, want) {
		t.Errorf("%d records, %v", len(got), err)
	}
	if events, err := load(again, eventBucket); err != nil || len(events) != 4 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// A key that can't be taken, or a record that doesn't open, changes nothing.
func TestRekeyRefused(t *testing.T) {
	db := openDB(t, newPath(t))
	save(t, db, set("grants", "a", "1"))
	if err := db.Rekey([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
	if err := db.commit([]put{{"grants", "b", []byte("not sealed")}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Rekey(otherKey); err == nil {
		t.Error("a damaged record was passed over")
	}
	save(t, db, set("grants", "b", "2"))
	if got, err := load(db, "grants"); err != nil || got["a"] != "1" || got["b"] != "2" {
		t.Errorf("%v, %v", got, err)
	}
}
