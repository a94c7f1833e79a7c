package gateway

import (
	"strings"
	"sync"
	"testing"
	"time"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// It handles DELETE: the session is gone, its streams end (TL-8).
func TestDelete(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	if got := r.post(ping, session).StatusCode; got != 200 {
		t.Fatalf("ping: %d", got)
	}
	stream := newEvents(t, r.do("GET", nil, session))
	if got := r.do("DELETE", nil, session).StatusCode; got != 200 {
		t.Errorf("DELETE: %d", got)
	}
	if m, ok := stream.next(); ok {
		t.Errorf("stream goes on: %+v", m)
	}
	for _, method := range []string{"POST", "GET", "DELETE"} {
		var body = ""
		if method == "POST" {
			body = ping
		}
		if got := r.do(method, strings.NewReader(body), session).StatusCode; got != 404 {
			t.Errorf("%s after DELETE: %d", method, got)
		}
	}
}

// It handles sessions that nobody uses, and keeps those with an open stream.
func TestIdleSessions(t *testing.T) {
	c := &clock{now: time.Now()}
	r := newRig(t, func(o *EndpointOptions) { o.Now = c.Now; o.SessionIdle = time.Hour })
	idle, busy := r.initialize(), r.initialize()
	r.do("GET", nil, busy)
	c.add(2 * time.Hour)
	r.e.sessions.endIdle()
	if n := len(r.e.sessions.byKey); n != 1 {
		t.Errorf("%d sessions are kept", n)
	}
	for _, session := range []string{idle, busy} { // its client never knows
		if got := r.post(ping, session).StatusCode; got != 200 {
			t.Errorf("%d", got)
		}
	}
}

// It handles a client that opens session after session: the least recently
// used make room, and other grants keep theirs.
func TestSessionsAreBounded(t *testing.T) {
	c := &clock{now: time.Now()}
	r := newRig(t, func(o *EndpointOptions) { o.Now = c.Now })
	others := r.initialize("X-Caller: bob")
	first, second := r.initialize(), r.initialize()
	for range maxPerGrant - 2 {
		c.add(time.Second)
		r.initialize()
	}
	if got := r.post(ping, first).StatusCode; got != 200 { // and is used now
		t.Errorf("first: %d", got)
	}
	newest := r.initialize()
	live := func(session string) bool {
		return r.e.sessions.byKey[sessionKey{strings.TrimPrefix(session, "Mcp-Session-Id: "), ana.Session}] != nil
	}
	if !live(first) || live(second) || !live(newest) {
		t.Errorf("kept: first %t, second %t, newest %t", live(first), live(second), live(newest))
	}
	for _, session := range []string{first, second, newest} { // no client knows
		if got := r.post(ping, session).StatusCode; got != 200 {
			t.Errorf("%d", got)
		}
	}
	if got := r.post(ping, others, "X-Caller: bob").StatusCode; got != 200 {
		t.Errorf("other grant: %d", got)
	}
	if n := len(r.e.sessions.byKey); n != maxPerGrant+1 {
		t.Errorf("%d sessions", n)
	}
}

// It handles more streams of one session than a client needs.
func TestStreamsAreBounded(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	first := newEvents(t, r.do("GET", nil, session))
	for range maxStreams {
		r.do("GET", nil, session)
	}
	if m, ok := first.next(); ok {
		t.Errorf("first stream goes on: %+v", m)
	}
}

// It handles ids that look alike: each is new and unguessable (TL-6).
func TestSessionIDs(t *testing.T) {
	r := newRig(t)
	seen := map[string]bool{}
	for range 20 {
		id := strings.TrimPrefix(r.initialize(), "Mcp-Session-Id: ")
		if seen[id] || len(id) < 26 || strings.ContainsFunc(id, func(c rune) bool { return c < 0x21 || c > 0x7e }) {
			t.Errorf("id %q", id)
		}
		seen[id] = true
	}
}
