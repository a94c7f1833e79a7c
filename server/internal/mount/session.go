package mount

import (
	"context"
	"errors"
	"net/http"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// connectHTTP finds out which era the server speaks, and begins a transport
// session with one of the Legacy era.
func (c *conversation) connectHTTP(ctx context.Context) error {
	conf, err := c.server.filled(ctx)
	if err != nil {
		return err
	}
	w := &httpWire{conv: c, url: conf.URL, header: make(http.Header)}
	for name, value := range conf.Headers {
		w.header.Set(name, value)
	}
	w.ctx, w.quit = context.WithCancel(context.Background())
	if err := c.use(w); err != nil {
		return err
	}
	if conf.SSE {
		if err := w.openSSE(ctx); err != nil {
			return err
		}
	}
	if w.endpoint != "" || endsInSSE(conf.URL) && w.offersSSE(ctx) {
		c.speak(rpc.Legacy, "")
		return c.initialize(ctx)
	}
	if c.probes {
		if modern, err := c.meetHTTP(ctx); modern || err != nil {
			return err
		}
	}
	c.speak(rpc.Legacy, "") // its revision is not known yet
	switch err := c.initialize(ctx); {
	case refusesPost(err) && w.offersSSE(ctx):
		return c.initialize(ctx)
	case err != nil:
		return err
	}
	w.streams.start(w.listen)
	return nil
}

// meetHTTP reports whether the server is modern (MCP 2026-07-28, Streamable
// HTTP, "Backward Compatibility"). Whatever else it answers, it is a legacy one.
func (c *conversation) meetHTTP(ctx context.Context) (modern bool, err error) {
	c.speak(rpc.Modern, modernVersion)
	probe, cancel := context.WithTimeout(ctx, 3*c.server.set.tune.probe)
	defer cancel()
	a := <-c.send(probe, "server/discover", nil)
	f, failed := errors.AsType[*failure](a.err)
	switch {
	case failed && f.status != 0 && f.status != http.StatusUnauthorized && f.status != http.StatusForbidden:
		return false, nil
	case errors.Is(a.err, context.DeadlineExceeded) && ctx.Err() == nil:
		return false, nil
	}
	return c.acceptModern(a)
}

// sessionEnded forgets a conversation whose session the server has ended, and
// begins another where somebody watches a resource.
func (s *server) sessionEnded(c *conversation) {
	if !c.retire() {
		return
	}
	s.mu.Lock()
	s.removeLocked(c)
	s.mu.Unlock()
	s.watchAgain()
}
