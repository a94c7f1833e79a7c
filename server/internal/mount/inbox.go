package mount

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// What may wait for a client that reads slowly, for one call.
const (
	inboxNotes = 1000
	inboxBytes = 4 << 20
)

// note is a notification on its way to a client.
type note struct {
	method string
	params json.RawMessage
}

// inbox holds what came for one call until the call's own goroutine takes it,
// so that a client that reads slowly doesn't hold up the server's other calls.
type inbox struct {
	ready chan struct{} // holds one wake

	mu     sync.Mutex // guards all below
	notes  []note
	size   int
	done   bool
	result rpc.Object
	err    error
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

// put reports whether there was room.
func (b *inbox) put(n note) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done || len(b.notes) >= inboxNotes || b.size > inboxBytes {
		return false
	}
	b.notes, b.size = append(b.notes, n), b.size+len(n.params)
	b.wake()
	return true
}

// finish puts the answer behind all notes. Only the first counts.
func (b *inbox) finish(result rpc.Object, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.done {
		b.done, b.result, b.err = true, result, err
		b.wake()
	}
}

func (b *inbox) isDone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

// wake needs mu.
func (b *inbox) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// wait delivers notes until the answer comes or ctx ends.
func (b *inbox) wait(ctx context.Context, deliver func(note)) (rpc.Object, error) {
	for {
		select {
		case <-b.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		b.mu.Lock()
		notes, done := b.notes, b.done
		b.notes, b.size = nil, 0
		b.mu.Unlock()
		for _, n := range notes {
			deliver(n)
		}
		if done { // after which put takes nothing more
			return b.result, b.err
		}
	}
}
