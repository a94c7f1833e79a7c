package mount

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxAsked bounds the requests of a server that are being answered at once.
const maxAsked = 16

// conversation is one person's link to a server: a process of its own, or a
// transport session over HTTP.
type conversation struct {
	server *server
	sub    string        // guarded by server.mu; "" is Drawbridge's own
	ready  chan struct{} // closed once it is open, or has failed to open
	err    error         // why it did not open; set before ready is closed

	// Set before it is open.
	modern      atomic.Bool // its era
	version     string
	description rpc.Description

	opened time.Time
	strays atomic.Int32 // answers to nothing

	listening sync.Mutex         // held while the modern stream of changes is replaced
	unlisten  context.CancelFunc // ends that stream; guarded by listening

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
	caller  *oauth.Caller                 // who spoke last
	used    time.Time
}

func newConversation(s *server, sub string) *conversation {
	return &conversation{server: s, sub: sub, ready: make(chan struct{}),
		calls: make(map[int64]*call), asked: make(map[string]context.CancelFunc),
		caller: new(oauth.Caller), used: s.set.now()}
}

// do sends a request and waits for the answer, while peer hears what comes
// meanwhile. Its error is an *rpc.Error, ctx's, or why the conversation ended.
func (c *conversation) do(ctx context.Context, caller *oauth.Caller, method string, params json.RawMessage, peer rpc.Peer) (json.RawMessage, error) {
	r, err := c.begin(ctx, caller, method, params, peer)
	if err != nil {
		return nil, err
	}
	c.link().start(r)
	return c.finish(r)
}

// begin registers a call.
func (c *conversation) begin(ctx context.Context, caller *oauth.Caller, method string, params json.RawMessage, peer rpc.Peer) (*call, error) {
	r := &call{method: method, params: params, caller: caller, peer: peer, inbox: newInbox(), acked: make(chan struct{})}
	if caller == nil {
		r.caller = new(oauth.Caller)
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
	if method == "tools/call" && c.modern.Load() && c.server.isHTTP() {
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
	c.used = c.server.set.now()
	if caller != nil {
		c.caller = caller
	}
	return r, nil
}

// finish waits for the answer to r.
func (c *conversation) finish(r *call) (json.RawMessage, error) {
	result, err := r.inbox.wait(r.ctx, func(n note) {
		if r.peer != nil {
			r.peer.Notify(n.method, n.params)
		}
	})
	c.mu.Lock()
	delete(c.calls, r.id)
	c.used = c.server.set.now()
	over, last := c.over, c.retired && len(c.calls) == 0
	c.mu.Unlock()
	if err != nil && err == r.ctx.Err() && over == nil {
		c.link().cancel(r, "nobody waits for the answer any more")
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
	id, ok := m.number()
	if !ok || !m.isAnswer() || length <= limit.Free {
		return
	}
	c.mu.Lock()
	r := c.calls[id]
	c.mu.Unlock()
	if r != nil {
		room.Shrink(int64(length))
		room.Give(limit.HoldOf(r.ctx))
	}
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
		r.inbox.finish(m.outcome())
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
	if _, err := m.outcome(); err != nil {
		said = ": " + err.Error()
	}
	c.server.log.say("It answered a request that was not made, with the id %s%s", m.ID, said)
}

// latest returns the call in flight that a message belongs to which names none:
// the one that came last. All are the same person's.
func (c *conversation) latest() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found *call
	for _, r := range c.calls {
		if r.peer != nil && (found == nil || r.id > found.id) {
			found = r
		}
	}
	return found
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
	if wire != nil {
		c.server.set.closing.start(wire.close)
	}
	return true, open
}

// broke ends the conversation because of the server, which hears of it; of one
// that is not open yet it hears by whoever opens it.
func (c *conversation) broke(f *failure) {
	if first, open := c.end(f); first && open {
		c.server.lost(c, f)
	}
}

// speak sets what is spoken.
func (c *conversation) speak(era rpc.Era, version string) {
	c.modern.Store(era == rpc.Modern)
	c.version = version
}

func (c *conversation) era() rpc.Era {
	if c.modern.Load() {
		return rpc.Modern
	}
	return rpc.Legacy
}

// link returns the wire; noWire if there is none.
func (c *conversation) link() wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wire == nil {
		return noWire{}
	}
	return c.wire
}

// noWire is the wire of a conversation that has none.
type noWire struct{}

func (noWire) start(r *call)        { r.inbox.finish(nil, errNoWire) }
func (noWire) cancel(*call, string) {}
func (noWire) tell([]byte) error    { return errNoWire }
func (noWire) close()               {}

var errNoWire = errors.New("there is no connection")

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

// dismiss takes the wire away, as use gave it.
func (c *conversation) dismiss() {
	c.mu.Lock()
	w := c.wire
	c.wire = nil
	c.mu.Unlock()
	if w != nil {
		w.close()
	}
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

func (c *conversation) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over == nil
}

// isReady reports whether it is open and has not ended.
func (c *conversation) isReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isOpen && c.over == nil
}

// isOwn reports whether err is the server's own word on a request.
func isOwn(err error) bool {
	var e *rpc.Error
	return errors.As(err, &e)
}
