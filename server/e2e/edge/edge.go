// Package edge stands in for ngrok's cloud on loopback: as much of it as the
// real SDK needs to authenticate, to ask for an endpoint and to get visitors,
// and as visitors see of it. It is for tests: nothing of Drawbridge imports it,
// and it knows nothing of Drawbridge. Start at [Start].
//
// The protocol: TLS, a muxado session whose client is the agent, and on it
// streams of a type each, with one JSON value each way. A visitor's connection
// is a stream that the edge opens.
package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options is how the edge behaves. The zero value lets everybody in.
type Options struct {
	// Refuse is asked before an agent is let in, and before it gets an endpoint
	// (url is "" at first). It returns ngrok's error text, which holds the code,
	// or "".
	Refuse func(authtoken, url string) string
	// Domain is the host of an endpoint that an agent asks for without a URL.
	Domain string
	// Give is the URL of every endpoint, whatever was asked for; "" is as asked.
	Give string
	// Interstitial shows browsers the free plan's warning page.
	Interstitial bool
	// Clock dates the edge's answers; nil leaves that to the agent, or to now.
	Clock func() time.Time
	// Idle ends a visitor's connection on which nothing moves for so long; 0 is
	// never.
	Idle time.Duration
}

// Edge is a running edge.
type Edge struct {
	certs    *authority
	agents   net.Listener
	visitors net.Listener
	server   *http.Server
	work     sync.WaitGroup

	mu       sync.Mutex // guards all below
	opts     Options
	sessions map[*session]struct{}
	routes   map[string]*route // by host
	away     bool              // new agents are refused
	frozen   chan struct{}     // not nil: agents' bytes wait until it is closed
	ids      int
	logins   []time.Time
}

// route is an endpoint.
type route struct {
	session *session
	id      string
}

var started atomic.Int64 // edges, each with a domain of its own

// Start runs an edge until Close.
func Start(o Options) (*Edge, error) {
	if o.Domain == "" {
		o.Domain = fmt.Sprintf("name-%d.ngrok-free.test", started.Add(1))
	}
	e := &Edge{opts: o, sessions: map[*session]struct{}{}, routes: map[string]*route{}}
	var err error
	if e.certs, err = theAuthority(); err != nil {
		return nil, err
	}
	if e.agents, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if e.visitors, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	e.work.Go(e.acceptAgents)
	e.server = &http.Server{
		Handler:     http.HandlerFunc(e.visit),
		TLSConfig:   &tls.Config{GetCertificate: e.certs.forName, NextProtos: []string{"h2", "http/1.1"}},
		ConnContext: withVisitor, ConnState: endVisitor,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	e.work.Go(func() { _ = e.server.ServeTLS(e.visitors, "", "") })
	return e, nil
}

// Close ends everything.
func (e *Edge) Close() {
	e.Freeze(false)
	_ = e.agents.Close()
	_ = e.server.Close()
	e.Drop()
	e.work.Wait()
}

// AgentAddr is what an agent connects to, as host:port.
func (e *Edge) AgentAddr() string { return e.agents.Addr().String() }

// VisitorAddr is what visitors connect to, as host:port.
func (e *Edge) VisitorAddr() string { return e.visitors.Addr().String() }

// Domain is the host that an agent gets without asking for one.
func (e *Edge) Domain() string { return e.options().Domain }

// CAs is a PEM file's content with the authority of all certificates here.
func (e *Edge) CAs() []byte { return e.certs.pem }

// TLS is for a server of any name, with a certificate of the same authority.
func (e *Edge) TLS() *tls.Config { return &tls.Config{GetCertificate: e.certs.forName} }

// Client reaches every host of this edge over HTTP/2, or HTTP/1.1 only.
func (e *Edge) Client(http1 bool) *http.Client {
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.certs.pool}, ForceAttemptHTTP2: !http1, MaxIdleConnsPerHost: 200,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, e.VisitorAddr())
		}}
	if http1 {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &http.Client{Transport: t}
}

// Dial is a visitor's TLS connection to host, speaking HTTP/1.1.
func (e *Edge) Dial(host string) (net.Conn, error) {
	return tls.Dial("tcp", e.VisitorAddr(), &tls.Config{RootCAs: e.certs.pool, ServerName: host, NextProtos: []string{"http/1.1"}})
}

// Raw is a connection to the agent behind host as if an edge passed every byte
// of a visitor on. client is the address the visitor has.
func (e *Edge) Raw(host, client string) (net.Conn, error) {
	e.mu.Lock()
	r := e.routes[host]
	e.mu.Unlock()
	if r == nil {
		return nil, fmt.Errorf("no endpoint %s", host)
	}
	return r.open(client)
}

// Change changes the options of a running edge.
func (e *Edge) Change(change func(*Options)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.opts)
}

func (e *Edge) options() Options {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opts
}

// Drop cuts every agent's connection, as a broken network does.
func (e *Edge) Drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sessions {
		_ = s.conn.Close()
	}
}

// Away refuses new agents, as an edge that is down does, or ends that.
func (e *Edge) Away(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

// Freeze holds every byte to and from agents back and closes nothing, as a
// network that has silently gone does; or lets them go on.
func (e *Edge) Freeze(freeze bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case freeze && e.frozen == nil:
		e.frozen = make(chan struct{})
	case !freeze && e.frozen != nil:
		close(e.frozen)
		e.frozen = nil
	}
}

// Online reports whether host has an endpoint.
func (e *Edge) Online(host string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.routes[host] != nil
}

// Sessions returns how many agents are connected.
func (e *Edge) Sessions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions)
}

// Logins returns when agents asked to be let in.
func (e *Edge) Logins() []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]time.Time(nil), e.logins...)
}
