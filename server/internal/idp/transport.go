package idp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

const (
	httpTimeout = 10 * time.Second // one request at the provider, its body included
	maxBody     = 1 << 20          // bytes; a JWKS of many keys is some 50 KB
)

// newHTTPClient returns a client that never carries a secret along a redirect,
// bounds bodies, and turns answers without OAuth content into errors. base may
// be nil; stay follows nothing.
func newHTTPClient(base *http.Client, stay bool) *http.Client {
	if base == nil {
		base = (*outbound.Network)(nil).Client(httpTimeout)
	}
	client := *base
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = &transport{client.Transport}
	client.CheckRedirect = checkRedirect
	if stay {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return errRedirect }
	}
	client.Jar = nil
	return &client
}

// checkRedirect lets documents move, a few times and only to https or along
// loopback. What carries a code, a token or a secret does not follow.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || first.Header.Get("Authorization") != "" ||
		len(via) > 3 || !secureURL(req.URL.String(), hostname.Loopback(first.URL.Hostname())) {
		return errRedirect
	}
	return nil
}

// transport reads each answer whole, so that a connection that breaks halfway
// is told from a wrong answer. It returns a statusError where the answer can't
// be the provider's word on a request: an outage, or a document that isn't there.
type transport struct{ base http.RoundTripper }

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answered := &statusError{resp.StatusCode}
	if answered.temporary() || req.Method == http.MethodGet && resp.StatusCode >= 400 {
		return nil, answered
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, errTooLong
	}
	if req.Method == http.MethodPost {
		body = withoutExpiry(body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// withoutExpiry takes expires_in out of a token answer. Nothing here asks for
// it, and the library refuses the whole answer for a fraction, which RFC 6749
// §5.1 does not forbid.
func withoutExpiry(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members["expires_in"] == nil {
		return body
	}
	delete(members, "expires_in")
	plain, err := json.Marshal(members)
	if err != nil {
		return body
	}
	return plain
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] looks for.
func (t *transport) CloseIdleConnections() {
	(&http.Client{Transport: t.base}).CloseIdleConnections()
}

// statusError is an HTTP status that stands for itself.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// temporary reports whether the status says nothing of the request (RFC 9110
// §15.6, RFC 6585 §4).
func (e *statusError) temporary() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
}

// Answers that no waiting mends.
var (
	errTooLong  = errors.New("the answer is too long")
	errRedirect = errors.New("redirect not followed")
)

// isNetwork reports whether err, of a request, means that no answer came: a
// time-out, a broken or refused connection, a name that isn't found, a
// certificate that isn't trusted, or a temporary status.
func isNetwork(err error) bool {
	var answered *statusError
	if errors.As(err, &answered) {
		return answered.temporary()
	}
	var failed *url.Error // what http.Client.Do returns
	return errors.As(err, &failed) && !errors.Is(err, errRedirect) && !errors.Is(err, errTooLong)
}
