package mount

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxAsked bounds the requests of a server that are being answered at once.
const maxAsked = 16

// conversation is a link to a server: a process, or a transport session over
// HTTP. In the Legacy era it is one sign-in's, opened with what its client
// declared; in the Modern era it is everybody's.
type conversation struct {
	server  *server
	key     key           // guarded by server.mu
	client  Client        // whom it was opened for
	private bool          // and is for alone
	probes  bool          // it finds out which era the server speaks
	ready   chan struct{} // closed once it is open, or has failed to open
	err     error         // why it did not open; set before ready is closed

	// Set before it is open.
	spoken      atomic.Pointer[revision] // read by whoever ends it meanwhile, too
	description rpc.Description
	lists       *reader // of what is offered here; nil if that is what all are offered
	opened      time.Time

	strays atomic.Int32 // answers to nothing

	// Guarded by server.mu.
	grants map[string]bool // the sign-ins that have used it
	found  *Catalog        // what is offered here; nil: not read
	view   *Catalog        // found as part of what all are offered
	readAt time.Time

	streams sync.Map // key → *stream, in which a server of the Modern era tells of changes

	mu      sync.Mutex // guards all below
	wire    wire       // nil while there is none yet
	isOpen  bool       // the handshake is done
	probing bool       // the end of the wire is not that of the conversation
	wireEnd error      // how the wire ended
	over    error      // why it has ended
	retired bool       // it ends with its last call
	calls   map[int64]*call
	lastID  int64
	asked   map[string]context.CancelFunc // the server's requests that are being answered, by id
	left    map[string]time.Time          // when programs last gave up a call, by origin
	level   int                           // of log messages that the server was asked for; none: len(levels)
	used    time.Time                     // by a client
}

func newConversation(s *server, k key, client Client) *conversation {
	c := &conversation{server: s, key: k, client: client, private: k.who != "", ready: make(chan struct{}), grants: make(map[string]bool), level: len(levels),
		calls: make(map[int64]*call), asked: make(map[string]context.CancelFunc), left: make(map[string]time.Time), used: s.set.o.Now()}
	if k.who != "" {
		c.lists = &reader{do: c.readOwnLists, start: s.set.working.start, settle: s.set.tune.settle}
	}
	return c
}

// do sends a request and waits for the answer, while peer gets what comes
// meanwhile. Its error is an *rpc.Error, ctx's, or why the conversation ended.
func (c *conversation) do(ctx context.Context, client Client, method string, params json.RawMessage, peer rpc.Peer) (rpc.Object, error) {
	r, err := c.begin(ctx, client, method, params, peer)
	if err != nil {
		return nil, err
	}
	c.link().start(r)
	return c.finish(r)
}

// begin registers a call.
func (c *conversation) begin(ctx context.Context, client Client, method string, params json.RawMessage, peer rpc.Peer) (*call, error) {
	r := &call{method: method, params: params, caller: client.caller(), origin: client.origin(), peer: peer, inbox: newInbox()}
	if method == "subscriptions/listen" {
		r.acked, r.ack = context.WithCancel(context.Background())
	}
	c.mu.Lock()
	c.lastID++
	r.id = c.lastID
	c.mu.Unlock()
	if method != "initialize" {
		if err := c.prepare(r, params); err != nil {
			return nil, err
		}
	}
	if method == "tools/call" && c.era() == rpc.Modern && c.server.http {
		r.header = c.server.paramHeaders(r.params)
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		r.cancel()
		return nil, c.over
	}
	c.calls[r.id] = r
	if r.isClients() {
		c.used = c.server.set.o.Now()
	}
	return r, nil
}

// finish waits for the answer to r.
func (c *conversation) finish(r *call) (rpc.Object, error) {
	result, err := r.inbox.wait(r.ctx, func(n note) {
		if r.peer != nil {
			r.peer.Notify(n.method, n.params)
		}
	})
	c.mu.Lock()
	delete(c.calls, r.id)
	over, last := c.over, c.retired && len(c.calls) == 0
	givenUp := err != nil && err == r.ctx.Err() && over == nil
	if r.isClients() {
		c.used = c.server.set.o.Now()
		if givenUp {
			c.gaveUp(r.origin)
		}
	}
	c.mu.Unlock()
	if givenUp {
		c.link().cancel(r, outgoing{Method: "notifications/cancelled",
			Params: encode(map[string]any{"requestId": r.id, "reason": "nobody waits for the answer any more"})}.encode())
	}
	if last {
		c.end(errSessionGone)
	}
	r.cancel() // also ends what the server asked during the call
	return result, err
}

// give passes the room that a message of that length has to the call that it
// answers, if it came where the answers of many calls come.
func (c *conversation) give(room *limit.Hold, m *message, length int) {
	if !m.isAnswer() || length <= limit.Free {
		return
	}
	if r := c.callOf(m.ID); r != nil {
		room.Shrink(int64(length))
		room.Give(limit.HoldOf(r.ctx))
	}
}

// callOf is the call under way that has id, one of our numbers; nil: none has.
func (c *conversation) callOf(id json.RawMessage) *call {
	n, _ := numberOf(id) // 0 is no call's
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[n]
}

// answered hands an answer to its call.
func (c *conversation) answered(m *message) {
	id, ok := m.number()
	c.mu.Lock()
	r := c.calls[id]
	if m.ID == nil && len(c.calls) == 1 { // an error that can mean no other
		for _, only := range c.calls {
			r = only
		}
	}
	late := ok && id > 0 && id <= c.lastID
	c.mu.Unlock()
	switch {
	case r != nil:
		r.inbox.finish(m.outcome(r.method))
	case !late: // late is that of a cancelled call
		c.strayAnswer(m)
	}
}

// maxStray bounds the lines about answers to nothing, for one conversation.
const maxStray = 5

// strayAnswer notes an answer to a request that nobody made: without a word the
// call that it was meant for would seem to hang.
func (c *conversation) strayAnswer(m *message) {
	if n := c.strays.Add(1); n > maxStray {
		return
	}
	said := ""
	if _, err := m.outcome(""); err != nil {
		said = ": " + err.Error()
	}
	c.server.log.say("It answered a request that was not made, with the id %s%s", m.ID, said)
}

// afterwards is for how long a call that was given up may still be the cause of
// what a server says: it hears of that a moment later.
const afterwards = 30 * time.Second

// gaveUp notes whose call it was. It needs mu.
func (c *conversation) gaveUp(origin string) {
	now := c.server.set.o.Now()
	for other, at := range c.left {
		if now.Sub(at) > afterwards {
			delete(c.left, other)
		}
	}
	c.left[origin] = now
}

// cause returns the call that a message belongs to which names none: the last of
// the one program that has calls here. Where another could be the cause as well
// it belongs to nobody: a program must not be asked, nor told, what another did.
func (c *conversation) cause() (r *call, clear bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.calls {
		switch {
		case other.peer == nil:
		case r != nil && r.origin != other.origin:
			return nil, false
		case r == nil || other.id > r.id:
			r = other
		}
	}
	now := c.server.set.o.Now()
	for origin, at := range c.left {
		if r != nil && origin != r.origin && now.Sub(at) <= afterwards {
			return nil, false
		}
	}
	return r, true
}

// abort fails every call in flight, but not the conversation.
func (c *conversation) abort(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.calls {
		r.inbox.finish(nil, err)
	}
}

// end ends the conversation: calls in flight fail with why. first is whether
// nobody had ended it before, open whether it was open. The wire closes in the
// background.
func (c *conversation) end(why error) (first, open bool) {
	c.mu.Lock()
	if c.over != nil {
		c.mu.Unlock()
		return false, c.isOpen
	}
	c.over, open = why, c.isOpen
	for _, r := range c.calls {
		r.inbox.finish(nil, why)
	}
	for _, cancel := range c.asked {
		cancel()
	}
	wire := c.wire
	c.mu.Unlock()
	c.server.set.room.leave(c)
	if wire != nil {
		c.server.set.closing.start(wire.close)
	}
	return true, open
}

// broke ends the conversation because of the server, which hears of it; of one
// that is not open yet it hears by whoever opens it.
func (c *conversation) broke(f *failure) {
	if first, open := c.end(f); first && open {
		c.server.mu.Lock()
		c.server.removeLocked(c)
		c.server.mu.Unlock()
		c.server.failed(f)
	}
}

// revision is what a conversation is in: an era, and the protocol's version,
// which is empty until it is agreed.
type revision struct {
	era     rpc.Era
	version string
}

// speak sets what is spoken.
func (c *conversation) speak(era rpc.Era, version string) { c.spoken.Store(&revision{era, version}) }

func (c *conversation) speaks() revision {
	if r := c.spoken.Load(); r != nil {
		return *r
	}
	return revision{}
}

func (c *conversation) era() rpc.Era { return c.speaks().era }

// link returns the wire. There is one before there is anything to say.
func (c *conversation) link() wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wire
}

// use makes w the wire of the conversation, unless that has ended meanwhile.
func (c *conversation) use(w wire) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		c.server.set.closing.start(w.close)
		return c.over
	}
	c.wire, c.wireEnd = w, nil
	return nil
}

// idle returns since when nobody has used the conversation; false if somebody
// does.
func (c *conversation) idle() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.calls {
		if r.method != "subscriptions/listen" {
			return time.Time{}, false
		}
	}
	return c.used, true
}

// why is why the conversation has ended; nil if it has not.
func (c *conversation) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// touch counts as a use.
func (c *conversation) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = c.server.set.o.Now()
}

func (c *conversation) alive() bool { return c.why() == nil }

// takesCalls reports whether a call may begin in it: it has not ended, nor ends
// with the last that is under way.
func (c *conversation) takesCalls() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over == nil && !c.retired
}

// isReady reports whether it is open and has not ended.
func (c *conversation) isReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isOpen && c.over == nil
}

// isOwn reports whether err is the server's own word on a request.
func isOwn(err error) bool {
	_, own := errors.AsType[*rpc.Error](err)
	return own
}
