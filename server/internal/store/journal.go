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

	mu      sync.Mutex           // guards all below, and the order of requests to db
	seq     uint64               // number of the newest event
	count   [status.Classes]int  // events so far; says which place is next
	pending map[slot]storedEvent // published, not yet written

	nudge   chan struct{} // holds one: there is something to write
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// slot is a place on disk. Each class has as many as it keeps events, used in
// turn, so that a new event takes the place of the oldest.
type slot struct {
	class status.Class
	n     int
}

func (s slot) key() string { return fmt.Sprintf("%d-%04d", s.class, s.n) }

// storedEvent is the record of one event.
type storedEvent struct {
	Seq   uint64        `json:"seq"`
	Event *status.Event `json:"event"`

	count int // of its class when it came
}

// OpenJournal puts the stored events on the board and starts to write new ones
// to db, which must be unsealed. The caller closes it before db.
func OpenJournal(db *DB, board *status.Board, log *slog.Logger) (*Journal, error) {
	j := &Journal{
		db: db, board: board, log: log,
		pending: make(map[slot]storedEvent),
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
	var stored []storedEvent
	var newest [status.Classes]uint64
	err := j.db.Load(eventBucket, func(key string, value []byte) error {
		var s slot
		var e storedEvent
		if _, err := fmt.Sscanf(key, "%d-%d", &s.class, &s.n); err != nil || s.class < 0 || s.class >= status.Classes {
			return fmt.Errorf("event %q: no such place", key)
		}
		if err := json.Unmarshal(value, &e); err != nil {
			return fmt.Errorf("event %q: %w", key, err)
		}
		if e.Event == nil {
			return fmt.Errorf("event %q: it is empty", key)
		}
		stored = append(stored, e)
		j.seq = max(j.seq, e.Seq)
		if e.Seq > newest[s.class] {
			newest[s.class] = e.Seq
			j.count[s.class] = s.n + 1
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(stored, func(a, b storedEvent) int { return cmp.Compare(a.Seq, b.Seq) })
	events := make([]status.Event, len(stored))
	for i, s := range stored {
		events[i] = *s.Event
	}
	j.board.Restore(events)
	return nil
}

// Save writes changes and events in one transaction, or nothing, and publishes
// the events once they are on disk.
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
	r, err := j.enqueue(func() (*request, error) {
		places := make(map[slot]storedEvent, len(events))
		for _, ev := range prepared {
			j.place(places, ev)
		}
		for s := range places {
			delete(j.pending, s) // older: its place is taken
		}
		puts = slices.AppendSeq(puts, maps.Values(sealEvents(aead, places)))
		return j.db.enqueue(aead, puts)
	})
	if err != nil {
		return err
	}
	if err := j.db.wait(r); err != nil {
		return err
	}
	if len(prepared) > 0 {
		j.board.Publish(prepared...)
	}
	return nil
}

// enqueue calls fn under j.mu, so that of two events for one place the newer is
// written last.
func (j *Journal) enqueue(fn func() (*request, error)) (*request, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fn()
}

// place gives ev a number and a place among places. It needs j.mu.
func (j *Journal) place(places map[slot]storedEvent, ev *status.Event) {
	c := status.ClassOf(ev.Type)
	j.seq++
	places[slot{c, j.count[c] % c.Limit()}] = storedEvent{j.seq, ev, j.count[c]}
	j.count[c]++
}

// Record publishes ev at once and returns it with its time and ID. It reaches
// the disk within a second, one of many tool calls within five; while the disk
// is full, once there is room.
func (j *Journal) Record(ev status.Event) status.Event {
	prepared := j.board.Prepare(ev)
	j.mu.Lock()
	j.place(j.pending, &prepared)
	j.board.Publish(&prepared)
	j.mu.Unlock()
	select {
	case j.nudge <- struct{}{}:
	default:
	}
	return prepared
}
