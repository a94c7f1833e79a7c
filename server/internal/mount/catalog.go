package mount

import (
	"bytes"
	"context"
	"errors"
)

// Catalog returns what a server offers. It starts the server if need be and
// waits until ctx ends; wait false returns at once what is known, or nil. The
// error is an [*Error], or ctx's.
func (s *Set) Catalog(ctx context.Context, server string, wait bool) (*Catalog, error) {
	one, err := s.find(server)
	if err != nil {
		return nil, err
	}
	first := -1
	for {
		next := s.waiters.next()
		one.mu.Lock()
		catalog, attempts := one.catalog, one.attempts
		state, problem, gone := one.state, one.problem, one.ctx.Err() != nil
		mayStart := !one.retryAt.After(s.now())
		one.mu.Unlock()
		switch {
		case catalog != nil || !wait:
			return catalog, nil
		case gone:
			return nil, one.errorf(nil, "is not mounted any more.")
		case state == stateFailed && (attempts != first && first >= 0 || !mayStart):
			return nil, &Error{Server: server, Message: problem}
		case first < 0:
			first = attempts
			one.readNow()
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// readSoon has the catalog read in the background.
func (s *server) readSoon() {
	select {
	case s.want <- struct{}{}:
	default:
	}
}

// readNow is readSoon for somebody who waits.
func (s *server) readNow() {
	select {
	case s.urgent <- struct{}{}:
	default:
	}
	s.readSoon()
}

// listChanged notes that the server says so.
func (s *server) listChanged() {
	s.mu.Lock()
	s.stale = true
	s.mu.Unlock()
	s.readSoon()
}

// keepCatalog reads the catalog whenever it may be another, until the server
// is not wanted any more. Only a few servers are started for that at once.
func (s *server) keepCatalog() {
	for {
		select {
		case <-s.want:
		case <-s.ctx.Done():
			return
		}
		select {
		case s.set.slots <- struct{}{}:
			s.readCatalog(s.ctx)
			<-s.set.slots
		case <-s.urgent:
			s.readCatalog(s.ctx)
		case <-s.ctx.Done():
			return
		}
		// A server may say often that a list has changed.
		if sleep(s.ctx, s.set.tune.settle) != nil {
			return
		}
	}
}

// readCatalog reads what the server offers, and tells what is another now.
func (s *server) readCatalog(ctx context.Context) {
	var c *conversation
	var found *Catalog
	err := errSessionGone
	for try := 0; try < 2 && errors.Is(err, errSessionGone); try++ {
		if c, err = s.speaker(ctx); err != nil {
			return // noted where it happened
		}
		s.mu.Lock()
		s.stale = false
		s.mu.Unlock()
		found, err = c.list(ctx)
	}
	if err != nil {
		s.notListed(c, err)
		return
	}
	headers := s.checkHeaders(found)
	s.mu.Lock()
	was := s.catalog
	s.mu.Unlock()
	s.sayOdd(was, found)
	var changes []Change
	s.change(func() {
		changes = differences(s.catalog, found)
		s.catalog, s.headers = found, headers
		s.attempts++
		if s.failures < crashLoop {
			s.state, s.problem = stateOK, ""
		}
		s.set.waiters.wake()
	})
	for _, what := range changes {
		s.set.changed(s.name, what)
	}
}

// speaker returns a conversation to read the catalog in: any that is there, so
// that no process is started for it alone, unless each speaks for its person.
func (s *server) speaker(ctx context.Context) (*conversation, error) {
	s.mu.Lock()
	found := s.convs[""]
	for _, c := range s.convs {
		if s.adoptable() && c.alive() && (found == nil || !found.isReady()) {
			found = c
		}
	}
	s.mu.Unlock()
	if found != nil {
		select {
		case <-found.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if found.isReady() {
			return found, nil
		}
	}
	return s.conversation(ctx, "")
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
		s.readLater(err)
		return
	case isOwn(err):
		f.text = "answered with an error when it was asked what it offers. See its log, and the server's own documentation."
		s.log.say("It did not list what it offers: %v", err)
	case errors.As(err, &known):
		f = known
	}
	s.failed(f)
}

// readLater has the catalog read again if the conversation was ended for a
// reason that is no failure, as being unused.
func (s *server) readLater(err error) {
	var f *failure
	if errors.As(err, &f) {
		return
	}
	s.mu.Lock()
	s.stale = true
	never := s.catalog == nil
	s.mu.Unlock()
	if never {
		s.readSoon()
	}
}

// differences returns what a reader of was must read again.
func differences(was, is *Catalog) []Change {
	if was == nil {
		was = new(Catalog)
	}
	var changes []Change
	if !sameItems(was.Tools, is.Tools) {
		changes = append(changes, ToolsChanged)
	}
	if !sameItems(was.Prompts, is.Prompts) {
		changes = append(changes, PromptsChanged)
	}
	if !sameItems(was.Resources, is.Resources) || !sameItems(was.Templates, is.Templates) {
		changes = append(changes, ResourcesChanged)
	}
	return changes
}

func sameItems(a, b []Item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].Raw, b[i].Raw) {
			return false
		}
	}
	return true
}
