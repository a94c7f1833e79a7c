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
	watched map[string]func() // resources/subscribe: by URI, what ends it
	missing []string          // URIs that were watched before a restart, and will be
	asked   map[int64]chan answer
	lastAsk int64
}

// answer is what a client said to a request of the server.
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
	uris := append(slices.Sorted(maps.Keys(s.watched)), s.missing...)
	return gathered{Level: s.level, URIs: uris}, !s.over
}

// nextMissing returns a URI that is to be watched again.
func (s *sessionState) nextMissing() (uri string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.missing) == 0 {
		return "", false
	}
	return s.missing[0], true
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

// mayWatch reports whether uri is new, and may be subscribed to.
func (s *sessionState) mayWatch(uri string) (isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched[uri] != nil {
		return false, nil
	}
	if len(s.watched) >= maxWatched {
		return false, errTooManyWatched
	}
	return true, nil
}

// watch keeps what ends a subscription. It reports false if there is one of
// that URI by now, or the session is over: then the caller ends its own.
func (s *sessionState) watch(uri string, stop func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(uri, stop)
}

// keep is watch. The lock is held.
func (s *sessionState) keep(uri string, stop func()) bool {
	if s.over || s.watched[uri] != nil || len(s.watched) >= maxWatched {
		return false
	}
	if s.watched == nil {
		s.watched = map[string]func(){}
	}
	s.watched[uri] = stop
	s.found(uri)
	return true
}

// restored is watch for a URI that was missing, if it still is.
func (s *sessionState) restored(uri string, stop func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.missing, uri) {
		return false
	}
	s.found(uri) // though there may be no room any more
	return s.keep(uri, stop)
}

// unwatch returns what ends the subscription of uri, or nil.
func (s *sessionState) unwatch(uri string) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop = s.watched[uri]
	delete(s.watched, uri)
	s.found(uri)
	return stop
}

// found takes uri out of what is missing. The lock is held.
func (s *sessionState) found(uri string) {
	s.missing = slices.DeleteFunc(s.missing, func(o string) bool { return o == uri })
}

// close returns what ends the subscriptions of the session.
func (s *sessionState) close() (stops []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, stop := range s.watched {
		stops = append(stops, stop)
	}
	s.watched = nil
	return stops
}
