package mount

import (
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

// endIdle ends the process of any server that was unused for longest; first
// those in which catalogs are read, whose reading is no use. It reports false if
// there is none. onlyOwn spares those of clients.
func (s *Set) endIdle(onlyOwn bool) bool {
	s.room.mu.Lock()
	var all []*conversation
	for c := range s.room.taken {
		all = append(all, c)
	}
	s.room.mu.Unlock()
	var found *conversation
	var since time.Time
	for _, c := range all {
		if used, ok := c.mayEnd(); ok && (found == nil || used.Before(since)) && !(onlyOwn && !used.IsZero()) {
			found, since = c, used
		}
	}
	return found != nil && found.server.endIdle(found)
}

// mayEnd reports whether nobody uses c, and since when. One that Drawbridge
// alone has used was never used.
func (c *conversation) mayEnd() (since time.Time, ok bool) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mayEndLocked(c)
}

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

// endIdle ends c, unless somebody uses it by now.
func (s *server) endIdle(c *conversation) bool {
	s.mu.Lock()
	_, ok := s.mayEndLocked(c)
	ok = ok && s.convs[c.key] == c
	if ok {
		delete(s.convs, c.key)
	}
	s.mu.Unlock()
	if ok {
		c.end(s.errorf(nil, "made room for somebody else. Try again."))
	}
	return ok
}

// makeRoom ends the sign-in's conversation that was unused for longest, if there
// are too many. It needs mu.
func (s *server) makeRoom() error {
	var theirs []*conversation
	for _, c := range s.convs {
		if c.key.who != "" {
			theirs = append(theirs, c)
		}
	}
	if len(theirs) < maxConversations {
		return nil
	}
	theirs = slices.DeleteFunc(theirs, func(c *conversation) bool { _, ok := s.mayEndLocked(c); return !ok })
	if len(theirs) == 0 {
		return s.errorf(nil, "is in use by too many people at once. Try again in a while.")
	}
	oldest := slices.MinFunc(theirs, func(a, b *conversation) int {
		since, _ := s.mayEndLocked(a)
		other, _ := s.mayEndLocked(b)
		return since.Compare(other)
	})
	delete(s.convs, oldest.key)
	oldest.end(s.errorf(nil, "made room for somebody else. Try again."))
	return nil
}
