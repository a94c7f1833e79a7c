package mount

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/wait"
)

// How says what a catalog is wanted for.
type How int

const (
	// Known returns at once what is known, or nil.
	Known How = iota
	// Fresh is for a list: a copy whose time is over is read again first, if that
	// takes no start of the server; else in the background. Without a copy it
	// waits until ctx ends.
	Fresh
	// Needed is for a request about one item: without a copy the server is started
	// before others, and waited for until ctx ends.
	Needed
	// Anew is for an item that is not in the copy: it is read again, before others.
	Anew
	// Again is Anew for an item that may be another server's: it waits its turn.
	Again
)

// freshWait is how long a list waits for a copy that is read again.
const freshWait = 3 * time.Second

// Catalog returns what a server offers a client. The error is an [*Error], or
// ctx's.
func (s *Set) Catalog(ctx context.Context, server string, client Client, how How) (*Catalog, error) {
	one, err := s.find(server)
	if err != nil {
		return nil, err
	}
	catalog := one.view(client)
	switch {
	case how == Known, how == Needed && catalog != nil:
		return catalog, nil
	case how == Anew, how == Again:
		return one.anew(ctx, client, how == Anew)
	case catalog == nil:
		return one.await(ctx, how == Needed)
	}
	one.refresh(ctx, client)
	return one.view(client), nil
}

// view is what a client is offered as far as it is known: what is offered in
// its own conversation, if there is one. nil: nothing is known.
func (s *server) view(client Client) *Catalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.convs {
		if other.view == nil { // as nearly always, so that no key is made
			continue
		}
		if c := s.openLocked(client); c != nil && c.view != nil {
			return c.view
		}
		break
	}
	return s.catalog
}

// openLocked is the conversation of a client that can be used at once, if it has
// one for its sign-in. It needs mu.
func (s *server) openLocked(client Client) *conversation {
	if s.catalog == nil || client.Caller == nil {
		return nil
	}
	client.Era = s.catalog.Speaks(client.Era)
	k := keyOf(client, s.conf.Shared).conversation()
	if c := s.convs[k]; c != nil && k.who != "" && c.isReady() {
		return c
	}
	return nil
}

// await waits until it is known what the server offers.
func (s *server) await(ctx context.Context, urgent bool) (*Catalog, error) {
	for first := true; ; first = false {
		s.mu.Lock()
		catalog, state, problem, gone, pause := s.catalog, s.state, s.problem, s.ctx.Err() != nil, s.retryAt.Sub(s.set.o.Now())
		s.mu.Unlock()
		switch {
		case catalog != nil:
			return catalog, nil
		case gone:
			return nil, s.errorf(nil, "is not mounted any more.")
		case state == stateFailed && (!first || pause > 0):
			return nil, &Error{Server: s.name, Message: problem}
		case !first:
			if err := wait.For(ctx, max(pause, s.set.tune.firstPause)); err != nil {
				return nil, err
			}
		}
		if err := s.lists.read(urgent).wait(ctx); err != nil {
			return nil, err
		}
	}
}

// refresh reads again what is older than it may be.
func (s *server) refresh(ctx context.Context, client Client) {
	var waited []*reading
	s.mu.Lock()
	now := s.set.o.Now()
	own := s.convs[s.era.ownKey()]
	canRead := own != nil && own.isReady()
	if canRead {
		own.touch()
	}
	expired := now.Sub(s.readAt) >= s.catalog.ttl && !s.retryAt.After(now)
	c := s.openLocked(client)
	expiredThere := c != nil && c.found != nil && now.Sub(c.readAt) >= c.found.ttl
	s.mu.Unlock()
	if expired {
		if r := s.lists.read(false); canRead {
			waited = append(waited, r)
		}
	}
	if expiredThere {
		waited = append(waited, c.lists.read(false))
	}
	for _, r := range waited {
		within, cancel := context.WithDeadline(ctx, r.began.Add(freshWait)) // one that hangs holds up one list
		_ = r.wait(within)
		cancel()
	}
}

// anew reads again what a client is offered.
func (s *server) anew(ctx context.Context, client Client, urgent bool) (*Catalog, error) {
	s.mu.Lock()
	c := s.openLocked(client)
	known := s.catalog != nil
	s.mu.Unlock()
	s.renew()
	r := s.lists.read(urgent)
	if c == nil && known && urgent && client.Caller != nil {
		// It may be offered to clients alone that declare what this one does.
		client.Era = s.eras().Speaks(client.Era)
		if client.Era == rpc.Legacy {
			c, _ = s.conversationFor(ctx, client) // its failure is noted where it happens
		}
	}
	if c != nil && c.lists != nil {
		if err := c.lists.read(urgent).wait(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.wait(ctx); err != nil {
		return nil, err
	}
	if catalog := s.view(client); catalog != nil {
		return catalog, nil
	}
	return s.await(ctx, urgent)
}

// renew ends the process in which the catalog was read if a younger one has
// been started: the program may have been updated between them.
func (s *server) renew() {
	s.mu.Lock()
	own := s.convs[key{}]
	outdated := own != nil && !s.http && slices.ContainsFunc(s.clientsLocked(), func(c *conversation) bool {
		return c.isReady() && own.isReady() && c.opened.After(own.opened)
	})
	s.mu.Unlock()
	if outdated {
		s.drop(own, "is read anew.")
	}
}

// listChanged notes that the server says so in c.
func (s *server) listChanged(c *conversation) {
	if c.lists != nil {
		c.lists.soon()
		if !s.http {
			return // another process knows nothing of it
		}
	}
	s.lists.soon()
}

// readLists reads what the server offers, and tells what is another now. Only a
// few servers are started for that at once, those first that somebody needs.
func (s *server) readLists(r *reading) {
	s.mu.Lock()
	own := s.convs[s.era.ownKey()]
	s.mu.Unlock()
	if own == nil || !own.alive() {
		select {
		case s.set.slots <- struct{}{}:
			defer func() { <-s.set.slots }()
		case <-r.urgent:
		case <-s.ctx.Done():
			return
		}
	}
	var found *Catalog
	err := errSessionGone
	for try := 0; try < 2 && errors.Is(err, errSessionGone); try++ {
		if own, err = s.speaker(); err != nil {
			return // noted where it happened
		}
		s.mu.Lock()
		was := s.catalog
		s.mu.Unlock()
		found, err = own.list(s.ctx, was)
	}
	if err != nil {
		s.notListed(own, err)
		return
	}
	s.offer(found)
}

// speaker returns the conversation to read the catalog in: Drawbridge's own, but
// of a server that holds one resource that of whoever uses it.
func (s *server) speaker() (*conversation, error) {
	s.mu.Lock()
	shared := s.sharedLocked()
	s.mu.Unlock()
	if shared != nil {
		return shared, nil
	}
	return s.conversation(s.ctx, s.eras().ownKey(), Client{})
}

// sharedLocked needs mu.
func (s *server) sharedLocked() *conversation {
	if s.conf.Shared && !s.http {
		for _, c := range s.clientsLocked() {
			if c.isReady() {
				return c
			}
		}
	}
	return nil
}

// offer makes found what the server offers.
func (s *server) offer(found *Catalog) {
	s.checkHeaders(found)
	s.mu.Lock()
	was := s.catalog
	s.mu.Unlock()
	s.sayOdd(was, found)
	var changes []Change
	s.change(func() {
		found.Both, found.Legacy = s.era.Both, s.era.Legacy
		changes = differences(s.catalog, found)
		if len(changes) == 0 && s.catalog != nil && s.catalog.same(found) {
			s.catalog.ttl = found.ttl // the same copy, so that nothing is made anew of it
		} else {
			s.catalog = found
		}
		s.readAt = s.set.o.Now()
		if s.failures < crashLoop {
			s.state, s.problem = stateOK, ""
		}
		for _, c := range s.convs {
			c.lookLocked()
		}
	})
	if len(found.Unlisted) > 0 {
		time.AfterFunc(s.set.tune.again, func() {
			if s.ctx.Err() == nil {
				s.lists.read(false)
			}
		})
	}
	s.set.save(s)
	for _, what := range changes {
		s.set.o.OnChange(s.name, what)
	}
}

// notListed notes that the catalog could not be read; if that is because the
// conversation ended, it was noted already.
func (s *server) notListed(c *conversation, err error) {
	f := &failure{text: "did not list what it offers.", kind: unreachable, cause: err}
	var known *failure
	switch {
	case s.ctx.Err() != nil:
		return
	case errors.Is(err, errSessionGone):
		f.text = "keeps ending its session."
	case !c.alive():
		if !errors.As(err, &known) && s.view(Client{}) == nil { // it was ended for being unused, or the like
			s.lists.soon()
		}
		return
	case isOwn(err):
		f.text = "answered with an error when it was asked what it offers. See its log, and the server's own documentation."
		s.log.say("It did not list what it offers: %v", err)
	case errors.As(err, &known):
		f = known
	}
	s.failed(f)
}

// readOwnLists reads what the server offers in a client's conversation: tools may
// be there for clients alone that can be asked, or since a tool was called.
func (c *conversation) readOwnLists(*reading) {
	s := c.server
	found, err := c.list(s.ctx, nil)
	if err != nil {
		return // the conversation says why, or what all are offered must do
	}
	var changes []Change
	other := false
	s.mu.Lock()
	if s.catalog != nil {
		c.found, c.readAt = found, s.set.o.Now()
		other = len(differences(s.catalog, found)) > 0
		changes = c.lookLocked()
	}
	s.mu.Unlock()
	if other { // it may be another for all
		s.renew()
		s.lists.soon()
	}
	for _, what := range changes {
		s.set.o.OnChange(s.name, what)
	}
}

// lookLocked makes view what the client is offered now, and returns how that
// differs from before. It needs server.mu.
func (c *conversation) lookLocked() []Change {
	all := c.server.catalog
	if c.found == nil {
		return nil
	}
	was, is := cmp.Or(c.view, all), all.as(c.found)
	switch {
	case is == all:
		c.view = nil
	case c.view == nil || !c.view.same(is):
		c.view = is
	}
	return differences(was, is)
}
