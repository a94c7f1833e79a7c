package mount

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// receive takes what a server says. r is the call on whose stream it came; nil if
// it came on a stream of no call.
func (c *conversation) receive(m *message, r *call) {
	switch {
	case m.isAnswer() && r == nil:
		c.answered(m)
	case m.isAnswer():
		if id, ok := m.number(); ok && id == r.id || m.ID == nil {
			r.inbox.finish(m.outcome(r.method))
		} else {
			c.strayAnswer(m)
		}
	case m.isRequest():
		c.requested(m, r)
	default:
		c.notified(m, r)
	}
}

// notified takes a notification.
func (c *conversation) notified(m *message, r *call) {
	switch m.Method {
	case "notifications/progress":
		c.progressed(m.Params)
		return
	case "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed":
		c.server.listChanged(c)
		return
	case "notifications/resources/updated":
		c.updated(m.Params, r)
		return
	case "notifications/subscriptions/acknowledged":
		if r := c.listening(m.Params, r); r != nil {
			r.ack()
		}
		return
	case "notifications/cancelled":
		c.withdrawn(m.Params)
		return
	case "notifications/message":
		c.server.logMessage(m.Params)
	}
	if r == nil {
		r, _ = c.cause()
	}
	if r != nil && r.peer != nil {
		c.pass(r, note{m.Method, m.Params})
	}
}

// updated passes a change of a resource to whoever watches it here: in the Legacy
// era that is whose conversation it is, in the Modern one whose stream it came on.
func (c *conversation) updated(params json.RawMessage, r *call) {
	if c.era() != rpc.Modern {
		c.server.mu.Lock()
		k := c.key
		c.server.mu.Unlock()
		c.server.updated(k, params)
		return
	}
	if r = c.listening(params, r); r != nil {
		c.server.updated(r.watch, params)
	}
}

// listening returns the subscriptions/listen that a notification is about. Over
// stdin and stdout the message alone says which one.
func (c *conversation) listening(params json.RawMessage, r *call) *call {
	if r == nil {
		r = c.callOf(rpc.Get(rpc.Get(params, "_meta"), metaSubscription))
	}
	if r == nil || r.method != "subscriptions/listen" {
		return nil
	}
	return r
}

func (c *conversation) pass(r *call, n note) {
	if !r.inbox.put(n) && r.dropped.CompareAndSwap(false, true) {
		c.server.log.say("It sent more notifications during a call than the client took; some were dropped.")
	}
}

// progressed passes progress to the call it names, under the client's token.
func (c *conversation) progressed(params json.RawMessage) {
	r := c.callOf(rpc.Get(params, metaProgress))
	if r == nil || r.peer == nil || r.token == nil {
		return
	}
	c.pass(r, note{"notifications/progress", rpc.Set(params, metaProgress, r.token)})
}

// withdrawn ends a request of the server that it no longer wants answered, or
// a subscription that it ends.
func (c *conversation) withdrawn(params json.RawMessage) {
	asked := rpc.Get(params, "requestId")
	if c.era() == rpc.Modern {
		if r := c.callOf(asked); r != nil && r.method == "subscriptions/listen" {
			r.inbox.finish(nil, errors.New("the server ended the subscription"))
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.asked[string(asked)]; cancel != nil {
		cancel()
	}
}

// requested takes a request of the server. What can't be asked is answered with
// an error, so that the server can go on without.
func (c *conversation) requested(m *message, r *call) {
	if c.era() == rpc.Modern {
		c.server.log.say("It sent a request, which its protocol revision forbids.")
		c.reply(m.ID, nil, rpc.Errorf(rpc.CodeMethodNotFound, "This protocol revision has no requests of servers."))
		return
	}
	clear := true
	if r == nil || r.peer == nil {
		r, clear = c.cause()
	}
	switch {
	case m.Method == "ping":
		c.reply(m.ID, json.RawMessage("{}"), nil)
	case m.Method == "roots/list" && r == nil:
		c.reply(m.ID, json.RawMessage(`{"roots":[]}`), nil)
	case m.Method != "roots/list" && m.Method != "sampling/createMessage" && m.Method != "elicitation/create":
		c.reply(m.ID, nil, rpc.Errorf(rpc.CodeMethodNotFound, "Drawbridge does not know this method."))
	case !clear:
		c.server.log.say("It asked something while calls of two programs were under way. Neither was asked: it does not say which call that belongs to.")
		c.reply(m.ID, nil, rpc.Errorf(rpc.CodeInvalidRequest, "More than one program has calls here, and the request does not say which it belongs to, so none can be asked."))
	case r == nil:
		c.reply(m.ID, nil, rpc.Errorf(rpc.CodeInvalidRequest, "No client waits for an answer now, so none can be asked."))
	default:
		c.ask(m, r)
	}
}

// ask has the client of r answer a request of the server, without holding up
// what else it says.
func (c *conversation) ask(m *message, r *call) {
	ctx, cancel := context.WithCancel(r.ctx)
	id := string(m.ID)
	c.mu.Lock()
	refused := c.over != nil || len(c.asked) >= maxAsked || c.asked[id] != nil
	if !refused {
		c.asked[id] = cancel
	}
	c.mu.Unlock()
	if refused {
		cancel()
		c.reply(m.ID, nil, rpc.Errorf(rpc.CodeInvalidRequest, "Too many requests at once, or two of one id."))
		return
	}
	go func() {
		result, err := r.peer.Request(ctx, m.Method, m.Params)
		withdrawn := ctx.Err() != nil && r.ctx.Err() == nil
		cancel()
		c.mu.Lock()
		delete(c.asked, id)
		c.mu.Unlock()
		if withdrawn {
			return
		}
		if errors.Is(err, rpc.ErrCannotAsk) && m.Method == "roots/list" {
			result, err = json.RawMessage(`{"roots":[]}`), nil
		}
		c.reply(m.ID, result, err)
	}()
}

// reply answers a request of the server.
func (c *conversation) reply(id json.RawMessage, result json.RawMessage, err error) {
	o := outgoing{ID: id, Result: result}
	if err != nil {
		o.Result = nil
		var own *rpc.Error
		switch {
		case errors.As(err, &own):
			o.Error = own
		case errors.Is(err, rpc.ErrCannotAsk):
			o.Error = rpc.Errorf(rpc.CodeMethodNotFound, "This client can't be asked while it waits.")
		default:
			o.Error = rpc.Errorf(rpc.CodeInternal, "The client did not answer.")
		}
	} else if result == nil {
		o.Result = json.RawMessage("{}")
	}
	_ = c.link().tell(o.encode()) // if it fails the conversation ends, and says so
}

// logMessage keeps a log message of the server in its ring.
func (s *server) logMessage(params json.RawMessage) {
	level, _ := rpc.String(rpc.Get(params, "level"))
	data := rpc.Get(params, "data")
	if len(data) > 64<<10 {
		return
	}
	text, plain := rpc.String(data)
	if !plain {
		text = string(data)
	}
	s.log.add(strings.TrimSpace(level + " " + text))
}
