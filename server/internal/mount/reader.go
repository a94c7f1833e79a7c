package mount

import (
	"context"
	"sync"
	"time"
)

// reader has something read in the background: once for all who ask for it
// meanwhile, and once more if it became another meanwhile.
type reader struct {
	do     func(r *reading)
	start  func(f func()) // runs f in the background
	settle time.Duration  // from a change until it is read

	mu      sync.Mutex // guards all below
	now     *reading   // under way
	stale   bool       // it may have become another since that began
	waiting bool       // the timer of soon runs
}

// reading is one time that it is read.
type reading struct {
	began  time.Time
	done   chan struct{} // closed once it has ended
	urgent chan struct{} // closed once somebody waits for it alone
	hurry  sync.Once
}

// read begins to read, or joins whoever does. urgent is for somebody who can't
// go on without.
func (r *reader) read(urgent bool) *reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		r.now = &reading{began: time.Now(), done: make(chan struct{}), urgent: make(chan struct{})}
		now := r.now
		r.start(func() {
			r.do(now)
			r.finished(now)
		})
	}
	if urgent {
		r.now.hurry.Do(func() { close(r.now.urgent) })
	}
	return r.now
}

// again has it read anew: what is being read may be of before.
func (r *reader) again() {
	r.mu.Lock()
	r.stale = r.now != nil
	r.mu.Unlock()
	r.read(true)
}

func (r *reading) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) finished(now *reading) {
	r.mu.Lock()
	r.now = nil
	stale := r.stale
	r.stale = false
	r.mu.Unlock()
	close(now.done)
	if stale {
		r.soon()
	}
}

// soon has it read in a while: a server may say often that a list has changed.
func (r *reader) soon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil {
		r.stale = true
		return
	}
	if r.waiting {
		return
	}
	r.waiting = true
	time.AfterFunc(r.settle, func() {
		r.mu.Lock()
		r.waiting = false
		r.mu.Unlock()
		r.read(false)
	})
}
