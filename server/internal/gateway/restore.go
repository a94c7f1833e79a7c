package gateway

import (
	"context"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// restoreWithin bounds what goes on behind a session that is set up again: the
// servers that its subscriptions are of may have to start first.
const restoreWithin = 5 * time.Minute

// enter is sessions.enter. A session that had to be set up again gets its
// subscriptions back beside the request that asked for it, which need not wait.
func (e *Endpoint) enter(id string, caller *oauth.Caller, request *call) (*session, *refusal) {
	s, restored, refusal := e.sessions.enter(id, caller, request)
	if !restored {
		return s, refusal
	}
	c := e.newCall(caller)
	c.in(s)
	ctx, cancel := context.WithTimeout(oauth.WithCaller(e.ctx, caller), restoreWithin)
	c.ctx = ctx
	go func() {
		defer cancel()
		e.guarded("restore", c.restore)
	}()
	return s, nil
}

// restore subscribes to what the session was subscribed to, and tells the client
// that everything may be another now: it has missed what was told meanwhile.
func (c *call) restore() {
	s := c.session
	for _, uri := range s.toBegin() {
		if c.ctx.Err() != nil || c.Caller.Ended() {
			return
		}
		if c.begin(uri) == nil { // else it is gone, or no longer this person's
			s.outbox.add(resourceUpdated(uri, rpc.Set(nil, "uri", rpc.Quote(uri))))
		}
	}
	d, err := c.endpoint.opts.Backend.Describe(c.ctx, &c.Client)
	if err != nil {
		return
	}
	for _, list := range []List{ToolList, PromptList, ResourceList} {
		if offered(d.Capabilities)[list].ListChanged {
			s.outbox.add(listChanged(list))
		}
	}
}

func (c *call) remember() {
	if g, ok := c.session.gathered(); ok {
		c.endpoint.opts.Memory.save(c.session.id, c.Caller.User.Sub, g)
	}
}
