package mount

import (
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

const (
	dialTime      = 10 * time.Second
	maxHeader     = 64 << 10 // bytes of an answer's headers
	maxRedirects  = 3
	maxIdle       = 256             // connections that wait for the next call, to one server
	goodbyeTime   = 3 * time.Second // for the DELETE of a session, and what else nobody waits for
	maxErrorBytes = 64 << 10        // read of an answer that is an error
)

// newClient returns the client for all HTTP servers. When the headers of an
// answer come is not bounded here: a tool may take its time, and each call has
// its own bound.
func newClient(network *outbound.Network) *http.Client {
	t := network.Transport()
	t.TLSHandshakeTimeout = dialTime
	t.MaxResponseHeaderBytes = maxHeader
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, maxIdle         // fewer, and busy servers see a new connection a call
	return &http.Client{Transport: t, CheckRedirect: sameHost} // and no cookies
}

// sameHost follows redirects within the host alone: the headers of a request
// may be a secret, and its body is the person's. See redirect.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Host != first.Host || req.URL.Scheme != first.Scheme || len(via) > maxRedirects ||
		req.Method != via[0].Method { // 301 to 303 make a GET of a POST
		return http.ErrUseLastResponse
	}
	return nil
}
