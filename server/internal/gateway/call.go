package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// call is one message of a client while it is answered, and the [rpc.Peer] of its
// [Client].
type call struct {
	Client
	exchange
	message
	endpoint *Endpoint
	session  *session // nil in the Modern era
	version  string
}

func (e *Endpoint) newCall(caller *oauth.Caller) *call {
	c := &call{endpoint: e}
	c.Peer, c.Caller = c, caller
	return c
}

// in makes c a message of a transport session.
func (c *call) in(s *session) {
	c.session, c.version = s, s.version
	c.Era, c.Session, c.Capabilities, c.Info, c.LogLevel = rpc.Legacy, s.id, s.capabilities, s.info, s.logLevel()
}

// Notify sends a notification on the stream of this request. It is written when
// Notify returns, so it can't be lost, nor overtaken by the answer; a client
// that reads slowly makes the caller wait.
func (c *call) Notify(method string, params json.RawMessage) {
	if c.isRequest() && c.wants(method, params) {
		c.event(notification(method, params))
	}
}

func notification(method string, params json.RawMessage) []byte {
	name := rpc.Quote(method)
	b := make([]byte, 0, len(name)+len(params)+40)
	b = append(append(b, `{"jsonrpc":"2.0","method":`...), name...)
	if params != nil {
		b = append(append(b, `,"params":`...), params...)
	}
	return append(b, '}')
}

func (c *call) backend() (rpc.Object, error) {
	return c.endpoint.opts.Backend.Call(c.ctx, &c.Client, c.method, c.params)
}

func (c *call) run(do func() (rpc.Object, error)) {
	var result rpc.Object
	var err error
	if c.endpoint.guarded(c.method, func() { result, err = do() }) {
		err = errPanicked
	}
	if c.ctx.Err() != nil {
		return // whatever the result is, it is too late
	}
	if err == nil && result == nil {
		err = errors.New("the result is no object")
	}
	if err != nil {
		c.fail(err)
		return
	}
	if c.room.Take(c.ctx, int64(result.Length())) != nil { // unless it was taken where the result came from
		return
	}
	if c.session == nil {
		result = c.complete(result)
	}
	c.answer(http.StatusOK, result.Between(`{"jsonrpc":"2.0","id":`+string(c.id)+`,"result":`, "}")...)
}

var errPanicked = errors.New("it panicked")

// fail answers with an error. An *rpc.Error is meant for the client; of all
// others the log has the cause and the client a sentence.
func (c *call) fail(err error) {
	if f := (*refusal)(nil); errors.As(err, &f) {
		c.refuse(f, c.id)
		return
	}
	said := (*rpc.Error)(nil)
	if !errors.As(err, &said) {
		if err != errPanicked && !errors.Is(err, context.Canceled) { // a panic has been logged
			c.endpoint.opts.Log.Error("mcp request failed", "method", c.method, "cause", err)
		}
		said = rpc.Errorf(rpc.CodeInternal, internal)
	}
	if c.method == "initialize" || c.method == "server/discover" { // whose status may be 200
		timeline.Note(c.ctx, timeline.Facts{What: timeline.CallError, Method: c.method, Reason: said.Message})
	}
	c.refuse(&refusal{c.status(said.Code), *said}, c.id)
}

// status is the HTTP status of a JSON-RPC error. In a transport session it is
// 200, as of any answer; since 2026-07-28 it tells intermediaries of the error.
func (c *call) status(code int) int {
	if c.session != nil {
		return http.StatusOK
	}
	switch code {
	case rpc.CodeMethodNotFound: // TR-15
		return http.StatusNotFound
	case rpc.CodeParse, rpc.CodeInvalidRequest, rpc.CodeInvalidParams,
		rpc.CodeHeaderMismatch, rpc.CodeMissingCapability, rpc.CodeBadVersion:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

func (c *call) notified() {
	switch c.method {
	case "notifications/initialized", "notifications/cancelled":
	default:
		c.endpoint.guarded(c.method, func() { c.endpoint.opts.Backend.Notified(c.ctx, &c.Client, c.method, c.params) })
	}
	c.empty(http.StatusAccepted) // TR-5, TL-3
}

var errNoMethod = rpc.Errorf(rpc.CodeMethodNotFound, "There is no such method here.")

// wants reports whether the client asked for a notification on this stream.
func (c *call) wants(method string, params json.RawMessage) bool {
	switch {
	case method == "notifications/message":
		return c.wantsLog(rpc.Get(params, "level"))
	case method == "notifications/progress":
		return rpc.Given(rpc.Get(c.meta, "progressToken")) != nil
	case c.session == nil: // MCP 2026-07-28, "Receiving Messages": these have streams of their own
		return !strings.HasSuffix(method, "/list_changed") && method != "notifications/resources/updated"
	}
	return true
}

// levels are those of RFC 5424 that MCP uses, the least severe first.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// wantsLog compares a message's level with the one asked for. Who never asked
// gets everything in a transport session ("the server MAY decide", MCP
// 2025-11-25, "Logging"), and nothing since 2026-07-28 ("MUST NOT").
func (c *call) wantsLog(level json.RawMessage) bool {
	asked := c.LogLevel
	if c.session != nil {
		asked = c.session.logLevel() // it may have asked since
	}
	if asked == "" {
		return c.session != nil
	}
	said, _ := rpc.String(level)
	return slices.Index(levels, said) >= slices.Index(levels, asked)
}
