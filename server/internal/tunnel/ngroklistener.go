package tunnel

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.ngrok.com/ngrok/v2"
)

// ngrokListener is an endpoint whose end is noticed, and whose Accept and Close
// return although the SDK's do not: theirs can wait for each other, or for an
// answer of ngrok's, when the connection is lost at the wrong moment.
type ngrokListener struct {
	ngrok.EndpointListener
	call *ngrokCall
	next chan visitor
	over chan struct{} // closed by Close
	once sync.Once
}

// visitor is what the SDK's Accept returned.
type visitor struct {
	conn net.Conn
	err  error
}

func newNgrokListener(endpoint ngrok.EndpointListener, call *ngrokCall) *ngrokListener {
	l := &ngrokListener{EndpointListener: endpoint, call: call, next: make(chan visitor), over: make(chan struct{})}
	go l.take()
	return l
}

// take takes visitors from the SDK. Those who are on their way when the endpoint
// closes are sent off: its Close would wait until somebody takes them.
func (l *ngrokListener) take() {
	for {
		conn, err := l.EndpointListener.Accept()
		select {
		case l.next <- visitor{conn, err}:
		case <-l.over:
			if err == nil {
				_ = conn.Close()
			}
		}
		if err != nil {
			return
		}
	}
}

// Accept also tells when the endpoint was stopped from the other side.
func (l *ngrokListener) Accept() (net.Conn, error) {
	select {
	case <-l.over:
		return nil, net.ErrClosed
	case v := <-l.next:
		if v.err == nil {
			return v.conn, nil
		}
		if code := ngrokCode(v.err); code != "" {
			l.call.tell(l.call.stopped(code))
		}
		return nil, fmt.Errorf("the tunnel takes no more visitors: %w", l.call.redact(v.err))
	}
}

// stopped is why ngrok closed the endpoint under a session that lives on.
func (c *ngrokCall) stopped(code string) error {
	if _, known := ngrokSays[code]; known {
		return Refusal(code)
	}
	return &Error{Code: code, Msg: "ngrok closed the endpoint; ngrok.com/docs/errors/" + strings.ToLower(code) + " says why"}
}

// Close asks ngrok to send no more visitors.
func (l *ngrokListener) Close() error {
	l.once.Do(func() {
		close(l.over)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = l.EndpointListener.Close()
		}()
		select {
		case <-closed:
		case <-time.After(closeTime):
		}
	})
	return nil
}
