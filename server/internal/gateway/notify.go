package gateway

import (
	"encoding/json"
	"strconv"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// fullSession is all that mcp-go looks for in a session of this transport.
type fullSession interface {
	server.SessionWithLogging
	server.SessionWithResources
	server.SessionWithResourceTemplates
	server.SessionWithClientInfo
	server.SessionWithProtocolVersion
	server.SessionWithSubscriptionFilter
	server.SessionWithSampling
	server.SessionWithElicitation
	server.SessionWithRoots
	SetProtocolVersion(version string)
}

// callSession is the session as the handlers of one request see it: mcp-go's
// own, but for what they send.
//
// mcp-go puts notifications into one queue a transport session, and hands each
// to whichever of the session's requests takes it first. The last ones of a
// request are lost when its answer overtakes the goroutine that holds them.
// Here each request has a queue of its own, which is empty before the answer
// is written.
type callSession struct {
	fullSession
	exchange *exchange

	mu     sync.Mutex // guards what follows
	name   string
	queue  chan mcp.JSONRPCNotification // nil until something is sent
	flushs chan chan struct{}
	quit   chan struct{} // closed at the end
	gone   chan struct{} // closed when forward has returned
	closed bool
	filter mcp.SubscriptionFilter // waits for the acknowledgement
}

// queued is how many notifications wait at most; a handler that sends more
// waits for the client.
const queued = 64

// SessionID names what a cancellation reaches (notifications/cancelled). The
// requests of 2026-07-28 have no session and mcp-go would let all of them
// share one name: anybody could cancel anybody's request by its number.
func (s *callSession) SessionID() string {
	if id := s.fullSession.SessionID(); id != "" {
		return id
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == "" {
		s.name = "request " + strconv.FormatUint(s.exchange.gateway.requests.Add(1), 36)
	}
	return s.name
}

// UpgradeToSSEWhenReceiveNotification does nothing: the exchange opens a
// stream when it sends something.
func (s *callSession) UpgradeToSSEWhenReceiveNotification() {}

// NotificationChannel returns where mcp-go, which calls this for each
// notification, puts it. After the request's end that is nowhere.
func (s *callSession) NotificationChannel() chan<- mcp.JSONRPCNotification {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	if s.queue == nil {
		s.queue = make(chan mcp.JSONRPCNotification, queued)
		s.flushs = make(chan chan struct{})
		s.quit = make(chan struct{})
		s.gone = make(chan struct{})
		go s.forward()
	}
	queue := s.queue
	s.mu.Unlock()
	if len(queue) > queued/2 {
		s.flush()
	}
	return queue
}

// forward sends what is queued until close.
func (s *callSession) forward() {
	defer close(s.gone)
	for {
		select {
		case n := <-s.queue:
			s.send(n)
		case done := <-s.flushs:
			s.drain()
			close(done)
		case <-s.quit:
			s.drain()
			return
		}
	}
}

func (s *callSession) drain() {
	for {
		select {
		case n := <-s.queue:
			s.send(n)
		default:
			return
		}
	}
}

func (s *callSession) send(n mcp.JSONRPCNotification) {
	message, err := json.Marshal(n)
	if err != nil {
		s.exchange.gateway.opts.Log.Error("notification dropped", "method", n.Method, "cause", err)
		return
	}
	s.exchange.notify(message)
	if n.Method == mcp.MethodNotificationSubscriptionsAcknowledged {
		s.mu.Lock()
		filter := s.filter
		s.mu.Unlock()
		s.fullSession.SetSubscriptionFilter(filter)
	}
}

// flush returns when everything queued so far is sent.
func (s *callSession) flush() {
	s.mu.Lock()
	queue := s.queue
	s.mu.Unlock()
	if queue == nil {
		return
	}
	done := make(chan struct{})
	select {
	case s.flushs <- done:
		<-done
	case <-s.gone:
	}
}

// close sends what is queued and takes nothing more.
func (s *callSession) close() {
	s.mu.Lock()
	started := s.queue != nil && !s.closed
	s.closed = true
	s.mu.Unlock()
	if started {
		close(s.quit)
		<-s.gone
	}
}

// SetSubscriptionFilter begins or ends a subscription. It begins when its
// acknowledgement is sent, because that must be the first message of the
// stream (MCP 2026-07-28, "Subscriptions").
func (s *callSession) SetSubscriptionFilter(f mcp.SubscriptionFilter) {
	if f.IsEmpty() {
		s.fullSession.SetSubscriptionFilter(f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter = f
}
