package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Bounds of transport sessions. Some clients open one for each conversation
// and never end it, so the oldest makes room; it costs the client a 404 and a
// new initialize.
const (
	maxPerGrant = 64
	maxSessions = 4096
	maxStreams  = 4 // GET streams of one session
)

// sessions are the transport sessions of the revisions before 2026-07-28.
// Each belongs to the grant that opened it and is no authority of its own
// (security best practices 2025-11-25, "Session Hijacking"): its id opens
// nothing without a token of that grant. An ended session leaves no trace.
type sessions struct {
	now  func() time.Time
	idle time.Duration

	mu   sync.Mutex // guards what follows, and what session says
	byID map[string]*session
}

// session is one transport session.
type session struct {
	id, grant    string
	version      string // negotiated
	capabilities json.RawMessage
	info         json.RawMessage
	outbox       outbox
	sessionState

	// Guarded by sessions.mu.
	caller  *oauth.Caller // of the newest request
	used    time.Time
	calls   map[*call]struct{} // requests in progress
	streams []*stream          // open GET streams, oldest first
}

type stream struct{ cancel context.CancelCauseFunc }

func newSessions(now func() time.Time, idle time.Duration) *sessions {
	return &sessions{now: now, idle: idle, byID: map[string]*session{}}
}

// create adds a session of caller's grant for c, which opens it, and returns
// the ones that had to make room for it. The caller calls leave as after enter.
func (s *sessions) create(t *session, caller *oauth.Caller, c *call) (ended []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended = append(s.makeRoom(maxSessions, func(*session) bool { return true }),
		s.makeRoom(maxPerGrant, func(o *session) bool { return o.grant == caller.Session })...)
	t.id = rand.Text() // 130 bits, ASCII
	t.grant, t.caller, t.used, t.calls = caller.Session, caller, s.now(), map[*call]struct{}{c: {}}
	s.byID[t.id] = t
	return ended
}

// makeRoom ends the least recently used of the sessions that match, if there
// are limit of them.
func (s *sessions) makeRoom(limit int, match func(*session) bool) (ended []*session) {
	if len(s.byID) < limit {
		return nil
	}
	var oldest *session
	count := 0
	for _, t := range s.byID {
		if !match(t) {
			continue
		}
		count++
		if oldest == nil || s.lastUse(t).Before(s.lastUse(oldest)) {
			oldest = t
		}
	}
	if count < limit {
		return nil
	}
	return s.drop(oldest)
}

// lastUse is when t was used; while a stream is open or a request runs that is
// now.
func (s *sessions) lastUse(t *session) time.Time {
	if len(t.streams) > 0 || len(t.calls) > 0 {
		return s.now()
	}
	return t.used
}

// find returns the session of that id if it is one of caller's grant, and
// marks its use.
func (s *sessions) find(id string, caller *oauth.Caller) (*session, *refusal) {
	return s.enter(id, caller, nil)
}

// enter is find for a request, which belongs to the session from now on: it
// ends with it. The caller calls leave when the request is over. c may be nil.
func (s *sessions) enter(id string, caller *oauth.Caller, c *call) (*session, *refusal) {
	if id == "" {
		return nil, sessionMissing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byID[id]
	if t == nil || t.grant != caller.Session {
		return nil, sessionUnknown
	}
	t.used, t.caller = s.now(), caller
	if c != nil {
		t.calls[c] = struct{}{}
	}
	return t, nil
}

func (s *sessions) leave(t *session, c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(t.calls, c)
	t.used = s.now()
}

// cancel ends the requests of t that have that id (notifications/cancelled).
func (s *sessions) cancel(t *session, id json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range t.calls {
		if string(c.id) == string(id) && c.method != "initialize" {
			c.cancel(errCancelled)
		}
	}
}

// join ties a stream to the session: cancel is called when the session ends,
// or when the client opens more streams than it can need. It reports false if
// the session is over. The caller calls leave when the stream is.
func (s *sessions) join(t *session, cancel context.CancelCauseFunc) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[t.id] != t {
		return nil, false
	}
	if len(t.streams) >= maxStreams {
		t.streams[0].cancel(errNoSession)
		t.streams = slices.Delete(t.streams, 0, 1)
	}
	me := &stream{cancel}
	t.streams = append(t.streams, me)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.used = s.now()
		t.streams = slices.DeleteFunc(t.streams, func(o *stream) bool { return o == me })
	}, true
}

// changed tells the sessions of callers that match.
func (s *sessions) changed(list List, match func(*oauth.Caller) bool) {
	s.mu.Lock()
	callers := map[*session]*oauth.Caller{}
	for _, t := range s.byID {
		callers[t] = t.caller
	}
	s.mu.Unlock()
	for t, caller := range callers { // match is others' code
		if match(caller) {
			t.outbox.add(listChanged(list))
		}
	}
}

// end ends one session.
func (s *sessions) end(id string) []*session {
	return s.endIf(func(t *session) bool { return t.id == id })
}

// endGrant ends the sessions of grant.
func (s *sessions) endGrant(grant string) []*session {
	return s.endIf(func(t *session) bool { return t.grant == grant })
}

// endIdle ends the sessions that nobody has used for a while.
func (s *sessions) endIdle() []*session {
	limit := s.now().Add(-s.idle)
	return s.endIf(func(t *session) bool { return s.lastUse(t).Before(limit) })
}

func (s *sessions) endAll() []*session { return s.endIf(func(*session) bool { return true }) }

func (s *sessions) endIf(match func(*session) bool) (ended []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.byID {
		if match(t) {
			ended = append(ended, s.drop(t)...)
		}
	}
	return ended
}

// drop removes t and ends its streams and requests. The lock is held.
func (s *sessions) drop(t *session) []*session {
	delete(s.byID, t.id)
	for _, open := range t.streams {
		open.cancel(errNoSession)
	}
	for c := range t.calls {
		c.cancel(errNoSession)
	}
	return []*session{t}
}
