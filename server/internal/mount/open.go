package mount

import (
	"context"
	"errors"
	"time"
)

// maxConversations bounds the conversations of one server: each may be a
// process.
const maxConversations = 16

// patience is how long a call waits for a server that is about to be started
// again.
const patience = 1500 * time.Millisecond

// conversation returns the open conversation of sub, which it opens if there is
// none.
func (s *server) conversation(ctx context.Context, sub string) (*conversation, error) {
	for {
		c, pause, err := s.pick(sub)
		if err != nil {
			return nil, err
		}
		if c == nil {
			if err := sleep(ctx, pause); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if c.err != nil {
			return nil, s.unanswered(c.err)
		}
		return c, nil
	}
}

// pick returns the conversation of sub, one that it begins to open, or how long
// to wait before there can be one.
func (s *server) pick(sub string) (*conversation, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, 0, s.errorf(nil, "is not mounted any more.")
	}
	if c := s.convs[sub]; c != nil && c.alive() {
		return c, 0, nil
	}
	if c := s.convs[""]; c != nil && c.alive() && s.adoptable() {
		// The first person takes what was opened for the catalog: nobody else
		// has spoken there.
		delete(s.convs, "")
		c.sub = sub
		s.convs[sub] = c
		return c, 0, nil
	}
	if pause := s.retryAt.Sub(s.set.now()); pause > patience {
		return nil, 0, &Error{Server: s.name, Message: s.problem}
	} else if pause > 0 {
		return nil, pause, nil
	}
	if err := s.makeRoom(); err != nil {
		return nil, 0, err
	}
	c := newConversation(s, sub)
	s.convs[sub] = c
	s.set.working.start(func() { s.open(c) })
	return c, 0, nil
}

// adoptable reports whether a conversation says nothing of who opened it. Over
// HTTP it does once we sign who asks.
func (s *server) adoptable() bool { return !s.isHTTP() || s.set.identity == nil }

// makeRoom ends the conversation that was unused for longest, if there are too
// many. It needs mu.
func (s *server) makeRoom() error {
	if len(s.convs) < maxConversations {
		return nil
	}
	var oldest *conversation
	var since time.Time
	for sub, c := range s.convs {
		used, unused := c.idle()
		if c.isReady() && unused && len(s.watched[sub]) == 0 && (oldest == nil || used.Before(since)) {
			oldest, since = c, used
		}
	}
	if oldest == nil {
		return s.errorf(nil, "is in use by too many people at once. Try again in a while.")
	}
	delete(s.convs, oldest.sub)
	oldest.end(s.errorf(nil, "made room for somebody else. Try again."))
	return nil
}

// open opens c and notes how that went.
func (s *server) open(c *conversation) {
	bound := s.begins()
	ctx, cancel := context.WithTimeout(s.ctx, bound)
	defer cancel()
	err := c.connect(ctx)
	s.begun()
	if err == nil {
		c.mu.Lock()
		if err = c.over; err == nil {
			c.isOpen = true
		}
		c.opened = s.set.now()
		c.mu.Unlock()
	}
	if err != nil {
		s.notOpened(ctx, c, bound, err)
		return
	}
	s.mu.Lock()
	// After a time with no conversation nobody was told of changes.
	s.stale = s.stale || len(s.convs) == 1
	stale, sub := s.stale, c.sub
	s.mu.Unlock()
	close(c.ready)
	s.recovered(false)
	if stale {
		s.readSoon()
	}
	c.resume(sub)
}

func (s *server) notOpened(ctx context.Context, c *conversation, bound time.Duration, err error) {
	var f *failure
	var e *Error
	if s.ctx.Err() != nil {
		err = s.errorf(nil, "is not mounted any more.")
	}
	if !errors.As(err, &f) && !errors.As(err, &e) {
		f = &failure{text: "could not be started.", kind: unreachable, cause: err}
		switch {
		case ctx.Err() == context.DeadlineExceeded:
			f.text = "did not finish starting within " + roundly(bound).String() + ". See what it says in its log, or allow it more with `start` in [server." + s.name + "] of config.toml."
		case isOwn(err):
			f.text, f.kind = "refused to begin a conversation. See what it says in its log.", lasting
		}
		err = f
	}
	c.err = err
	c.end(err)
	s.mu.Lock()
	if s.convs[c.sub] == c {
		delete(s.convs, c.sub)
	}
	s.mu.Unlock()
	if f != nil {
		s.failed(f)
	}
	close(c.ready)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
