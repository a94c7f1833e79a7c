package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// call is one message of a client while it is answered. It is the [Client]
// that the Backend sees.
type call struct {
	exchange
	message
	endpoint *Endpoint
	caller   *oauth.Caller
	session  *session // nil in the Modern era
	modern   metadata // empty in the Legacy era
	version  string
}

var _ Client = (*call)(nil)

func (c *call) Caller() *oauth.Caller { return c.caller }
func (c *call) Version() string       { return c.version }

func (c *call) Era() rpc.Era {
	if c.session == nil {
		return rpc.Modern
	}
	return rpc.Legacy
}

func (c *call) Session() string {
	if c.session == nil {
		return ""
	}
	return c.session.id
}

func (c *call) Capabilities() json.RawMessage {
	if c.session == nil {
		return c.modern.capabilities
	}
	return c.session.capabilities
}

func (c *call) Info() json.RawMessage {
	if c.session == nil {
		return c.modern.info
	}
	return c.session.info
}

func (c *call) LogLevel() string {
	if c.session == nil {
		return c.modern.level
	}
	return c.session.logLevel()
}

// Notify sends a notification on the stream of this request. It is written when
// Notify returns, so it can't be lost, nor overtaken by the answer; a client
// that reads slowly makes the caller wait.
func (c *call) Notify(method string, params json.RawMessage) {
	if c.isRequest() && c.wants(method, params) {
		c.event(notification(method, rpc.OneLine(params)))
	}
}

// notification is a notification as it is sent.
func notification(method string, params json.RawMessage) []byte {
	name, _ := json.Marshal(method) // a string is always JSON
	b := make([]byte, 0, len(name)+len(params)+40)
	b = append(append(b, `{"jsonrpc":"2.0","method":`...), name...)
	if params != nil {
		b = append(append(b, `,"params":`...), params...)
	}
	return append(b, '}')
}

// backend has the Backend answer the request.
func (c *call) backend() (json.RawMessage, error) {
	return c.endpoint.opts.Backend.Call(c.ctx, c, c.method, c.params)
}

// run answers the request with what do returns.
func (c *call) run(do func() (json.RawMessage, error)) {
	var result json.RawMessage
	var err error
	if c.endpoint.guarded(c.method, func() { result, err = do() }) {
		err = errPanicked
	}
	if c.ctx.Err() != nil {
		return // whatever the result is, it is too late
	}
	if err == nil && !rpc.IsObject(result) {
		err = errors.New("the result is no object")
	}
	if err != nil {
		c.fail(err)
		return
	}
	if c.room.Take(c.ctx, int64(len(result))) != nil { // unless it was taken where the result came from
		return
	}
	result = rpc.OneLine(result)
	start := make([]byte, 0, 256)
	start = append(append(start, `{"jsonrpc":"2.0","id":`...), c.id...)
	start = append(start, `,"result":`...)
	if c.session == nil {
		start, result = c.complete(start, result)
	}
	c.answer(http.StatusOK, start, result, []byte{'}'})
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
	said = &rpc.Error{Code: said.Code, Message: said.Message, Data: rpc.OneLine(said.Data)}
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

// notified hands on a notification of the client.
func (c *call) notified() {
	switch c.method {
	case "notifications/initialized", "notifications/cancelled":
	default:
		c.endpoint.guarded(c.method, func() { c.endpoint.opts.Backend.Notified(c.ctx, c, c.method, c.params) })
	}
	c.empty(http.StatusAccepted) // TR-5, TL-3
}

var errNoMethod = rpc.Errorf(rpc.CodeMethodNotFound, "There is no such method here.")
