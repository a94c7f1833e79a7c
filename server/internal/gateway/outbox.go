package gateway

import (
	"encoding/json"
	"slices"
	"sync"
)

// outbox holds what a client that listens is still to be told, apart from any
// request. What would be told twice is told once, so an outbox can't grow beyond
// what its client subscribed to, and nothing is lost while nobody listens.
type outbox struct {
	mu    sync.Mutex // guards what follows
	queue []queued
	wakes []chan struct{} // of the streams, the newest last
}

// queued is a notification that waits. Of two with one key only the newest matters.
type queued struct {
	key    string
	method string
	params json.RawMessage // nil: none
}

func listChanged(list List) queued {
	method := "notifications/" + string(list) + "/list_changed"
	return queued{key: method, method: method}
}

func resourceUpdated(uri string, params json.RawMessage) queued {
	const method = "notifications/resources/updated"
	return queued{key: method + " " + uri, method: method, params: params}
}

// add queues a notification. It never blocks.
func (o *outbox) add(n queued) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = slices.DeleteFunc(o.queue, func(old queued) bool { return old.key == n.key })
	o.queue = append(o.queue, n)
	o.wake()
}

func (o *outbox) take() []queued {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.queue
	o.queue = nil
	return list
}

// listen adds a stream. Each message goes to one stream only (TL-5): to the
// newest, because a client that opens another has often lost the one before.
func (o *outbox) listen() (wake <-chan struct{}, leave func()) {
	me := make(chan struct{}, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakes = append(o.wakes, me)
	o.wake()
	return me, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.wakes = slices.DeleteFunc(o.wakes, func(other chan struct{}) bool { return other == me })
		o.wake()
	}
}

// deliver sends what comes into o, each as the message that as makes of it, until
// stop is closed or the exchange is over. A client that sees the stream begin is
// told what comes from then on.
func (x *exchange) deliver(o *outbox, as func(method string, params json.RawMessage) []byte, stop <-chan struct{}) {
	wake, leave := o.listen()
	defer leave()
	x.open()
	for {
		select {
		case <-wake:
			for _, n := range o.take() {
				x.event(as(n.method, n.params))
			}
		case <-x.ctx.Done():
			return
		case <-stop:
			return
		}
	}
}

// wake calls the newest stream if there is something for it. The lock is held.
func (o *outbox) wake() {
	if len(o.queue) == 0 || len(o.wakes) == 0 {
		return
	}
	select {
	case o.wakes[len(o.wakes)-1] <- struct{}{}:
	default: // it has been called already
	}
}
