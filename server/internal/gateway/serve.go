package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// sessionHeader names the transport session (MCP 2025-11-25, "Session
// Management"), in the form that net/http stores.
const sessionHeader = "Mcp-Session-Id"

// slowBody is after how long a body has used up so much of the request's time
// that the pulse might come too late.
const slowBody = 5 * time.Second

// serve answers one request at the MCP endpoint.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	caller := oauth.CallerOf(r.Context())
	if caller == nil {
		// Nothing but a mistake in our own wiring leads here. Serving the
		// request would open the tools to everyone.
		g.opts.Log.Error("mcp request without a caller", "path", r.URL.Path)
		refuse(w, http.StatusUnauthorized, codeServer, "This request is not authenticated.")
		return
	}
	switch r.Method {
	case http.MethodPost:
		g.post(w, r, caller)
	case http.MethodGet, http.MethodDelete:
		g.bySession(w, r, caller)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, codeInvalid, "Use POST, GET or DELETE.")
	}
}

// post answers a message: a request, a notification or a response.
func (g *Gateway) post(w http.ResponseWriter, r *http.Request, caller *oauth.Caller) {
	start := time.Now()
	body, refusal := readBody(w, r)
	if refusal == nil {
		refusal = inspect(body)
	}
	if refusal != nil {
		refusal.write(w, nil)
		return
	}
	if r.Context().Err() != nil { // the grant has ended while the body was still coming
		refuse(w, http.StatusUnauthorized, codeServer, "The session of this token has ended.")
		return
	}
	x := newExchange(g, w, r, caller, body)
	defer x.finish()
	if time.Since(start) > slowBody {
		x.lift()
	}
	g.http.ServeHTTP(x, r)

	// mcp-go keeps state for the session it has just made. If the session has
	// ended meanwhile, nobody else will make it forget that.
	if x.created != "" && !g.sessions.has(x.created) {
		g.forget([]string{x.created})
	}
}

// bySession answers GET, the stream of a transport session, and DELETE, its
// end. mcp-go checks a session's id on POST only.
func (g *Gateway) bySession(w http.ResponseWriter, r *http.Request, caller *oauth.Caller) {
	version := r.Header.Get(mcp.HeaderProtocolVersion)
	known := mcp.IsValidProtocolVersion(version) || version == ""
	if known && !mcp.IsModernProtocol(version) {
		id := r.Header.Get(sessionHeader)
		if refusal := g.sessions.check(id, caller.Session); refusal != nil {
			refusal.write(w, nil)
			return
		}
		if r.Method == http.MethodDelete {
			g.forget(g.sessions.end(id))
			w.WriteHeader(http.StatusOK)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		leave, ok := g.sessions.join(id, cancel)
		if !ok {
			sessionUnknown.write(w, nil)
			return
		}
		defer leave()
		r = r.WithContext(ctx)
	}
	// Without a session (2026-07-28, or an unknown version) mcp-go refuses.
	x := newExchange(g, w, r, caller, nil)
	defer x.finish()
	g.http.ServeHTTP(x, r)
}

// scope gives the message's handlers a session of this request's own in place
// of mcp-go's, see [callSession].
func (g *Gateway) scope(ctx context.Context, r *http.Request) context.Context {
	x, ok := r.Body.(*exchange)
	if !ok {
		return ctx
	}
	inner, ok := server.ClientSessionFromContext(ctx).(fullSession)
	if !ok {
		return ctx
	}
	x.session.fullSession = inner
	return g.mcp.WithContext(ctx, &x.session)
}
