// Package gateway is the MCP server towards clients: Streamable HTTP of every
// protocol revision from 2025-03-26 to 2026-07-28 on one endpoint (and what
// 2024-11-05 has in common with them). It speaks the protocol and keeps what
// the protocol keeps: transport sessions that belong to a grant, bounds,
// keep-alives, delivery of every notification. What is offered behind it is a
// [Backend]'s business, and passes through as it stands.
//
// It authenticates nobody. Each request must carry an [oauth.Caller], and its
// context must be done when the caller's grant ends; resource.Guard sees to
// both. Start at [Endpoint].
package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// EndpointOptions make an [Endpoint].
type EndpointOptions struct {
	Backend Backend
	Path    string // of the endpoint: ids of transport sessions hold at no other

	// DataKey is what ids of transport sessions are sealed under: what they open
	// after a restart, they open under the same key.
	DataKey []byte
	Memory  *Memory // of what sessions came to hold

	// ServerInfo is what results of 2026-07-28 say of the server in their _meta
	// ("SHOULD", MCP 2026-07-28, "_meta"), where the Backend's result does not
	// say it itself: an object with name and version. nil: nothing.
	ServerInfo json.RawMessage

	Now func() time.Time
	Log *slog.Logger

	KeepAlive   time.Duration // silence on a stream before a comment is sent; 0: 25 s
	SessionIdle time.Duration // how long an unused transport session lives; 0: 24 h
}

// keepAlive is well under the idle time-outs between us and a client: ngrok's
// five minutes, and the one minute of common proxies.
const keepAlive = 25 * time.Second

// sessionIdle is when a transport session that nobody uses gives its room back.
// Its id sets it up again.
const sessionIdle = 24 * time.Hour

// Endpoint is one MCP path: /mcp, or /s/NAME/mcp. It hands what is asked to its
// [Backend]. Create it with [NewEndpoint].
type Endpoint struct {
	opts      EndpointOptions
	sessions  *sessions
	listeners listeners
	ctx       context.Context // ends with Close
	stop      context.CancelFunc
	sweeping  sync.WaitGroup
}

// NewEndpoint returns an endpoint in front of o.Backend. Close it when done.
func NewEndpoint(o EndpointOptions) (*Endpoint, error) {
	o.KeepAlive, o.SessionIdle = cmp.Or(o.KeepAlive, keepAlive), cmp.Or(o.SessionIdle, sessionIdle)
	seal, err := newSealer(o.DataKey, o.Path)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{opts: o}
	e.sessions = &sessions{now: o.Now, idle: o.SessionIdle, seal: seal, memory: o.Memory, letGo: e.letGo, byKey: map[sessionKey]*session{}}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.sweeping.Go(e.sweep)
	return e, nil
}

// Handler serves the endpoint. It looks at no path.
func (e *Endpoint) Handler() http.Handler { return http.HandlerFunc(e.serve) }

// Changed tells the clients that listen, and that match returns true for, that
// a list is another now. It blocks on no client.
func (e *Endpoint) Changed(list List, match func(*oauth.Caller) bool) {
	e.sessions.changed(list, match)
	e.listeners.changed(list, match)
}

// Elicited tells the client of a grant that opens addresses that what it opened
// for an elicitation is done (MCP 2025-11-25, "Completion Notifications for URL
// Mode"). Of one subject only the newest counts. It blocks on no client.
func (e *Endpoint) Elicited(grant, subject, elicitation string) {
	const method = "notifications/elicitation/complete"
	params := json.RawMessage(`{"elicitationId":` + string(rpc.Quote(elicitation)) + `}`)
	e.sessions.each(func(t *session, caller *oauth.Caller) {
		if t.grant == grant && rpc.Get(rpc.Get(t.capabilities, "elicitation"), "url") != nil {
			t.outbox.add(queued{key: method + " " + subject, method: method, params: params})
		}
	})
}

// EndSessions ends the transport sessions and streams of grants. Their requests
// in progress end with their own contexts.
func (e *Endpoint) EndSessions(over func(grant string) bool) {
	e.sessions.endIf(errEnded, func(s *session) bool { return over(s.grant) })
	e.listeners.endGrants(over)
}

// Close ends every transport session and stream. It may be called again.
func (e *Endpoint) Close() {
	e.stop() // listeners say goodbye
	e.sweeping.Wait()
	e.sessions.endIf(errEnded, func(*session) bool { return true })
}

func (e *Endpoint) sweep() {
	t := time.NewTicker(max(e.opts.SessionIdle/8, time.Second))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			e.sessions.endIdle()
		case <-e.ctx.Done():
			return
		}
	}
}

// letGo ends what a transport session that is over held behind the endpoint.
func (e *Endpoint) letGo(s *session) {
	for _, stop := range s.close() {
		e.guarded("unsubscribe", stop)
	}
}

// guarded calls what is behind the endpoint, so that its panic ends nothing
// but the call.
func (e *Endpoint) guarded(what string, call func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			e.opts.Log.Error("mcp request panicked", "method", what, "cause", p, "stack", string(debug.Stack()))
			panicked = true
		}
	}()
	call()
	return false
}
