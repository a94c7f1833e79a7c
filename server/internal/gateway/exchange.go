package gateway

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// exchange is one HTTP request at the MCP endpoint and its response. mcp-go
// reads its body and writes to it as to any response; in between, the
// exchange delivers the request's notifications and keeps its stream alive.
//
// A response starts in one of three ways: mcp-go writes JSON, mcp-go opens a
// stream, or we open one because there is something to send before mcp-go has
// an answer. In the last case mcp-go does not know, and its JSON becomes the
// stream's last event.
type exchange struct {
	bytes.Reader // the message, for mcp-go to read
	message      []byte

	gateway *Gateway
	w       http.ResponseWriter
	caller  *oauth.Caller
	streams bool   // the client takes text/event-stream
	created string // id of the transport session that this request opened

	session callSession
	header  http.Header // mcp-go's; it sets it while we may be opening the stream
	refusal *refusal    // answers in place of mcp-go's error

	silent atomic.Int32 // ticks of the pulse since something was sent

	mu    sync.Mutex // guards what follows, and writing to w
	state state
	long  bool   // the deadlines that the HTTP server sets are lifted
	held  []byte // what mcp-go wrote while state was answering or failing
	code  int    // the status of what is held
}

type state int

const (
	waiting   state = iota // nothing is sent
	plain                  // mcp-go's response passes through
	streaming              // events pass through
	answering              // streaming, and what mcp-go writes is its answer
	failing                // nothing is sent, and what mcp-go writes is an error's text
	over                   // the handler has returned
)

// writeTimeout bounds one write to a stream whose client does not read, so
// that it cannot hold a tool, or the end of its grant, for long.
const writeTimeout = 30 * time.Second

func newExchange(g *Gateway, w http.ResponseWriter, r *http.Request, caller *oauth.Caller, body []byte) *exchange {
	x := &exchange{
		message: body, gateway: g, w: w, caller: caller,
		header: make(http.Header, 4), streams: acceptsStream(r.Header["Accept"]),
	}
	x.Reader.Reset(body)
	x.session.exchange = x
	r.Body = x // also how mcp-go's hooks find the exchange
	g.pulse.add(x)
	return x
}

// acceptsStream reports whether an Accept header allows a stream. MCP clients
// must list it; one that lists only JSON (curl, a probe) gets JSON and no
// notifications.
func acceptsStream(accept []string) bool {
	for _, v := range accept {
		if strings.Contains(v, "text/event-stream") || strings.Contains(v, "*/*") {
			return true
		}
	}
	return len(accept) == 0
}

// Close is part of a request's body.
func (x *exchange) Close() error { return nil }

// Header returns the header of mcp-go's response.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader starts mcp-go's response. What the request's handlers have sent
// before is delivered first.
func (x *exchange) WriteHeader(status int) {
	x.session.flush()
	x.mu.Lock()
	defer x.mu.Unlock()
	kind := x.header.Get("Content-Type")
	switch stream := strings.HasPrefix(kind, "text/event-stream"); {
	case x.state == streaming && !stream:
		x.state = answering
	case x.state != waiting:
	case stream:
		x.startStream()
		x.send(nil)
	case x.refusal != nil, status >= 400 && strings.HasPrefix(kind, "text/plain"):
		x.state, x.code = failing, status
	default:
		x.state = plain
		if x.long {
			_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(writeTimeout))
		}
		maps.Copy(x.w.Header(), x.header)
		x.w.WriteHeader(status)
	}
}

// Write takes what mcp-go writes: all of a JSON body, or one event.
func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	state := x.state
	x.mu.Unlock()
	if state == waiting {
		x.WriteHeader(http.StatusOK)
	} else if state == streaming {
		x.session.flush() // this event may be the answer
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.state {
	case plain:
		return x.w.Write(p)
	case streaming:
		x.send(p)
	case answering, failing:
		x.held = append(x.held, p...)
	case over:
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// Flush sends what is written. Each event is flushed by itself.
func (x *exchange) Flush() {}

// Unwrap serves http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

// finish ends the response once mcp-go has returned.
func (x *exchange) finish() {
	x.gateway.pulse.remove(x)
	x.session.close()
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.state {
	case answering:
		if answer := bytes.TrimSpace(x.held); len(answer) > 0 {
			x.send(event(answer))
		}
	case failing:
		x.fail()
	}
	if x.state == streaming || x.state == answering {
		// The connection serves other requests after this one.
		http.NewResponseController(x.w).SetWriteDeadline(time.Time{})
	}
	x.state = over
}

// fail answers with an error that mcp-go gave as plain text, in the form that
// MCP clients read. The lock is held.
func (x *exchange) fail() {
	f := x.refusal
	if f == nil {
		f = &refusal{x.code, codeInvalid, string(bytes.TrimSpace(x.held))}
	}
	if allow := x.header["Allow"]; allow != nil {
		x.w.Header()["Allow"] = allow // RFC 9110 §15.5.6
	}
	f.write(x.w, idOf(x.message))
}

// notify sends a message as an event of this request's stream, and opens the
// stream if need be.
func (x *exchange) notify(message []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == waiting && x.streams {
		x.startStream()
	}
	if x.state == streaming || x.state == answering {
		x.send(event(message))
	}
}

// tick is called every now and then while the request lasts.
func (x *exchange) tick(silent bool) {
	x.lift()
	if silent {
		x.keepAlive()
	}
}

// lift takes away the deadlines that the HTTP server sets for a request: they
// are for short ones, and reading on past theirs would end this one. The body
// has been read by now.
func (x *exchange) lift() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.long || x.state == over {
		return // over: the connection may be the next request's
	}
	x.long = true
	c := http.NewResponseController(x.w)
	_ = c.SetReadDeadline(time.Time{})
	if x.state == waiting {
		_ = c.SetWriteDeadline(time.Time{})
	}
}

// keepAlive sends a comment on a silent stream. A request that has been silent
// from the start becomes a stream; should an error follow, it is an event
// under status 200, which beats a connection that a proxy has cut.
func (x *exchange) keepAlive() {
	if !x.mu.TryLock() {
		return // something is being sent
	}
	defer x.mu.Unlock()
	if x.state == waiting && x.streams {
		x.startStream()
	}
	if x.state == streaming || x.state == answering {
		x.send([]byte(": keep-alive\n\n"))
	}
}

// startStream makes the response a stream; something is sent next. The lock is
// held.
func (x *exchange) startStream() {
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store") // it is one person's, and never the same twice
	h.Set("X-Accel-Buffering", "no")   // MCP 2026-07-28, "Receiving Messages"
	x.state = streaming
	x.w.WriteHeader(http.StatusOK)
}

// send writes p to the stream at once. The lock is held. An error means that
// the client has left, which the request's context tells everyone else.
func (x *exchange) send(p []byte) {
	x.silent.Store(0)
	c := http.NewResponseController(x.w)
	c.SetWriteDeadline(time.Now().Add(writeTimeout))
	x.w.Write(p)
	c.Flush()
}

// event frames a message as mcp-go does (WHATWG HTML §9.2). JSON holds no line
// break.
func event(message []byte) []byte {
	p := make([]byte, 0, len(message)+24)
	p = append(p, "event: message\ndata: "...)
	p = append(p, message...)
	return append(p, "\n\n"...)
}
