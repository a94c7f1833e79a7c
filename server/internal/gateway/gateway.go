// Package gateway is the MCP server: Drawbridge's own tools, served over
// Streamable HTTP for every protocol revision from 2024-11-05 to 2026-07-28 on
// one endpoint. mcp-go speaks the protocol; this package adds what a server on
// the open internet needs besides: transport sessions that belong to a grant,
// bounds, keep-alives, and delivery of every notification.
//
// It authenticates nobody. Each request must carry an [oauth.Caller], and its
// context must be done when the caller's grant ends; resource.Guard sees to
// both. Start at [Gateway].
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Options make a [Gateway].
type Options struct {
	Name, Version string // what the server says it is
	Tools         Tools  // the built-in tools that are on

	// OnCall hears of each finished tool call; err is nil if the tool did what
	// it was asked. It must not block. nil: nobody hears.
	OnCall func(caller *oauth.Caller, tool string, err error)

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: none

	KeepAlive   time.Duration // silence on a stream before a comment is sent; 0: 25 s
	SessionIdle time.Duration // how long an unused transport session lives; 0: 24 h
}

// keepAlive is well under the idle time-outs between us and a client: ngrok's
// five minutes, and the one minute of common proxies.
const keepAlive = 25 * time.Second

// sessionIdle outlives a night, so that a client left open still works in the
// morning. Afterwards it is answered 404 and initializes again.
const sessionIdle = 24 * time.Hour

// Gateway is the MCP server. Create it with [New].
type Gateway struct {
	opts     Options
	mcp      *server.MCPServer
	http     *server.StreamableHTTPServer
	sessions *sessions
	pulse    pulse
	requests atomic.Uint64  // names requests that have no transport session
	stop     chan struct{}  // closed by Close
	running  sync.WaitGroup // the goroutines of sweep and pulse
}

// New returns a gateway that serves o.Tools. Close it when done.
func New(o Options) (*Gateway, error) {
	if o.Name == "" || o.Version == "" {
		return nil, errors.New("gateway: name and version are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnCall == nil {
		o.OnCall = func(*oauth.Caller, string, error) {}
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = keepAlive
	}
	if o.SessionIdle == 0 {
		o.SessionIdle = sessionIdle
	}
	g := &Gateway{opts: o, stop: make(chan struct{}), pulse: pulse{live: map[*exchange]struct{}{}}}
	g.sessions = newSessions(o.Now, o.SessionIdle)
	g.mcp = server.NewMCPServer(o.Name, o.Version,
		server.WithTitle("Drawbridge"),
		server.WithToolCapabilities(true),
		server.WithToolHandlerMiddleware(g.observe),
	)
	g.http = server.NewStreamableHTTPServer(g.mcp,
		// Its check of Host knows no tunnel; resource.Boundary makes it.
		server.WithDisableLocalhostProtection(true),
		server.WithSessionIdManagerResolver(resolver{}),
		server.WithHTTPContextFunc(g.scope),
		server.WithStreamableHTTPLogger(o.Log),
	)
	g.mcp.AddTools(o.Tools.list()...)
	g.running.Go(g.sweep)
	g.running.Go(func() { g.pulse.run(o.KeepAlive, g.stop) })
	return g, nil
}

// Handler serves the MCP endpoint. It looks at no path.
func (g *Gateway) Handler() http.Handler { return http.HandlerFunc(g.serve) }

// Tools returns how many tools are offered.
func (g *Gateway) Tools() int { return len(g.mcp.ListTools()) }

// SetTools switches the built-in tools on and off while the gateway runs, and
// tells the clients that listen.
func (g *Gateway) SetTools(t Tools) { g.mcp.SetTools(t.list()...) }

// EndSession ends the transport sessions of a grant and their streams. The
// grant's requests in progress end with their own contexts.
func (g *Gateway) EndSession(grant string) { g.forget(g.sessions.endGrant(grant)) }

// Close ends every transport session and stream.
func (g *Gateway) Close() {
	close(g.stop)
	g.running.Wait()
	g.forget(g.sessions.endAll())
	g.http.CloseSessions(context.Background())
}

// sweep ends idle transport sessions until Close.
func (g *Gateway) sweep() {
	t := time.NewTicker(max(g.opts.SessionIdle/8, time.Second))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			g.forget(g.sessions.endIdle())
		case <-g.stop:
			return
		}
	}
}

// forget makes mcp-go drop what it keeps for ended transport sessions. Its one
// way to say so is the DELETE that a client would send.
func (g *Gateway) forget(ids []string) {
	for _, id := range ids {
		g.http.Handle(nowhere{}, &server.HTTPRequest{
			Method:  http.MethodDelete,
			Header:  http.Header{sessionHeader: {id}},
			Context: context.Background(),
		})
	}
}

// nowhere is the response to nobody's request.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) WriteHeader(int)             {}
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Flush()                      {}
func (nowhere) CanStream() bool             { return false }
