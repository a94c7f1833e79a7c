package mount

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// patience is how long a call waits for a server that is about to be started
// again.
const patience = 1500 * time.Millisecond

// conversationFor returns the conversation for a client's requests, once it is
// known which eras the server speaks.
func (s *server) conversationFor(ctx context.Context, client Client) (*conversation, error) {
	for !s.eras().known {
		if _, err := s.conversation(ctx, s.eras().ownKey(), Client{}); err != nil {
			return nil, err
		}
	}
	if s.eras().Speaks(client.Era) != client.Era {
		return nil, s.errorf(nil, "was updated, and speaks another protocol revision now. Try again.")
	}
	return s.conversation(ctx, keyOf(client, s.settings().Shared).conversation(), client)
}

// conversation returns the open conversation of k, which it opens for client if
// there is none.
func (s *server) conversation(ctx context.Context, k key, client Client) (*conversation, error) {
	for {
		c, pause, err := s.pick(k, client)
		switch {
		case errors.Is(err, errCrowded):
			s.mu.Lock()
			theirs := s.clientsLocked()
			s.mu.Unlock()
			if !endIdle(theirs, false) {
				return nil, s.errorf(err, "is in use by too many people at once. Try again in a while.")
			}
			continue
		case errors.Is(err, errNoRoom):
			if !endIdle(s.set.room.all(), k.who == "" && s.eras().known) {
				return nil, s.errorf(err, "can't be started: %d processes of servers run already, and all are in use. Try again in a while.", maxProcesses)
			}
			continue
		case err != nil:
			return nil, err
		case c == nil:
			if err := wait.For(ctx, pause); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch {
		case c.err != nil:
			return nil, s.unanswered(c.err)
		case k != (key{}) && c.era() != k.era: // it was to be everybody's
			return nil, s.errorf(nil, "was updated, and speaks another protocol revision now. Try again.")
		}
		return c, nil
	}
}

var (
	errNoRoom  = errors.New("there is no room for another process")
	errCrowded = errors.New("there is no room for another process of this server")
)

// pick returns the conversation of k, one that it begins to open, or how long
// to wait before there can be one.
func (s *server) pick(k key, client Client) (*conversation, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, 0, s.errorf(nil, "is not mounted any more.")
	}
	if c := s.convs[k]; c != nil && c.takesCalls() {
		c.usedBy(client)
		return c, 0, nil
	}
	if pause := s.retryAt.Sub(s.set.o.Now()); pause > patience {
		return nil, 0, &Error{Server: s.name, Message: s.refusal}
	} else if pause > 0 {
		return nil, pause, nil
	}
	if k.who != "" && len(s.clientsLocked()) >= maxConversations {
		return nil, 0, errCrowded
	}
	c := newConversation(s, k, client)
	c.probes = k.who == "" && (!s.era.known || s.era.Era == rpc.Modern)
	if !s.http && !s.set.room.enter(c) {
		return nil, 0, errNoRoom
	}
	c.usedBy(client)
	s.convs[k] = c
	s.set.working.start(func() { s.open(c) })
	return c, 0, nil
}

// usedBy needs server.mu.
func (c *conversation) usedBy(client Client) {
	if client.Caller != nil {
		c.grants[client.Caller.Session] = true
	}
}

// open opens c and notes how that went.
func (s *server) open(c *conversation) {
	s.mu.Lock()
	if s.openingAt.IsZero() {
		s.openingAt = s.set.o.Now()
	}
	bound := s.startBoundLocked()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, bound)
	defer cancel()
	began := time.Now()
	err := c.connect(ctx)
	s.mu.Lock()
	s.openingAt = time.Time{}
	s.mu.Unlock()
	if err == nil && c.probes {
		s.learn(ctx, c, time.Since(began))
	}
	if err == nil {
		c.mu.Lock()
		if err = c.over; err == nil {
			c.isOpen = true
		}
		c.opened = s.set.o.Now()
		c.mu.Unlock()
	}
	if err != nil {
		s.notOpened(ctx, c, bound, err)
		return
	}
	s.mu.Lock()
	if k := (key{era: c.era()}); c.key.who == "" && c.key != k { // it was not known when it began
		delete(s.convs, c.key)
		c.key, s.convs[k] = k, c
	}
	known := s.catalog != nil
	own := s.convs[key{}]
	alone := c == s.sharedLocked()
	other := known && !bytes.Equal(s.catalog.Describes(c.era()).ServerInfo, c.description.ServerInfo)
	s.mu.Unlock()
	close(c.ready)
	s.recovered(false)
	if alone && own != nil {
		s.drop(own, "makes room for whoever uses it.")
	}
	switch {
	case c.lists == nil:
		// Whoever opened it reads the lists, or a call did.
		if !known || other {
			s.lists.read(false)
		}
	case known:
		c.lists.read(false)
		if other {
			s.renew()
		}
		if other || s.http {
			s.lists.soon()
		}
	}
	c.resume()
}

// learn finds out whether a server of the Modern era speaks the Legacy one, too:
// its answer to server/discover need not say so. That is tried in a process or
// session of its own, because one that was asked in two eras may take either for
// that of its client.
func (s *server) learn(ctx context.Context, c *conversation, took time.Duration) {
	era := eras{true, Eras{Era: c.era()}}
	s.mu.Lock()
	if was := s.era; was.known && was.Era == era.Era && era.Era == rpc.Modern && s.catalog != nil &&
		bytes.Equal(s.catalog.Description.ServerInfo, c.description.ServerInfo) {
		era = was // it is what it was
	}
	s.mu.Unlock()
	if era.Era == rpc.Modern && !era.Both {
		// Whoever speaks no Legacy says so at once; but some say nothing at all.
		within, cancel := context.WithTimeout(ctx, max(5*time.Second, 3*took))
		defer cancel()
		trial := newConversation(s, key{}, Client{})
		if err := trial.connect(within); err == nil {
			era.Both, era.Legacy = true, trial.description
		}
		trial.end(errTrial)
	}
	s.mu.Lock()
	s.era = era
	s.mu.Unlock()
}

var errTrial = errors.New("this was tried only")

// eras are what is known of a server's.
type eras struct {
	known bool
	Eras
}

// ownKey is that of the conversation in which the catalog is read.
func (e eras) ownKey() key { return key{era: e.Era} }

func (s *server) eras() eras {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.era
}

func (s *server) notOpened(ctx context.Context, c *conversation, bound time.Duration, err error) {
	var f *failure
	var e *Error
	other := isOwn(err) // it is another server than it was
	if s.ctx.Err() != nil {
		err = s.errorf(nil, "is not mounted any more.")
	}
	if !errors.As(err, &f) && !errors.As(err, &e) {
		f = &failure{text: "could not be started.", kind: unreachable, cause: err}
		switch {
		case ctx.Err() == context.DeadlineExceeded:
			f.text = "did not finish starting within " + bound.String() + ". See what it says in its log, or allow it more with `start` in [server." + s.name + "] of config.toml."
		case other:
			f.text, f.kind = "refused to begin a conversation. See what it says in its log.", lasting
		}
		err = f
	}
	c.err = err
	c.end(err)
	s.mu.Lock()
	if other {
		s.era = eras{}
	}
	s.removeLocked(c)
	s.mu.Unlock()
	if f != nil {
		s.failed(f)
	}
	close(c.ready)
}
