package tunnel

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.ngrok.com/ngrok/v2"
)

// ngrokListener is an endpoint whose end is noticed, and whose Close returns
// although ngrok does not answer.
type ngrokListener struct {
	ngrok.EndpointListener
	call *ngrokCall
	once sync.Once
}

// Accept also tells when the endpoint was stopped from the other side.
func (l *ngrokListener) Accept() (net.Conn, error) {
	conn, err := l.EndpointListener.Accept()
	if err != nil {
		if code := ngrokCode(err); code != "" {
			l.call.tell(l.call.stopped(code))
		}
		return nil, fmt.Errorf("the tunnel takes no more visitors: %w", l.call.redact(err))
	}
	return conn, nil
}

// stopped is why ngrok closed the endpoint under a session that lives on.
func (c *ngrokCall) stopped(code string) error {
	if _, known := ngrokSays[code]; known {
		return Refusal(code)
	}
	return &Error{Code: code, Msg: "ngrok closed the endpoint; ngrok.com/docs/errors/" + strings.ToLower(code) + " says why"}
}

// Close asks ngrok to send no more visitors. Those who are on their way are
// sent off: the SDK would wait until somebody takes them.
func (l *ngrokListener) Close() error {
	l.once.Do(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = l.EndpointListener.Close()
		}()
		go func() {
			for {
				conn, err := l.EndpointListener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		select {
		case <-closed:
		case <-time.After(closeTime):
		}
	})
	return nil
}
