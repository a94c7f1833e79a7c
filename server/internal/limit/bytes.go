package limit

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Bytes bounds how many bytes of messages are in flight at once, for each holder
// and in all: memory is what a few large messages use up first. Who finds no
// room waits its turn. Small messages need not ask, see [Free].
type Bytes struct {
	each int64

	mu      sync.Mutex // guards what follows, and what holds hold
	free    int64
	out     map[*Hold]struct{} // those that hold something
	waiting []*waiter          // the longest first
}

type waiter struct {
	hold *Hold
	n    int64
	done chan struct{}
}

const (
	// Free is how large a message may be without asking for room, in bytes. Nearly
	// all are smaller.
	Free = 64 << 10

	// patience is how long a client may take nothing of its message while somebody
	// waits for room.
	patience = 4 * time.Second
)

// Requests and Answers are the room of this process, as its memory is. A message
// costs several times its length while it is decoded, decided on and written
// anew. They are two, and nobody who holds of Answers waits for Requests, so that
// no two calls ever wait for each other. Beside two holders that have their whole
// share, others still find room.
var (
	Requests = NewBytes(10<<20, 24<<20)
	Answers  = NewBytes(10<<20, 24<<20)
)

// NewBytes returns room for all bytes, each of them for one holder.
func NewBytes(each, all int64) *Bytes {
	return &Bytes{each: each, free: all, out: map[*Hold]struct{}{}}
}

// Hold is the room of one message. Its methods do nothing on nil, and may be
// called at once.
type Hold struct {
	of *Bytes

	// Guarded by of.mu.
	who  string
	n    int64
	over bool
	sent time.Time // when its client took something
	cut  func()    // nil: it is not being sent
}

// For returns a hold of who that holds nothing yet. The caller releases it.
func (b *Bytes) For(who string) *Hold { return &Hold{of: b, who: who} }

// Take waits until there is room for n bytes, or ctx is done. A message that is
// larger than the whole share takes all of it. A hold takes once: what it needs
// besides is not counted, since waiting with something in hand could last
// forever.
func (h *Hold) Take(ctx context.Context, n int64) error {
	if h == nil || n <= Free {
		return nil
	}
	w := &waiter{h, min(n, h.of.each), make(chan struct{})}
	h.of.change(func() { h.of.waiting = append(h.of.waiting, w) })
	look := time.NewTicker(patience / 4)
	defer look.Stop()
	for {
		select {
		case <-w.done:
			return nil
		case <-look.C:
			h.of.change(func() {
				if w.n > h.of.free { // else it waits for its own
					h.of.cutIdle()
				}
			})
		case <-ctx.Done():
			h.of.change(func() {
				if i := slices.Index(h.of.waiting, w); i >= 0 {
					h.of.waiting = slices.Delete(h.of.waiting, i, i+1)
				} else {
					h.add(-h.n)
				}
			})
			return ctx.Err()
		}
	}
}

// change does what, and gives those that wait what there is then. Whose own share
// is used up keeps nobody else from theirs; who needs more than there is in all
// has its turn before those that came later.
func (b *Bytes) change(what func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what()
	full, waits := false, map[string]bool{}
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		h := w.hold
		if !h.over && h.n == 0 {
			own := waits[h.who] || b.held(h.who)+w.n > b.each
			if full = full || !own && w.n > b.free; full || own {
				waits[h.who] = true
				return false
			}
			h.add(w.n)
		}
		close(w.done)
		return true
	})
}

// held is how much who holds. The lock is held.
func (b *Bytes) held(who string) (n int64) {
	for h := range b.out {
		if h.who == who {
			n += h.n
		}
	}
	return n
}

// add gives n bytes to h, or takes them back. The lock is held.
func (h *Hold) add(n int64) {
	h.n += n
	h.of.free -= n
	h.of.out[h] = struct{}{}
	if h.n == 0 {
		delete(h.of.out, h)
		h.cut = nil // the next message has taken nothing yet
	}
	pressure.add(n)
}

// Sending says that the client takes what is sent. It may be asked to stop: cut is
// called if it has not taken anything for a while and others wait for the room.
func (h *Hold) Sending(cut func()) {
	if h != nil {
		h.of.mu.Lock()
		h.sent, h.cut = time.Now(), cut
		h.of.mu.Unlock()
	}
}

// cutIdle ends messages whose clients do not read. The lock is held.
func (b *Bytes) cutIdle() {
	for h := range b.out {
		if h.cut != nil && time.Since(h.sent) > patience {
			h.cut()
		}
	}
}

// Shrink gives back what is more than n bytes; all of it if a message of that
// length need not ask.
func (h *Hold) Shrink(n int64) {
	if h == nil {
		return
	}
	if n <= Free {
		n = 0
	}
	h.of.change(func() { h.add(min(n-h.n, 0)) })
}

// Release gives everything back, for good.
func (h *Hold) Release() {
	if h != nil {
		h.of.change(func() {
			h.over = true
			h.add(-h.n)
		})
	}
}

// Give passes what h holds on to another, which has the message from now on. It
// counts as that of the giver still.
func (h *Hold) Give(to *Hold) {
	if h == nil {
		return
	}
	h.of.change(func() {
		n := h.n
		h.add(-n)
		if to != nil && !to.over && to.n == 0 && n > 0 {
			to.who = h.who
			to.add(n)
		}
	})
}

type holdKey struct{}

// WithHold returns a context in which h is the room for the answer.
func WithHold(ctx context.Context, h *Hold) context.Context {
	return context.WithValue(ctx, holdKey{}, h)
}

// HoldOf is the hold of WithHold, or nil.
func HoldOf(ctx context.Context) *Hold {
	h, _ := ctx.Value(holdKey{}).(*Hold)
	return h
}
