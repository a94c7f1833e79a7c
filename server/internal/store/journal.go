package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const eventBucket = "events"

// Journal writes events to disk and to the board: an [oauth.Saver] and an
// [oauth.Recorder]. The disk keeps as many of each class as the board does.
type Journal struct {
	db    *DB
	board *status.Board
	log   *slog.Logger

	mu      sync.Mutex                   // guards all below, and the order of requests to db
	seq     uint64                       // number of the newest event
	history status.History               // says which place is next
	pending map[status.Place]storedEvent // published, not yet written

	nudge   chan struct{} // holds one: there is something to write
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// storedEvent is the record of one event. It stands under the number of its
// class and its place there.
type storedEvent struct {
	Seq   uint64        `json:"seq"`
	Event *status.Event `json:"event"`
}

func key(p status.Place) string { return fmt.Sprintf("%d-%04d", p.Class, p.N) }

// OpenJournal puts the stored events on the board and starts to write new ones
// to db, which must be unsealed. The caller closes it before db.
func OpenJournal(db *DB, board *status.Board, log *slog.Logger) (*Journal, error) {
	j := &Journal{
		db: db, board: board, log: log,
		pending: make(map[status.Place]storedEvent),
		nudge:   make(chan struct{}, 1),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("load the history: %w", err)
	}
	go j.run()
	return j, nil
}

func (j *Journal) load() error {
	type found struct {
		storedEvent
		key string
		at  status.Place
	}
	var all []found
	err := j.db.Load(eventBucket, func(key string, value []byte) error {
		f := found{key: key}
		if _, err := fmt.Sscanf(key, "%d-%d", &f.at.Class, &f.at.N); err != nil || f.at.Class < 0 || f.at.Class >= status.Classes {
			return fmt.Errorf("event %q: no such place", key)
		}
		if err := json.Unmarshal(value, &f.storedEvent); err != nil {
			return fmt.Errorf("event %q: %w", key, err)
		}
		if f.Event == nil {
			return fmt.Errorf("event %q: it is empty", key)
		}
		all = append(all, f)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.Seq, b.Seq) })
	events := make([]status.Event, len(all))
	var stray []found
	for i, f := range all {
		j.seq = max(j.seq, f.Seq)
		events[i] = *f.Event
		if f.key != key(f.at) || !j.history.Restore(f.at, f.Event) {
			stray = append(stray, f)
		}
	}
	j.board.Restore(events)
	var moved []oauth.Change // of a version whose classes were others
	for _, f := range stray {
		moved = append(moved, oauth.Change{Bucket: eventBucket, Key: f.key})
	}
	for _, f := range stray {
		at, ev := j.history.Add(f.Event)
		value, err := json.Marshal(storedEvent{f.Seq, ev})
		if err != nil {
			return err
		}
		moved = append(moved, oauth.Change{Bucket: eventBucket, Key: key(at), Value: value})
	}
	if len(moved) == 0 {
		return nil
	}
	return j.db.Save(moved)
}

// Save writes changes and events in one transaction, or nothing, and publishes
// the events once they are on disk. Recorded events about sessions go with them.
func (j *Journal) Save(changes []oauth.Change, events ...status.Event) error {
	aead, err := j.db.state()
	if err != nil {
		return err
	}
	puts, err := sealAll(aead, changes)
	if err != nil {
		return err
	}
	prepared := make([]*status.Event, len(events))
	for i, ev := range events {
		ev = j.board.Prepare(ev)
		prepared[i] = &ev
	}
	before := map[status.Place]storedEvent{}
	r, err := func() (*request, error) { // in one go, so that of two events for one place the newer is written last
		j.mu.Lock()
		defer j.mu.Unlock()
		for at, e := range j.pending {
			if at.Class == status.Sessions { // what led to this is saved with it
				before[at] = e
			}
		}
		places := maps.Clone(before)
		for i, ev := range prepared {
			prepared[i] = j.place(places, ev)
		}
		for at := range places {
			delete(j.pending, at) // older: its place is taken
		}
		puts = slices.AppendSeq(puts, maps.Values(sealEvents(aead, places)))
		return j.db.enqueue(aead, puts)
	}()
	if err == nil {
		err = j.db.wait(r)
	}
	if err != nil {
		j.giveBack(before)
		return err
	}
	if len(prepared) > 0 {
		j.board.Publish(prepared...)
	}
	return nil
}

// place gives ev a number and a place among places, and returns what is kept
// there. It needs j.mu.
func (j *Journal) place(places map[status.Place]storedEvent, ev *status.Event) *status.Event {
	at, ev := j.history.Add(ev)
	j.seq++
	places[at] = storedEvent{j.seq, ev}
	return ev
}

// Record publishes ev at once and returns it with its time and ID, which is
// that of the event that it repeats, if it does. It reaches the disk within a
// second, one of many tool calls within five; while the disk is full, once there
// is room.
func (j *Journal) Record(ev status.Event) status.Event {
	prepared := j.board.Prepare(ev)
	j.mu.Lock()
	kept := j.place(j.pending, &prepared)
	j.board.Publish(kept)
	j.mu.Unlock()
	select {
	case j.nudge <- struct{}{}:
	default:
	}
	return *kept
}
