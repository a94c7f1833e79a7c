package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// filter says of what a subscriptions/listen wants to hear (MCP 2026-07-28,
// "Notification Filter").
type filter struct {
	Tools     bool     `json:"toolsListChanged,omitempty"`
	Prompts   bool     `json:"promptsListChanged,omitempty"`
	Resources bool     `json:"resourcesListChanged,omitempty"`
	Watched   []string `json:"resourceSubscriptions,omitempty"`
}

func (f filter) wants(list List) bool {
	return list == ToolList && f.Tools || list == PromptList && f.Prompts || list == ResourceList && f.Resources
}

const (
	// maxListens is how many subscriptions/listen of one grant may be open. The
	// oldest makes room.
	maxListens = 64

	// maxListen is how long the params of one may be, in bytes: they are held
	// as long as it is open.
	maxListen = 256 << 10
)

// listen answers subscriptions/listen: an acknowledgement, then notifications,
// and a result if we end it.
func (c *call) listen() {
	if !c.streams {
		c.refuse(refusalf(http.StatusNotAcceptable, rpc.CodeInvalidRequest, "subscriptions/listen answers with text/event-stream: the Accept header must allow it."), c.id)
		return
	}
	var params struct {
		Notifications *filter `json:"notifications"`
	}
	if err := json.Unmarshal(c.params, &params); err != nil || params.Notifications == nil ||
		len(params.Notifications.Watched) > maxWatched || len(c.params) > maxListen {
		c.fail(rpc.Errorf(rpc.CodeInvalidParams, "subscriptions/listen needs notifications, an object that says of what, with at most %d resources.", maxWatched))
		return
	}
	l := &listener{call: c}
	l.goodbye, l.end = context.WithCancel(c.endpoint.ctx)
	defer l.end()
	defer func() {
		for _, stop := range l.stops {
			c.endpoint.guarded("unsubscribe", stop)
		}
	}()
	c.run(func() (rpc.Object, error) { return l.serve(*params.Notifications) })
}

// ErrStopping is the cause with which the context of a request ends when the
// program does: of all ends, the one at which the client still listens.
var ErrStopping = errors.New("Drawbridge is stopping")

type listener struct {
	call    *call
	outbox  outbox
	stops   []func() // of subscriptions to resources
	filter  filter
	goodbye context.Context // done: it ends with a result
	end     context.CancelFunc
}

func (l *listener) serve(asked filter) (rpc.Object, error) {
	c := l.call
	d, err := c.endpoint.opts.Backend.Describe(c.ctx, &c.Client)
	if err != nil {
		return nil, err
	}
	l.agree(asked, d.Capabilities)
	c.endpoint.listeners.add(l) // before the client hears that it is
	defer c.endpoint.listeners.remove(l)
	said, err := json.Marshal(l.filter)
	if err != nil {
		return nil, err
	}
	c.event(l.tagged("notifications/subscriptions/acknowledged", rpc.Set(nil, "notifications", said)))
	if l.filter.Tools || l.filter.Prompts || l.filter.Resources || len(l.filter.Watched) > 0 {
		c.deliver(&l.outbox, l.tagged, l.goodbye.Done())
	}
	if context.Cause(c.ctx) == ErrStopping { // we end it, and the client is still there to hear so
		c.ctx = context.WithoutCancel(c.ctx)
	}
	return rpc.ObjectOf(l.tag(nil)), nil
}

func offered(capabilities json.RawMessage) (has map[List]struct{ ListChanged, Subscribe bool }) {
	_ = json.Unmarshal(capabilities, &has) // the Backend's own; what is unreadable is not there
	return has
}

// agree cuts the filter down to what the server has, and begins to watch.
func (l *listener) agree(asked filter, capabilities json.RawMessage) {
	has := offered(capabilities)
	l.filter = filter{
		Tools:     asked.Tools && has[ToolList].ListChanged,
		Prompts:   asked.Prompts && has[PromptList].ListChanged,
		Resources: asked.Resources && has[ResourceList].ListChanged,
	}
	if !has[ResourceList].Subscribe {
		return
	}
	slices.Sort(asked.Watched)
	for _, uri := range slices.Compact(asked.Watched) {
		if stop, err := l.call.watch(uri, &l.outbox); err == nil { // else the acknowledgement leaves it out
			l.stops = append(l.stops, stop)
			l.filter.Watched = append(l.filter.Watched, uri)
		}
	}
}

// tag says in _meta to which subscription a message belongs.
func (l *listener) tag(params json.RawMessage) json.RawMessage {
	return rpc.Set(params, "_meta", rpc.Set(rpc.Get(params, "_meta"), metaSubscription, l.call.id))
}

func (l *listener) tagged(method string, params json.RawMessage) []byte {
	return notification(method, l.tag(params))
}

// listeners are the open subscriptions/listen, the oldest first.
type listeners struct {
	mu  sync.Mutex // guards all
	all []*listener
}

func (s *listeners) add(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var theirs []*listener
	for _, o := range s.all {
		if o.call.Caller.Session == l.call.Caller.Session {
			theirs = append(theirs, o)
		}
	}
	if len(theirs) >= maxListens {
		theirs[0].end()
		s.all = slices.DeleteFunc(s.all, func(o *listener) bool { return o == theirs[0] })
	}
	s.all = append(s.all, l)
}

func (s *listeners) remove(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(o *listener) bool { return o == l })
}

func (s *listeners) changed(list List, match func(*oauth.Caller) bool) {
	s.mu.Lock()
	all := slices.Clone(s.all)
	s.mu.Unlock()
	for _, l := range all {
		if l.filter.wants(list) && match(l.call.Caller) {
			l.outbox.add(listChanged(list))
		}
	}
}

// endGrants ends the listeners of grants, without a word.
func (s *listeners) endGrants(over func(grant string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.all {
		if over(l.call.Caller.Session) {
			l.call.cancel(errEnded)
		}
	}
}
