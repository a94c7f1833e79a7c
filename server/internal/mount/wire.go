package mount

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// wire carries the messages of one conversation. What comes is handed to
// conversation.receive, and the answer of a call to its inbox.
type wire interface {
	// start sends the request of c. It does not wait for anything.
	start(c *call)
	// cancel tells the server by message that nobody waits for c any more.
	cancel(c *call, message []byte)
	// tell sends a notification or an answer to a request of the server.
	tell(message []byte) error
	// close ends the transport, politely first, and returns when it has ended.
	close()
}

// call is a request on its way to a server.
type call struct {
	id     int64
	method string
	params json.RawMessage
	caller *oauth.Caller   // never nil; without a Sub it is Drawbridge itself
	origin string          // the program that it comes from; "" is Drawbridge itself
	peer   rpc.Peer        // nil: the request is Drawbridge's own
	watch  key             // of subscriptions/listen: for whom
	token  json.RawMessage // the progress token that the client gave
	header http.Header     // Mcp-Param-*

	ctx     context.Context // ends when nobody waits any more
	cancel  context.CancelFunc
	inbox   *inbox
	dropped atomic.Bool     // a note found no room
	acked   context.Context // of subscriptions/listen: ended by ack, once it is acknowledged
	ack     context.CancelFunc
}

// isClients reports whether a client made it, so that it is a use.
func (r *call) isClients() bool { return r.origin != "" && r.method != "subscriptions/listen" }

// body is the request in one line. The params are put in as they are: prepare
// has written them, so there is no line break in them.
func (r *call) body() []byte {
	b := strconv.AppendInt([]byte(`{"jsonrpc":"2.0","id":`), r.id, 10)
	b = append(append(b, `,"method":`...), rpc.Quote(r.method)...)
	if r.params != nil {
		b = append(append(b, `,"params":`...), r.params...)
	}
	return append(b, '}')
}

// errSessionGone says that an HTTP server has forgotten the transport session
// (404, MCP 2025-11-25, "Session Management"); it did not look at the request.
var errSessionGone = errors.New("the transport session is over")

// failure is why a server can't be talked to. Its text is a sentence without
// the server's name.
type failure struct {
	text   string // for clients, too
	detail string // sentences for the owner alone, such as what the server wrote
	kind   failureKind
	cause  error
	status int // of HTTP, if the server answered
}

type failureKind int

const (
	crashed     failureKind = iota // the process has ended by itself
	unreachable                    // it may answer later
	lasting                        // only the owner can change it
)

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }
