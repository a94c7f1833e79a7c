package gateway

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Bounds of transport sessions. Some clients open one for each conversation
// and never end it, so the oldest makes room; should its client come back, its
// id sets it up again.
const (
	maxPerGrant = 64
	maxSessions = 4096
	maxStreams  = 4    // GET streams of one session
	maxEnded    = 4096 // ids that clients ended and that are remembered as such
)

// sessions are the transport sessions of the revisions before 2026-07-28.
// They have no authority of their own (security best practices 2025-11-25,
// "Session Hijacking"): an id opens nothing without a token, and with one only
// if it was made for the same person and client, see [sealer]. Two grants of
// theirs that use one id have a session each, because questions, streams and
// cancellations belong to one sign-in.
type sessions struct {
	now    func() time.Time
	idle   time.Duration
	seal   *sealer
	memory *Memory
	letGo  func(*session) // hears of each that is over, without the lock

	mu    sync.Mutex // guards what follows, and what session says
	byKey map[sessionKey]*session
	ended []string   // ids that their clients ended, the oldest first
	over  []*session // since the lock was taken
}

type sessionKey struct{ id, grant string }

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
	streams []*exchange        // open GET streams, oldest first
}

// unlock lets the lock go, and of the sessions that have ended under it.
func (s *sessions) unlock() {
	over := s.over
	s.over = nil
	s.mu.Unlock()
	for _, t := range over {
		s.letGo(t)
	}
}

// create adds a session of caller's grant for c, which opens it. The caller calls
// leave as after enter.
func (s *sessions) create(t *session, caller *oauth.Caller, c *call) {
	t.id = s.seal.seal(t, caller)
	s.mu.Lock()
	defer s.unlock()
	s.add(t, caller)
	t.calls[c] = struct{}{}
}

// add makes room for t. The lock is held.
func (s *sessions) add(t *session, caller *oauth.Caller) {
	s.makeRoom(maxSessions, func(*session) bool { return true })
	s.makeRoom(maxPerGrant, func(o *session) bool { return o.grant == caller.Session })
	t.grant, t.caller, t.used, t.calls = caller.Session, caller, s.now(), map[*call]struct{}{}
	s.byKey[sessionKey{t.id, t.grant}] = t
}

// makeRoom ends the least recently used of the sessions that match, if there
// are limit of them. The lock is held.
func (s *sessions) makeRoom(limit int, match func(*session) bool) {
	if len(s.byKey) < limit {
		return
	}
	var oldest *session
	count := 0
	for _, t := range s.byKey {
		if !match(t) {
			continue
		}
		count++
		if oldest == nil || s.lastUse(t).Before(s.lastUse(oldest)) {
			oldest = t
		}
	}
	if count >= limit {
		s.drop(oldest, errEnded)
	}
}

// lastUse is when t was used; while a stream is open or a request runs that is
// now.
func (s *sessions) lastUse(t *session) time.Time {
	if len(t.streams) > 0 || len(t.calls) > 0 {
		return s.now()
	}
	return t.used
}

// enter returns the session of that id if caller may use it, whether it was set
// up again just now, and marks its use. A request c belongs to it from now on: it
// ends with it, and the caller calls leave when it is over. c may be nil.
func (s *sessions) enter(id string, caller *oauth.Caller, c *call) (t *session, restored bool, f *refusal) {
	if id == "" {
		return nil, false, sessionMissing
	}
	key := sessionKey{id, caller.Session}
	s.mu.Lock()
	defer s.unlock()
	t = s.byKey[key]
	if t == nil {
		s.mu.Unlock()
		again := s.seal.open(id, caller)
		if again != nil {
			again.restoreFrom(s.memory.load(id)) // may have to wait for the disk
		}
		s.mu.Lock()
		if t = s.byKey[key]; t == nil {
			if again == nil || slices.Contains(s.ended, id) {
				return nil, false, sessionUnknown
			}
			t, restored = again, true
			s.add(t, caller)
		}
	}
	t.used, t.caller = s.now(), caller
	if c != nil {
		t.calls[c] = struct{}{}
	}
	return t, restored, nil
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

// join ties a stream to the session: it ends when the session does, or when the
// client opens more streams than it can need. It reports false if the session is
// over. The caller calls leave when the stream is.
func (s *sessions) join(t *session, x *exchange) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[sessionKey{t.id, t.grant}] != t {
		return nil, false
	}
	if len(t.streams) >= maxStreams {
		t.streams[0].cancel(errNoSession)
		t.streams = slices.Delete(t.streams, 0, 1)
	}
	t.streams = append(t.streams, x)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.used = s.now()
		t.streams = slices.DeleteFunc(t.streams, func(o *exchange) bool { return o == x })
	}, true
}

func (s *sessions) changed(list List, match func(*oauth.Caller) bool) {
	s.each(func(t *session, caller *oauth.Caller) {
		if match(caller) {
			t.outbox.add(listChanged(list))
		}
	})
}

// each calls see, which is others' code, without the lock.
func (s *sessions) each(see func(*session, *oauth.Caller)) {
	s.mu.Lock()
	callers := map[*session]*oauth.Caller{}
	for _, t := range s.byKey {
		callers[t] = t.caller
	}
	s.mu.Unlock()
	for t, caller := range callers {
		see(t, caller)
	}
}

// end ends the sessions of an id for good: their client has said so.
func (s *sessions) end(id string) {
	s.mu.Lock()
	s.ended = append(s.ended, id)
	s.ended = s.ended[max(0, len(s.ended)-maxEnded):]
	s.mu.Unlock()
	s.endIf(errNoSession, func(t *session) bool { return t.id == id })
}

func (s *sessions) endIdle() {
	limit := s.now().Add(-s.idle)
	s.endIf(errEnded, func(t *session) bool { return s.lastUse(t).Before(limit) })
}

// endIf ends the sessions that match, and tells what is in progress why.
func (s *sessions) endIf(cause error, match func(*session) bool) {
	s.mu.Lock()
	defer s.unlock()
	for _, t := range s.byKey {
		if match(t) {
			s.drop(t, cause)
		}
	}
}

// drop removes t and ends its streams and requests. The lock is held.
func (s *sessions) drop(t *session, cause error) {
	delete(s.byKey, sessionKey{t.id, t.grant})
	for _, open := range t.streams {
		open.cancel(cause)
	}
	for c := range t.calls {
		c.cancel(cause)
	}
	s.over = append(s.over, t)
}
