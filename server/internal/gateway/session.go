package gateway

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
)

// Bounds of what one transport session holds.
const (
	maxWatched = 256 // resources subscribed to; also of one subscriptions/listen
	maxAsked   = 64  // requests that its client has not answered

	maxKept = 32 << 10 // bytes of what a client says of itself
	maxURI  = 8 << 10  // bytes of a resource's URI
)

// sessionState is what a transport session gathers while it lives.
type sessionState struct {
	mu      sync.Mutex // guards what follows
	over    bool
	level   string            // of logging/setLevel; "" until then
	watched map[string]func() // resources/subscribe: by URI, what ends it; nil: it is to begin
	asked   map[int64]chan answer
	lastAsk int64
}

type answer struct{ result, err json.RawMessage }

func (s *sessionState) logLevel() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.level
}

func (s *sessionState) setLogLevel(level string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = level
}

// gathered is what a restart would lose of the session; false if it is over,
// and holds nothing any more.
func (s *sessionState) gathered() (gathered, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return gathered{Level: s.level, URIs: slices.Sorted(maps.Keys(s.watched))}, !s.over
}

// restoreFrom has the session hold what it held before a restart. Its
// subscriptions are to begin.
func (s *sessionState) restoreFrom(g gathered) {
	s.level = g.Level
	for _, uri := range g.URIs {
		_, _ = s.reserve(uri)
	}
}

// toBegin are the URIs of the subscriptions that are to begin.
func (s *sessionState) toBegin() (uris []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uri, stop := range s.watched {
		if stop == nil {
			uris = append(uris, uri)
		}
	}
	slices.Sort(uris)
	return uris
}

// ask returns the id of a new request to the client, and where its answer will
// be.
func (s *sessionState) ask() (id int64, answers <-chan answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return 0, nil, errNoSession
	}
	if len(s.asked) >= maxAsked {
		return 0, nil, errors.New("the client has too many requests to answer")
	}
	if s.asked == nil {
		s.asked = map[int64]chan answer{}
	}
	s.lastAsk++
	c := make(chan answer, 1)
	s.asked[s.lastAsk] = c
	return s.lastAsk, c, nil
}

func (s *sessionState) unask(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asked, id)
}

// answered takes an answer. One that nobody waits for is too late, which is
// not the client's fault.
func (s *sessionState) answered(id int64, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.asked[id]; c != nil {
		delete(s.asked, id)
		c <- a
	}
}

var errTooManyWatched = errors.New("too many resources are subscribed to")

// reserve makes room for a subscription, and reports whether it is to begin.
func (s *sessionState) reserve(uri string) (toBegin bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop, there := s.watched[uri]
	if !there && len(s.watched) >= maxWatched {
		return false, errTooManyWatched
	}
	if s.watched == nil {
		s.watched = map[string]func(){}
	}
	s.watched[uri] = stop
	return stop == nil, nil
}

// keep keeps what ends a subscription that was reserved. It reports false if it
// is not wanted any more, or has begun otherwise: then the caller ends its own.
func (s *sessionState) keep(uri string, stop func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	begun, there := s.watched[uri]
	if s.over || !there || begun != nil {
		return false
	}
	s.watched[uri] = stop
	return true
}

func (s *sessionState) unwatch(uri string) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop = s.watched[uri]
	delete(s.watched, uri)
	return stop
}

func (s *sessionState) close() (stops []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, stop := range s.watched {
		if stop != nil {
			stops = append(stops, stop)
		}
	}
	s.watched = nil
	return stops
}
