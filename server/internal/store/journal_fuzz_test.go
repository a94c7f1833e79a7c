package store

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Whatever a record of the history holds once it is open, the journal starts
// and writes on, or says why not.
func FuzzJournalRecord(f *testing.F) {
	db, err := Open(filepath.Join(f.TempDir(), "state.db"))
	if err == nil {
		err = db.Unseal(testKey)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	f.Add("0-0001", []byte(`{"seq":7,"event":{"time":"2026-11-22T12:00:00Z","type":"token.issued","outcome":"ok"}}`))
	f.Add("1--5", []byte(`{"seq":18446744073709551615,"event":{}}`))
	f.Add("2-99999999999", []byte(`{"event":null}`))
	f.Add("x", []byte(`[]`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if key == "" || len(key) > 1000 {
			return
		}
		if err := db.Save([]oauth.Change{{Bucket: eventBucket, Key: key, Value: append([]byte{}, value...)}}); err != nil {
			t.Fatal(err)
		}
		board := status.NewBoard(time.Now)
		j, err := OpenJournal(db, board, slog.New(slog.DiscardHandler))
		if err == nil {
			j.Record(status.Event{Type: status.TokenIssued})
			if err := j.Save(nil, status.Event{Type: status.ToolCalled}); err != nil {
				t.Errorf("save: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		var all []oauth.Change
		if err := db.Load(eventBucket, func(key string, _ []byte) error {
			all = append(all, oauth.Change{Bucket: eventBucket, Key: key})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Save(all); err != nil {
			t.Fatal(err)
		}
	})
}
