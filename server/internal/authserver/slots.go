package authserver

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// Bounds of the fetches that strangers make us do. A host that answers slowly,
// or an actor with many of those, holds its own few and nobody else's.
const (
	fetchesAtOnce   = 32
	fetchesOfHost   = 4
	fetchesOfActor  = 4
	waitingOfActor  = 16
	waitingForFetch = 1000
)

var errBusy = errors.New("too many fetches are under way")

// slots divides the fetches under way by host and by actor. Who finds none free
// waits; of those, first who holds fewest.
type slots struct {
	mu      sync.Mutex // guards what follows
	all     int
	hosts   map[string]int
	actors  map[netip.Prefix]int
	waiting []*waiter // longest first
}

type waiter struct {
	host  string
	actor netip.Prefix
	ready chan struct{} // closed when it has its slot
}

func newSlots() *slots { return &slots{hosts: map[string]int{}, actors: map[netip.Prefix]int{}} }

// take waits for a slot until ctx ends. The caller gives it back by release.
func (s *slots) take(ctx context.Context, host string, actor netip.Prefix) (release func(), err error) {
	w := &waiter{host, actor, make(chan struct{})}
	release = func() { s.release(w) }
	s.mu.Lock()
	mine := 0
	for _, other := range s.waiting {
		if other.actor == actor {
			mine++
		}
	}
	if mine >= waitingOfActor || len(s.waiting) >= waitingForFetch {
		s.mu.Unlock()
		return nil, errBusy
	}
	s.waiting = append(s.waiting, w)
	s.serve()
	s.mu.Unlock()
	select {
	case <-w.ready:
		return release, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, w)
	if i < 0 { // served meanwhile
		return release, nil
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return nil, errBusy
}

// serve gives free slots to those who wait. The caller holds mu.
func (s *slots) serve() {
	for s.all < fetchesAtOnce {
		next := -1
		for i, w := range s.waiting {
			if s.hosts[w.host] < fetchesOfHost && s.actors[w.actor] < fetchesOfActor && (next < 0 || s.actors[w.actor] < s.actors[s.waiting[next].actor]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		w := s.waiting[next]
		s.waiting = slices.Delete(s.waiting, next, next+1)
		s.all++
		s.hosts[w.host]++
		s.actors[w.actor]++
		close(w.ready)
	}
}

func (s *slots) release(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.hosts[w.host]--; s.hosts[w.host] == 0 {
		delete(s.hosts, w.host)
	}
	if s.actors[w.actor]--; s.actors[w.actor] == 0 {
		delete(s.actors, w.actor)
	}
	s.serve()
}
