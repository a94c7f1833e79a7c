package gateway

import (
	"net/http"
	"time"
)

// tick is called every now and then while the request lasts: it lifts the
// deadlines of a long one, and sends a comment on one that has been silent, so
// that nothing between us and the client takes it for dead. None is silent for
// longer than two ticks.
func (x *exchange) tick() {
	x.lift()
	if x.silent.Add(1) >= 2 {
		x.keepAlive()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state != over {
		x.clock.Reset(x.every)
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
	if x.ctx.Err() != nil {
		return
	}
	if x.state == waiting && x.streams {
		x.startStream()
	}
	if x.state == streaming {
		x.send([]byte(": keep-alive\n\n"))
	}
}
