package mount

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds of what runs at once. Whoever is served in a conversation that another
// one has to make room for begins a new one with the next call.
const (
	// maxConversations bounds the sign-ins that are served by one server at once:
	// each may have a process of its own.
	maxConversations = 16
	// maxProcesses bounds the processes of all servers together.
	maxProcesses = 64
)

// Processes returns how many processes of mounted servers run, and how many may:
// of each server (besides the one in which Drawbridge reads what it offers), and
// of all together.
func (s *Set) Processes() (running, each, all int) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return len(s.room.taken), maxConversations, maxProcesses
}

// room counts processes.
type room struct {
	mu    sync.Mutex // guards taken
	taken map[*conversation]bool
}

// enter reports whether there was room for one more.
func (r *room) enter(c *conversation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) >= maxProcesses {
		return false
	}
	r.taken[c] = true
	return true
}

func (r *room) leave(c *conversation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.taken, c)
}

func (r *room) all() []*conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.taken))
}

// endIdle ends the one of these that was unused for longest; first those in which
// catalogs are read, whose reading is no use. It reports false if there is none.
// onlyOwn spares those of clients.
func endIdle(of []*conversation, onlyOwn bool) bool {
	var found *conversation
	var since time.Time
	for _, c := range of {
		c.server.mu.Lock()
		used, ok := c.server.mayEndLocked(c)
		c.server.mu.Unlock()
		if ok && (found == nil || used.Before(since)) && !(onlyOwn && !used.IsZero()) {
			found, since = c, used
		}
	}
	if found == nil {
		return false
	}
	found.server.drop(found, "made room for somebody else. Try again.")
	return true // also if it is in use by now: the caller looks again
}

// mayEndLocked reports whether nobody uses c, and since when. One that Drawbridge
// alone has used was never used. It needs mu.
func (s *server) mayEndLocked(c *conversation) (since time.Time, ok bool) {
	since, unused := c.idle()
	if !unused || !c.isReady() || s.isWatchedLocked(c.key) {
		return time.Time{}, false
	}
	if c.key == (key{}) {
		since = time.Time{}
	}
	return since, true
}

// drop ends c, unless somebody uses it.
func (s *server) drop(c *conversation, why string) {
	s.endThose(errSessionGone, why, func(other *conversation) bool {
		_, unused := s.mayEndLocked(other)
		return other == c && unused
	})
}

// clientsLocked returns the conversations of sign-ins. It needs mu.
func (s *server) clientsLocked() []*conversation {
	var list []*conversation
	for k, c := range s.convs {
		if k.who != "" {
			list = append(list, c)
		}
	}
	return list
}
