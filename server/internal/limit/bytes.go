package limit

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Bytes bounds how many bytes of messages are in flight at once, for each holder
// and in all: memory is what a few large messages use up first. Who finds no
// room waits its turn. Small messages need not ask, see [Free].
type Bytes struct {
	each int64
	all  *semaphore.Weighted

	mu     sync.Mutex // guards shares
	shares map[string]*share
}

// share is what one holder may have.
type share struct {
	room  *semaphore.Weighted
	users int // those that hold of it, or wait
}

// Free is how large a message may be without asking for room, in bytes. Nearly
// all are smaller.
const Free = 64 << 10

// Requests and Answers are the room of this process, as its memory is. A message
// costs several times its length while it is decoded, decided on and written
// anew. They are two, and nobody who holds of Answers waits for Requests, so that
// no two calls ever wait for each other.
var (
	Requests = NewBytes(16<<20, 24<<20)
	Answers  = NewBytes(16<<20, 24<<20)
)

// NewBytes returns room for all bytes, each of them for one holder.
func NewBytes(each, all int64) *Bytes {
	return &Bytes{each: each, all: semaphore.NewWeighted(all), shares: map[string]*share{}}
}

// Hold is the room of one message. Its methods do nothing on nil, and may be
// called at once.
type Hold struct {
	of  *Bytes
	who string

	mu    sync.Mutex // guards what follows
	share *share     // nil: nothing is held
	n     int64
	over  bool
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
	h.mu.Lock()
	taken := h.over || h.share != nil
	h.mu.Unlock()
	if taken {
		return nil
	}
	b := h.of
	n = min(n, b.each)
	s := b.enter(h.who)
	// The own share first: who waits for it keeps nobody else from theirs.
	if err := s.room.Acquire(ctx, n); err != nil {
		b.leave(h.who, s)
		return err
	}
	if err := b.all.Acquire(ctx, n); err != nil {
		s.room.Release(n)
		b.leave(h.who, s)
		return err
	}
	pressure.add(n)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.share != nil {
		b.release(s, n)
		b.leave(h.who, s)
		return nil
	}
	h.share, h.n = s, n
	return nil
}

// Shrink gives back what is more than n bytes; all of it if a message of that
// length need not ask.
func (h *Hold) Shrink(n int64) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n <= Free {
		h.letGo()
	} else if more := h.n - n; h.share != nil && more > 0 {
		h.of.release(h.share, more)
		h.n = n
	}
}

// Release gives everything back, for good.
func (h *Hold) Release() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.letGo()
}

// Give passes what h holds on to another, which has the message from now on.
func (h *Hold) Give(to *Hold) {
	if h == nil {
		return
	}
	h.mu.Lock()
	s, n, who := h.share, h.n, h.who
	h.share, h.n = nil, 0
	h.mu.Unlock()
	if s == nil {
		return
	}
	if to != nil {
		to.mu.Lock()
		if !to.over && to.share == nil {
			to.share, to.n, to.of, to.who = s, n, h.of, who
			to.mu.Unlock()
			return
		}
		to.mu.Unlock()
	}
	h.of.release(s, n)
	h.of.leave(who, s)
}

// letGo needs the lock.
func (h *Hold) letGo() {
	if h.share == nil {
		return
	}
	h.of.release(h.share, h.n)
	h.of.leave(h.who, h.share)
	h.share, h.n = nil, 0
}

func (b *Bytes) enter(who string) *share {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.shares[who]
	if s == nil {
		s = &share{room: semaphore.NewWeighted(b.each)}
		b.shares[who] = s
	}
	s.users++
	return s
}

func (b *Bytes) leave(who string, s *share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(b.shares, who)
	}
}

func (b *Bytes) release(s *share, n int64) {
	pressure.sub(n)
	b.all.Release(n)
	s.room.Release(n)
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
