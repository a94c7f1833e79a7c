package resource

import (
	"context"
	"sync"
	"time"
)

// watches cancel the requests of a grant when it ends. A goroutine waits for
// each grant that is in use, not for each request: most requests are over in
// microseconds.
type watches struct {
	mu      sync.Mutex // guards what follows
	byGrant map[<-chan struct{}]*watch

	closed chan struct{} // ends every goroutine
	close  sync.Once
}

type watch struct {
	requests map[*request]struct{}
}

type request struct{ cancel context.CancelFunc }

// unused is how long a watch outlives the last request of its grant, at least.
const unused = time.Minute

// add has r cancelled when ended is closed. The caller gives the watch to
// remove when the request is over.
func (w *watches) add(ended <-chan struct{}, r *request) *watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.byGrant[ended]
	if one == nil {
		one = &watch{requests: map[*request]struct{}{}}
		w.byGrant[ended] = one
		go w.wait(ended, one)
	}
	one.requests[r] = struct{}{}
	return one
}

func (w *watches) remove(one *watch, r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(one.requests, r)
}

func (w *watches) cancelAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.byGrant {
		for r := range one.requests {
			r.cancel()
		}
	}
}

// wait runs until the grant ends, or nothing of it has been in progress for a
// while.
func (w *watches) wait(ended <-chan struct{}, one *watch) {
	t := time.NewTicker(unused)
	defer t.Stop()
	for {
		select {
		case <-ended:
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.byGrant, ended)
			for r := range one.requests {
				r.cancel()
			}
			return
		case <-w.closed:
			return
		case <-t.C:
			w.mu.Lock()
			if len(one.requests) == 0 {
				delete(w.byGrant, ended)
				w.mu.Unlock()
				return
			}
			w.mu.Unlock()
		}
	}
}
