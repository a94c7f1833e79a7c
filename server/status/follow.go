package status

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// ErrLagged says that a follower was so slow that events were dropped.
var ErrLagged = errors.New("the reader of events is too slow: some were dropped")

const (
	// followPace is the least time between two answers of [Follower.Next]:
	// under a load of tool calls a reader wakes four times a second, not once
	// a call.
	followPace = 250 * time.Millisecond
	// followLimit is how many events wait for one reader, some 10 MB.
	followLimit = 50_000
)

// Follower reads the events of a board from the oldest kept to whatever comes,
// each once. It has one reader.
type Follower struct {
	board  *Board
	signal chan struct{} // holds one wake
	last   time.Time     // when Next last returned

	// Guarded by board.mu.
	queue  []Event
	lagged bool
}

// Follow returns a follower of all events, those on the board included. The
// caller closes it.
func (b *Board) Follow() *Follower {
	f := &Follower{board: b, signal: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.queue = b.history.Events()
	b.followers[f] = struct{}{}
	return f
}

// push needs board.mu. It must cost little: a tool call waits for it.
func (f *Follower) push(events []*Event) {
	if len(f.queue)+len(events) > followLimit {
		f.lagged, f.queue = true, nil
	}
	if !f.lagged {
		for _, ev := range events {
			f.queue = append(f.queue, *ev)
		}
	}
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// Next returns the events that came since the last call, at least one, oldest
// first. It waits for them, and to keep its pace. The error is ctx's, or
// [ErrLagged] for good.
func (f *Follower) Next(ctx context.Context) ([]Event, error) {
	for {
		if err := wait.For(ctx, time.Until(f.last.Add(followPace))); err != nil {
			return nil, err
		}
		f.board.mu.Lock()
		events, lagged := f.queue, f.lagged
		f.queue = nil
		f.board.mu.Unlock()
		if lagged {
			return nil, ErrLagged
		}
		if len(events) > 0 {
			f.last = time.Now()
			return events, nil
		}
		select {
		case <-f.signal:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the following; the board forgets f.
func (f *Follower) Close() {
	f.board.mu.Lock()
	defer f.board.mu.Unlock()
	delete(f.board.followers, f)
	f.queue = nil
}
