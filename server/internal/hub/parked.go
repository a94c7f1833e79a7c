package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Bounds of calls that wait for their clients. Many clients give up without a
// word, so that the oldest of a sign-in makes room for its newest.
const (
	maxParked        = 1000
	maxParkedSession = 8
)

type parkedCalls struct {
	hold time.Duration

	mu      sync.Mutex // guards all below
	waiting map[string]*parkedCall
	count   uint64
}

// add lets a call wait. The ticket opens it once.
func (l *parkedCalls) add(s *parkedCall) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var theirs []*parkedCall
	for _, other := range l.waiting {
		if other.about.session == s.about.session {
			theirs = append(theirs, other)
		}
	}
	if len(theirs) >= maxParkedSession {
		l.drop(slices.MinFunc(theirs, func(a, b *parkedCall) int { return cmp.Compare(a.since, b.since) }), errGivenUp)
	}
	if len(l.waiting) >= maxParked {
		return "", rpc.Errorf(rpc.CodeInternal, "Too many calls wait for an answer. Try again later.")
	}
	l.count++
	ticket := rand.Text() // a number would come again after a restart
	s.ticket, s.since = ticket, l.count
	l.waiting[ticket] = s
	s.timer = time.AfterFunc(l.hold, func() {
		if l.take(ticket, s.about) != nil {
			s.cancel(errExpired)
		}
	})
	return ticket, nil
}

func (l *parkedCalls) drop(s *parkedCall, why error) {
	delete(l.waiting, s.ticket)
	s.timer.Stop()
	s.cancel(why)
}

// take lets a call go on; nil if none of that ticket is about the same.
func (l *parkedCalls) take(ticket string, about request) *parkedCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.waiting[ticket]
	if s == nil || s.about != about {
		return nil
	}
	delete(l.waiting, ticket)
	s.timer.Stop()
	return s
}

func (l *parkedCalls) end(over func(session string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.waiting {
		if over(s.about.session) {
			l.drop(s, context.Canceled)
		}
	}
}
