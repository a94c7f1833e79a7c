package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// exchange is one HTTP request at the endpoint and its response: a JSON
// answer, or a stream as soon as something is sent before the answer. What is
// sent is sent at once, by whoever sends it, so that nothing can overtake it.
type exchange struct {
	w      http.ResponseWriter
	ctx    context.Context // done: nothing more is sent
	cancel context.CancelCauseFunc
	room   *limit.Hold // for the answer

	streams bool            // the client takes text/event-stream
	plain   bool            // the client takes application/json
	about   json.RawMessage // id of the request; nil: none
	batch   *batch          // that the request is part of, which answers for it; nil: none
	place   int             // in batch

	silent atomic.Int32 // ticks since something was sent

	mu    sync.Mutex // guards what follows, and writing to w
	every time.Duration
	clock *time.Timer // calls tick; nil in a batch, which ticks for it
	state state
	long  bool // the deadlines that the HTTP server sets are lifted
}

type state int

const (
	waiting   state = iota // nothing is sent
	streaming              // events are sent
	over                   // the answer is sent, or the handler has returned
)

// writeTimeout bounds one write to a stream whose client does not read, so
// that it cannot hold a tool, or the end of its grant, for long.
const writeTimeout = 30 * time.Second

// Why an exchange ends before its answer, other than by its request's own end.
var (
	errCancelled = errors.New("the client cancelled the request")
	errGone      = errors.New("the client does not read")
	errNoSession = errors.New("the transport session is over")
	errEnded     = errors.New("the grant has ended")
)

// begin makes x the exchange of r. What is no request gets no stream. The
// caller closes it.
func (e *Endpoint) begin(x *exchange, w http.ResponseWriter, r *http.Request, caller *oauth.Caller, isRequest bool) {
	x.w = w
	x.within(r.Context(), caller)
	x.streams, x.plain = accepted(r.Header["Accept"])
	x.streams = x.streams && isRequest
	x.mu.Lock() // a tick may come at once
	defer x.mu.Unlock()
	x.every = e.opts.KeepAlive / 2
	x.clock = time.AfterFunc(x.every, x.tick)
}

// within makes x end with ctx, at the latest. Whoever gets the answer from
// elsewhere takes room for it before they read it, see [limit.HoldOf].
func (x *exchange) within(ctx context.Context, caller *oauth.Caller) {
	x.room = limit.Answers.For(caller.Session)
	x.ctx, x.cancel = context.WithCancelCause(limit.WithHold(ctx, x.room))
}

// accepted reports which of the two forms of an answer an Accept header
// allows. MCP clients must list both; one that lists only JSON (curl, a probe)
// gets JSON and no notifications.
func accepted(accept []string) (streams, plain bool) {
	if len(accept) == 0 {
		return true, true
	}
	for _, v := range accept {
		if strings.Contains(v, "*/*") {
			return true, true
		}
		streams = streams || strings.Contains(v, "text/event-stream")
		plain = plain || strings.Contains(v, "application/json") || strings.Contains(v, "application/*")
	}
	return streams, plain || !streams
}

// event sends a message on this request's stream, and opens the stream if need
// be. It reports false if the client will not get it.
func (x *exchange) event(message []byte) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ctx.Err() != nil || x.state == over || !x.streams {
		return false
	}
	if x.batch != nil {
		return x.batch.event(message)
	}
	return x.streamed(message)
}

// open starts the stream before there is anything to send.
func (x *exchange) open() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ctx.Err() == nil && x.state == waiting {
		x.startStream()
		x.send()
	}
}

// answer sends the one answer; nothing comes after it. If something has been
// sent already it is an event, whatever its status.
// The message may come in parts, so that nobody need put a large one together.
func (x *exchange) answer(status int, message ...[]byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.state == over:
	case x.ctx.Err() != nil:
		x.abandon()
	case x.batch != nil:
		x.state = over
		x.batch.put(x.place, bytes.Join(message, nil), x.room)
	case x.state == waiting && (x.plain || status != http.StatusOK):
		x.whole(status, message...)
	default:
		x.streamed(message...)
		x.finish()
	}
}

func (x *exchange) refuse(f *refusal, id json.RawMessage) { x.answer(f.status, f.message(id)) }

func (x *exchange) empty(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.batch != nil:
		x.state = over
	case x.state == waiting:
		x.whole(status)
	}
}

// abandon ends a response whose context is done: no message is sent for the
// request any more (TR-12). The lock is held.
func (x *exchange) abandon() {
	if x.state == streaming {
		x.finish()
		return
	}
	said := ended // the grant has ended, or Drawbridge is paused; or nobody is there to read it
	switch cause := context.Cause(x.ctx); {
	case cause == errNoSession:
		said = sessionUnknown
	case cause != errCancelled:
	case x.batch != nil:
		x.state = over
		return
	case x.streams:
		x.startStream()
		x.send()
		x.finish()
		return
	default:
		x.whole(http.StatusAccepted)
		return
	}
	if x.batch != nil {
		x.state = over
		x.batch.put(x.place, said.message(x.about), nil)
		return
	}
	x.whole(said.status, said.message(x.about))
}

// header sets a header of the response, or takes it out, unless it is sent.
func (x *exchange) header(name string, value ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == waiting {
		x.w.Header()[name] = value // without values none is sent
	}
}

// close ends the response once the handler returns. A stream ends as it is.
func (x *exchange) close() {
	x.mu.Lock()
	if x.state != over && (x.state == streaming || x.ctx.Err() != nil) {
		x.abandon()
	}
	x.state = over
	if x.clock != nil {
		x.clock.Stop()
	}
	x.mu.Unlock()
	x.cancel(nil)
	x.room.Release()
}

// finish ends the stream. The connection serves other requests after this one.
// The lock is held.
func (x *exchange) finish() {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{})
	x.state = over
}

// whole sends a response that is no stream. The lock is held. A client that
// left needs no answer.
func (x *exchange) whole(status int, message ...[]byte) {
	x.state = over
	if x.long {
		x.deadline()
	}
	h := x.w.Header()
	if message != nil {
		h["Content-Type"], h["Cache-Control"] = typeJSON, noStore
		length := 0
		for _, part := range message {
			length += len(part)
		}
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	x.w.WriteHeader(status)
	_ = x.write(message)
}

// write writes message, as much at once as shows whether the client reads.
func (x *exchange) write(message [][]byte) error {
	for _, part := range message {
		for len(part) > 0 {
			now := min(len(part), limit.Free)
			if len(part) > limit.Free {
				x.room.Sending(x.cut)
			}
			if _, err := x.w.Write(part[:now]); err != nil {
				return err
			}
			part = part[now:]
		}
	}
	return nil
}

// cut ends the writing to a client that does not read.
func (x *exchange) cut() {
	x.cancel(errGone)
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now())
}

func (x *exchange) deadline() {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// startStream makes the response a stream; something is sent next. The lock is
// held.
func (x *exchange) startStream() {
	h := x.w.Header()
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = noStore            // it is one person's, and never the same twice
	h["X-Accel-Buffering"] = []string{"no"} // MCP 2026-07-28, "Receiving Messages"
	x.state = streaming
	x.w.WriteHeader(http.StatusOK)
}

// streamed sends a message as an event (WHATWG HTML §9.2), and opens the stream
// if need be. JSON can do without line breaks, which would end it. The lock is held.
func (x *exchange) streamed(message ...[]byte) bool {
	if x.state == waiting {
		x.startStream()
	}
	parts := append(make([][]byte, 0, 5), eventStart)
	for _, part := range message {
		parts = append(parts, rpc.OneLine(part))
	}
	return x.send(append(parts, eventEnd)...)
}

var eventStart, eventEnd = []byte("event: message\ndata: "), []byte("\n\n")

// send writes to the stream at once. The lock is held. A client that does not
// take it is given up, and with it whatever works for it.
func (x *exchange) send(parts ...[]byte) bool {
	x.silent.Store(0)
	x.deadline()
	err := x.write(parts)
	if err == nil {
		err = http.NewResponseController(x.w).Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		x.cancel(errGone)
		return false
	}
	return true
}

// Values of headers, made once.
var (
	typeJSON = []string{"application/json"}
	noStore  = []string{"no-store"}
)
