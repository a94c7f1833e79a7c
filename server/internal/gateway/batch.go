package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// batches is the one revision that has them: it has servers take batches, the
// next took them out again.
const batches = "2025-03-26"

// maxBatch is how many messages a batch may have: they are answered side by
// side, and each meets the limits that it would meet alone.
const maxBatch = 32

var (
	emptyBatch  = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "A batch must have a message.")
	longBatch   = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "A batch may have %d messages: send the rest in another.", maxBatch)
	longAnswers = refusalf(http.StatusOK, rpc.CodeInternal, "The answers to this batch are too long for one response: accept text/event-stream, or send its requests one by one.")
	notInBatch  = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "This message must not be part of a batch: send it by itself.")
)

// batch is a JSON-RPC batch while it is answered (MCP 2025-03-26, "Sending
// Messages to the Server"): one response for all of its requests, or a stream.
type batch struct {
	exchange

	// Guarded by exchange.mu.
	answers [][]byte // by the place of what they answer; nil: none
	kept    int      // bytes of them
}

func isBatch(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && body[0] == '['
}

func split(body []byte) (messages []json.RawMessage, f *refusal) {
	if rpc.Depth(body) > maxDepth+1 {
		return nil, tooDeep
	}
	if err := json.Unmarshal(body, &messages); err != nil {
		return nil, notJSON
	}
	switch {
	case len(messages) == 0: // JSON-RPC 2.0 §6
		return nil, emptyBatch
	case len(messages) > maxBatch:
		return nil, longBatch
	}
	return messages, nil
}

// batch answers a batch. start is when its body began to be read.
func (e *Endpoint) batch(w http.ResponseWriter, r *http.Request, caller *oauth.Caller, body []byte, start time.Time) {
	version, said := one(r.Header, versionHeader)
	if said && version != batches || len(r.Header[versionHeader]) > 1 || len(r.Header[methodHeader])+len(r.Header[nameHeader]) > 0 {
		noBatches.write(w, nil)
		return
	}
	id := r.Header.Get(sessionHeader)
	s, refusal := e.enter(id, caller, nil)
	if refusal == nil && s.version != batches {
		refusal = noBatches
	}
	var messages []json.RawMessage
	if refusal == nil {
		messages, refusal = split(body)
	}
	if refusal != nil {
		refusal.write(w, nil)
		return
	}
	if caller.Ended() || r.Context().Err() != nil { // while the body was still coming
		ended.write(w, nil)
		return
	}
	b := &batch{answers: make([][]byte, len(messages))}
	e.begin(&b.exchange, w, r, caller, true)
	defer b.close()
	if time.Since(start) > slowBody {
		b.lift()
	}
	var running sync.WaitGroup
	for place, message := range messages {
		c := e.newCall(caller)
		if c.message, refusal = parse(message); refusal == nil && (c.method == "initialize" || c.isModern(r.Header)) {
			refusal = notInBatch
		}
		if refusal != nil {
			if c.id == nil { // JSON-RPC 2.0 §5, so that a client can count the answers
				c.id = json.RawMessage("null")
			}
			b.put(place, refusal.message(c.id), nil)
			continue
		}
		c.batch, c.place, c.about, c.streams = b, place, c.id, b.streams
		c.within(b.ctx, caller)
		if !c.isRequest() { // in their order, and a cancellation finds what came before it
			c.in(s)
			c.inSession(false)
			c.close()
			continue
		}
		own, refusal := e.enter(id, caller, c)
		if refusal != nil { // ended meanwhile
			b.put(place, refusal.message(c.id), nil)
			c.cancel(nil)
			continue
		}
		c.in(own)
		running.Go(func() {
			defer c.close()
			c.inSession(true)
		})
	}
	running.Wait()
	b.finish()
}

// put takes the answer to the message at place. Once something has been sent it
// is a stream, and nothing need wait for the slowest. What is large is sent at
// once, with its room.
func (b *batch) put(place int, message []byte, room *limit.Hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ctx.Err() != nil || b.state == over:
	case b.state == streaming || b.streams && len(message) > limit.Free:
		room.Give(b.room)
		b.streamed(message)
		b.room.Shrink(0)
	default:
		if b.kept += len(message); b.kept > maxBody {
			message = longAnswers.message(rpc.Get(message, "id"))
		}
		b.answers[place] = message
	}
}

// finish sends the answers that have not been sent. There are none if the batch
// has no request, or the client has cancelled all of them.
func (b *batch) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	answers := slices.DeleteFunc(b.answers, func(a []byte) bool { return a == nil })
	switch {
	case b.ctx.Err() != nil: // close says so
		return
	case b.state == waiting && len(answers) == 0:
		b.whole(http.StatusAccepted)
		return
	case b.state == waiting && b.plain:
		b.whole(http.StatusOK, []byte("["), bytes.Join(answers, []byte(",")), []byte("]"))
		return
	}
	for _, a := range answers {
		b.streamed(a)
	}
	b.exchange.finish()
}
