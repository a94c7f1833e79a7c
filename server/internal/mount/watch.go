package mount

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxWatched bounds the resources that one sign-in watches at one server.
const maxWatched = 1000

// watches is who is told of changes of which resource: by the sign-in's own
// key, then by URI.
type watches map[key]*watch

type watch struct {
	client Client // who began
	uris   map[string]map[*watcher]bool
}

type watcher struct{ updated func(json.RawMessage) }

// Subscribe has a server tell a client of changes of a resource, until stop is
// called. Two subscriptions of one sign-in to one URI are one at the server, and
// they outlive a crash of it. updated gets the params of
// notifications/resources/updated; it must not block. The error is as
// [Set.Call]'s.
func (s *Set) Subscribe(ctx context.Context, server string, client Client, uri string, updated func(params json.RawMessage)) (stop func(), err error) {
	one, err := s.find(server)
	if err != nil {
		return nil, err
	}
	k := keyOf(client, one.settings().Shared)
	w := &watcher{updated}
	first, err := one.watch(k, client, uri, w)
	if err != nil {
		return nil, err
	}
	stop = sync.OnceFunc(func() { one.unwatch(k, uri, w) })
	c, err := one.conversationFor(ctx, client)
	if err == nil && first {
		err = c.tellOf(ctx, k, client, "resources/subscribe", uri)
	}
	if err != nil {
		stop()
		return nil, one.unanswered(err)
	}
	return stop, nil
}

func (s *server) watch(k key, client Client, uri string, w *watcher) (first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.watched[k]
	if mine == nil {
		mine = &watch{client, make(map[string]map[*watcher]bool)}
		s.watched[k] = mine
	}
	if mine.uris[uri] == nil {
		if len(mine.uris) >= maxWatched {
			return false, s.errorf(nil, "is asked to watch too many resources. End some subscriptions.")
		}
		mine.uris[uri], first = make(map[*watcher]bool), true
	}
	mine.uris[uri][w] = true
	return first, nil
}

func (s *server) unwatch(k key, uri string, w *watcher) {
	s.mu.Lock()
	mine := s.watched[k]
	delete(mine.uris[uri], w)
	last := len(mine.uris[uri]) == 0
	if last {
		delete(mine.uris, uri)
	}
	if len(mine.uris) == 0 {
		delete(s.watched, k)
	}
	c := s.convs[k.conversation()]
	s.mu.Unlock()
	if last && c != nil && c.isReady() {
		s.set.working.start(func() {
			ctx, cancel := context.WithTimeout(s.ctx, s.set.tune.list)
			defer cancel()
			_ = c.tellOf(ctx, k, mine.client, "resources/unsubscribe", uri) // what is told besides goes to nobody
		})
	}
}

// isWatchedLocked reports whether somebody watches a resource in the conversation
// of k. It needs mu.
func (s *server) isWatchedLocked(k key) bool {
	for watched := range s.watched {
		if watched.conversation() == k {
			return true
		}
	}
	return false
}

// watchAgain opens the conversations where somebody watches a resource.
func (s *server) watchAgain() {
	s.mu.Lock()
	again := make(map[key]Client)
	for k, w := range s.watched {
		again[k.conversation()] = w.client
	}
	s.mu.Unlock()
	for k, client := range again {
		s.set.working.start(func() { _, _ = s.conversation(s.ctx, k, client) }) // its failure is noted where it happens
	}
}

// updated passes notifications/resources/updated to those who watch in k. It may
// name a part of what they watch (MCP 2025-11-25, "Resource Updated").
func (s *server) updated(k key, params json.RawMessage) {
	changed, ok := rpc.String(rpc.Get(params, "uri"))
	if !ok {
		return
	}
	var interested []*watcher
	s.mu.Lock()
	if mine := s.watched[k]; mine != nil {
		for uri, watchers := range mine.uris {
			if strings.HasPrefix(changed, uri) {
				interested = slices.AppendSeq(interested, maps.Keys(watchers))
			}
		}
	}
	s.mu.Unlock()
	for _, w := range interested {
		w.updated(params)
	}
}

func (s *server) watchedBy(k key) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mine := s.watched[k]; mine != nil {
		return slices.Sorted(maps.Keys(mine.uris))
	}
	return nil
}

// tellOf has the server tell k of what it watches now, of which uri is new or
// gone: the method says so in the Legacy era.
func (c *conversation) tellOf(ctx context.Context, k key, client Client, method, uri string) error {
	if c.era() == rpc.Modern {
		return c.listen(ctx, k, client)
	}
	_, err := c.do(ctx, client, method, encode(map[string]string{"uri": uri}), nil)
	return err
}

// resume takes up in a new conversation what is watched, and begins to be told of
// changes of the lists.
func (c *conversation) resume() {
	s := c.server
	ctx, cancel := context.WithTimeout(s.ctx, s.set.tune.list)
	defer cancel()
	if c.era() == rpc.Modern {
		if err := c.listen(ctx, everybody, Client{}); err != nil {
			s.log.say("It does not tell of changes: %v", s.unanswered(err))
		}
	}
	s.mu.Lock()
	watched := maps.Clone(s.watched)
	maps.DeleteFunc(watched, func(k key, _ *watch) bool { return k.conversation() != c.key })
	s.mu.Unlock()
	for k, w := range watched {
		for _, uri := range s.watchedBy(k) {
			if err := c.tellOf(ctx, k, w.client, "resources/subscribe", uri); err != nil {
				s.log.say("It does not tell of changes of a resource any more: %v", s.unanswered(err))
			}
			if c.era() == rpc.Modern {
				break // one stream tells of all
			}
		}
	}
}
