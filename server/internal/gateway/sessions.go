package gateway

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"
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

	mu   sync.Mutex // guards what follows
	byID map[string]*session
}

type session struct {
	id, grant string
	used      time.Time
	streams   []*stream // open GET streams, oldest first
}

type stream struct{ cancel context.CancelFunc }

func newSessions(now func() time.Time, idle time.Duration) *sessions {
	return &sessions{now: now, idle: idle, byID: map[string]*session{}}
}

// create returns the id of a new session of grant, and the ids of those that
// had to make room for it.
func (s *sessions) create(grant string) (id string, ended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended = append(s.makeRoom(maxSessions, func(*session) bool { return true }),
		s.makeRoom(maxPerGrant, func(t *session) bool { return t.grant == grant })...)
	id = rand.Text() // 130 bits, ASCII
	s.byID[id] = &session{id: id, grant: grant, used: s.now()}
	return id, ended
}

// makeRoom ends the least recently used of the sessions that match, if there
// are limit of them.
func (s *sessions) makeRoom(limit int, match func(*session) bool) (ended []string) {
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

// lastUse is when t was used; while a stream is open that is now.
func (s *sessions) lastUse(t *session) time.Time {
	if len(t.streams) > 0 {
		return s.now()
	}
	return t.used
}

// check returns nil if id is a session of grant, and marks its use.
func (s *sessions) check(id, grant string) *refusal {
	if id == "" {
		return sessionMissing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byID[id]
	if t == nil || t.grant != grant {
		return sessionUnknown
	}
	t.used = s.now()
	return nil
}

func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id] != nil
}

// join ties a stream to the session: cancel is called when the session ends,
// or when the client opens more streams than it can need. It reports false if
// there is no such session. The caller calls leave when the stream is over.
func (s *sessions) join(id string, cancel context.CancelFunc) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byID[id]
	if t == nil {
		return nil, false
	}
	if len(t.streams) >= maxStreams {
		t.streams[0].cancel()
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

// end ends one session.
func (s *sessions) end(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byID[id]; t != nil {
		return s.drop(t)
	}
	return nil
}

// endGrant ends the sessions of grant.
func (s *sessions) endGrant(grant string) []string {
	return s.endIf(func(t *session) bool { return t.grant == grant })
}

// endIdle ends the sessions that nobody has used for a while.
func (s *sessions) endIdle() []string {
	limit := s.now().Add(-s.idle)
	return s.endIf(func(t *session) bool { return s.lastUse(t).Before(limit) })
}

func (s *sessions) endAll() []string { return s.endIf(func(*session) bool { return true }) }

func (s *sessions) endIf(match func(*session) bool) (ended []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.byID {
		if match(t) {
			ended = append(ended, s.drop(t)...)
		}
	}
	return ended
}

// drop removes t and ends its streams. The lock is held.
func (s *sessions) drop(t *session) []string {
	delete(s.byID, t.id)
	for _, open := range t.streams {
		open.cancel()
	}
	return []string{t.id}
}
