package mount

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxWatched bounds the resources that one person watches at one server.
const maxWatched = 1000

// watches is who hears of changes of which resource: by sub, then by URI.
type watches map[string]map[string]map[*watcher]bool

type watcher struct{ updated func(json.RawMessage) }

func (w watches) subs() []string { return slices.Collect(maps.Keys(w)) }

// Subscribe has a server tell of changes of a resource, until stop is
// called. Two subscriptions of one person to one URI are one at the server, and
// they outlive a crash of it. updated gets the params of
// notifications/resources/updated; it must not block. The error is as
// [Set.Call]'s.
func (s *Set) Subscribe(ctx context.Context, server string, caller *oauth.Caller, uri string, updated func(params json.RawMessage)) (stop func(), err error) {
	one, err := s.find(server)
	if err != nil {
		return nil, err
	}
	sub, w := subOf(caller), &watcher{updated}
	first, err := one.watch(sub, uri, w)
	if err != nil {
		return nil, err
	}
	stop = sync.OnceFunc(func() { one.unwatch(sub, uri, w) })
	c, err := one.conversation(ctx, sub)
	if err == nil && first {
		err = c.subscribe(ctx, caller, uri)
	}
	if err != nil {
		stop()
		return nil, one.unanswered(err)
	}
	return stop, nil
}

func (s *server) watch(sub, uri string, w *watcher) (first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uris := s.watched[sub]
	if uris == nil {
		uris = make(map[string]map[*watcher]bool)
		s.watched[sub] = uris
	}
	if uris[uri] == nil {
		if len(uris) >= maxWatched {
			return false, s.errorf(nil, "is asked to watch too many resources. End some subscriptions.")
		}
		uris[uri], first = make(map[*watcher]bool), true
	}
	uris[uri][w] = true
	return first, nil
}

func (s *server) unwatch(sub, uri string, w *watcher) {
	s.mu.Lock()
	watchers := s.watched[sub][uri]
	known := watchers[w]
	delete(watchers, w)
	last := known && len(watchers) == 0
	if last {
		delete(s.watched[sub], uri)
	}
	if len(s.watched[sub]) == 0 {
		delete(s.watched, sub)
	}
	c := s.convs[sub]
	s.mu.Unlock()
	if last && c != nil && c.isReady() {
		s.set.working.start(func() { c.unsubscribe(uri) })
	}
}

// updated passes notifications/resources/updated to those who watch. It may
// name a part of what they watch (MCP 2025-11-25, "Resource Updated").
func (s *server) updated(c *conversation, params json.RawMessage) {
	var p struct {
		URI string `json:"uri"`
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	var interested []*watcher
	s.mu.Lock()
	for uri, watchers := range s.watched[c.sub] {
		if strings.HasPrefix(p.URI, uri) {
			interested = slices.AppendSeq(interested, maps.Keys(watchers))
		}
	}
	s.mu.Unlock()
	for _, w := range interested {
		w.updated(params)
	}
}

func (s *server) watchedBy(sub string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.watched[sub]))
}

// subscribe has the server tell of changes of uri, in its era's way.
func (c *conversation) subscribe(ctx context.Context, caller *oauth.Caller, uri string) error {
	if c.era() == rpc.Modern {
		return c.listen(ctx)
	}
	_, err := c.do(ctx, caller, "resources/subscribe", encode(map[string]string{"uri": uri}), nil)
	return err
}

func (c *conversation) unsubscribe(uri string) {
	ctx, cancel := context.WithTimeout(c.server.ctx, c.server.set.tune.list)
	defer cancel()
	if c.era() == rpc.Modern {
		_ = c.listen(ctx) // what is told besides goes to nobody
		return
	}
	_, _ = c.do(ctx, nil, "resources/unsubscribe", encode(map[string]string{"uri": uri}), nil)
}

// resume takes up in a new conversation what sub watches, and begins to be told
// of changes of the lists.
func (c *conversation) resume(sub string) {
	ctx, cancel := context.WithTimeout(c.server.ctx, c.server.set.tune.list)
	defer cancel()
	if c.era() == rpc.Modern {
		if err := c.listen(ctx); err != nil {
			c.server.log.say("It does not tell of changes: %v", c.server.unanswered(err))
		}
		return
	}
	for _, uri := range c.server.watchedBy(sub) {
		if err := c.subscribe(ctx, nil, uri); err != nil {
			c.server.log.say("It does not tell of changes of a resource any more: %v", c.server.unanswered(err))
		}
	}
}
