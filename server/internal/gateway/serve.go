package gateway

import (
	"net/http"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// The headers of MCP, in the form that net/http stores.
const (
	sessionHeader = "Mcp-Session-Id"       // MCP 2025-11-25, "Session Management"
	versionHeader = "Mcp-Protocol-Version" // since 2025-06-18
	methodHeader  = "Mcp-Method"           // MCP 2026-07-28, "Standard Request Headers"
	nameHeader    = "Mcp-Name"
)

// slowBody is after how long a body has used up so much of the request's time
// that keepAlives might lift the deadline too late.
const slowBody = 5 * time.Second

func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) {
	caller := oauth.CallerOf(r.Context())
	if caller == nil {
		// Nothing but a mistake in our own wiring leads here. Serving the
		// request would open the tools to everyone.
		e.opts.Log.Error("mcp request without a caller", "path", r.URL.Path)
		refusalf(http.StatusUnauthorized, rpc.CodeInternal, "This request is not authenticated.").write(w, nil)
		return
	}
	switch r.Method {
	case http.MethodPost:
		e.post(w, r, caller)
	case http.MethodGet, http.MethodDelete:
		e.bySession(w, r, caller)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		refusalf(http.StatusMethodNotAllowed, rpc.CodeInvalidRequest, "Use POST, GET or DELETE.").write(w, nil)
	}
}

// post answers a message: a request, a notification or a response.
func (e *Endpoint) post(w http.ResponseWriter, r *http.Request, caller *oauth.Caller) {
	start := time.Now()
	room := limit.Requests.For(caller.Session)
	defer room.Release()
	body, refusal := readBody(w, r, room)
	if refusal != nil {
		refusal.write(w, nil)
		return
	}
	if isBatch(body) {
		e.batch(w, r, caller, body, start)
		return
	}
	c := e.newCall(caller)
	if c.message, refusal = parse(body); refusal != nil {
		refusal.write(w, c.id)
		return
	}
	if caller.Ended() || r.Context().Err() != nil { // while the body was still coming
		ended.write(w, nil)
		return
	}
	c.about = c.id
	e.begin(&c.exchange, w, r, caller, c.isRequest())
	defer c.close()
	if time.Since(start) > slowBody {
		c.lift()
	}
	if c.isModern(r.Header) {
		c.serveModern(r.Header)
		return
	}
	c.serveLegacy(r.Header)
}

// bySession answers GET, the stream of a transport session, and DELETE, its
// end.
func (e *Endpoint) bySession(w http.ResponseWriter, r *http.Request, caller *oauth.Caller) {
	version, _ := one(r.Header, versionHeader)
	if version == modern {
		w.Header().Set("Allow", "POST") // RFC 9110 §15.5.6
		refusalf(http.StatusMethodNotAllowed, rpc.CodeInvalidRequest,
			"Protocol version 2026-07-28 has no %s: use POST, and subscriptions/listen for notifications.", r.Method).write(w, nil)
		return
	}
	if refusal := legacyHeader(r.Header); refusal != nil {
		refusal.write(w, nil)
		return
	}
	id := r.Header.Get(sessionHeader)
	s, refusal := e.enter(id, caller, nil)
	if refusal != nil {
		refusal.write(w, nil)
		return
	}
	if r.Method == http.MethodDelete {
		e.sessions.end(id)
		e.opts.Memory.save(id, caller.User.Sub, gathered{})
		w.WriteHeader(http.StatusOK)
		return
	}
	e.stream(w, r, s, caller)
}

// stream sends what a session is told until it or its client ends. Streams
// can't be resumed, so a Last-Event-ID means nothing here.
func (e *Endpoint) stream(w http.ResponseWriter, r *http.Request, s *session, caller *oauth.Caller) {
	x := &exchange{}
	e.begin(x, w, r, caller, true)
	defer x.close()
	if !x.streams {
		x.refuse(refusalf(http.StatusNotAcceptable, rpc.CodeInvalidRequest, "GET answers with text/event-stream: the Accept header must allow it."), nil)
		return
	}
	leave, ok := e.sessions.join(s, x)
	if !ok {
		x.refuse(sessionUnknown, nil)
		return
	}
	defer leave()
	x.deliver(&s.outbox, notification, e.ctx.Done())
}

// one returns the value of a header that must not be sent twice; false if it
// is missing or is.
func one(h http.Header, name string) (string, bool) {
	if v := h[name]; len(v) == 1 {
		return v[0], true
	}
	return "", false
}

// legacyHeader checks the version header of a request in a transport session.
// It is missing in 2025-03-26 and before.
func legacyHeader(h http.Header) *refusal {
	version, ok := one(h, versionHeader)
	if ok && !slices.Contains(legacyVersions, version) || len(h[versionHeader]) > 1 {
		return refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "The protocol version in the MCP-Protocol-Version header is not supported here.") // TL-9
	}
	return nil
}
