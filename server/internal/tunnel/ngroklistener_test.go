package tunnel

import (
	"net"
	"net/http"
	"testing"

	"golang.ngrok.com/ngrok/v2"
)

// stuckEndpoint is the SDK's when its connection was lost at the wrong moment:
// neither Accept nor Close returns before the test ends.
type stuckEndpoint struct {
	ngrok.EndpointListener
	until <-chan struct{}
}

func (e stuckEndpoint) Accept() (net.Conn, error) { <-e.until; return nil, net.ErrClosed }
func (e stuckEndpoint) Close() error              { <-e.until; return nil }

func TestStuckEndpointIsLeft(t *testing.T) {
	l := newNgrokListener(stuckEndpoint{until: t.Context().Done()}, &ngrokCall{})
	served := make(chan error)
	server := &http.Server{}
	go func() { served <- server.Serve(l) }()
	_ = l.Close()
	if err := <-served; err == nil {
		t.Error("it goes on")
	}
	_ = server.Close()
}
