package gateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// legacyVersions are the revisions with initialize, the newest first.
var legacyVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}

// serveLegacy answers a message of a transport session, or one that opens one.
func (c *call) serveLegacy(h http.Header) {
	if c.method == "initialize" && c.isRequest() {
		c.initialize()
		return
	}
	if refusal := legacyHeader(h); refusal != nil {
		c.refuse(refusal, c.id)
		return
	}
	var request *call
	if c.isRequest() {
		request = c
		if refusal := c.checkHeaders(h); refusal != nil {
			c.refuse(refusal, c.id)
			return
		}
	}
	s, refusal := c.endpoint.enter(h.Get(sessionHeader), c.caller, request)
	if refusal != nil {
		c.refuse(refusal, c.id)
		return
	}
	c.session, c.version = s, s.version
	if v, ok := one(h, versionHeader); ok {
		c.version = v
	}
	c.inSession(request != nil)
}

// inSession answers a message of the session that it has entered.
func (c *call) inSession(isRequest bool) {
	switch {
	case c.method == "":
		c.response()
	case !isRequest:
		if c.method == "notifications/cancelled" {
			c.endpoint.sessions.cancel(c.session, rpc.Get(c.params, "requestId"))
		}
		c.notified()
	default:
		defer c.endpoint.sessions.leave(c.session, c)
		c.run(c.legacy)
	}
}

// legacy answers a request of a transport session.
func (c *call) legacy() (json.RawMessage, error) {
	switch c.method {
	case "ping":
		return json.RawMessage(`{}`), nil
	case "logging/setLevel":
		level, _ := rpc.String(rpc.Get(c.params, "level"))
		if severity(level) < 0 {
			return nil, rpc.Errorf(rpc.CodeInvalidParams, "level must be one of RFC 5424's names: debug to emergency.")
		}
		c.session.setLogLevel(level)
		c.remember()
	case "resources/subscribe":
		return c.subscribe()
	case "resources/unsubscribe":
		uri, _ := rpc.String(rpc.Get(c.params, "uri"))
		if stop := c.session.unwatch(uri); stop != nil {
			stop()
		}
		c.remember()
		return json.RawMessage(`{}`), nil
	case "server/discover", "subscriptions/listen": // of 2026-07-28
		return nil, errNoMethod
	}
	return c.backend()
}

// initialize opens a transport session.
func (c *call) initialize() {
	asked, ok := rpc.String(rpc.Get(c.params, "protocolVersion"))
	c.version = asked
	if !slices.Contains(legacyVersions, asked) {
		c.version = legacyVersions[0] // the client decides whether it can speak that
	}
	c.session = &session{version: c.version, capabilities: object(c.params, "capabilities"), info: object(c.params, "clientInfo")}
	if !ok || len(c.session.capabilities)+len(c.session.info) > maxKept {
		c.fail(rpc.Errorf(rpc.CodeInvalidParams, "initialize needs protocolVersion, and capabilities and clientInfo of a sensible length."))
		return
	}
	sessions := c.endpoint.sessions
	c.endpoint.forget(sessions.create(c.session, c.caller, c))
	defer sessions.leave(c.session, c)
	c.header(sessionHeader, c.session.id)
	c.run(func() (json.RawMessage, error) {
		described := false
		defer func() {
			if !described {
				c.header(sessionHeader)
				sessions.leave(c.session, c) // it is answered, unlike those that end with their session
				c.endpoint.forget(sessions.endIf(errNoSession, func(s *session) bool { return s == c.session }))
			}
		}()
		d, err := c.endpoint.opts.Backend.Describe(c.ctx, c)
		if err != nil {
			return nil, err
		}
		described = true
		return description(`"protocolVersion":"`+c.version+`"`, d, d.ServerInfo), nil
	})
}

// description is the result of initialize or server/discover: own, then what
// the Backend says.
func description(own string, d rpc.Description, serverInfo json.RawMessage) json.RawMessage {
	b := append([]byte("{"), own...)
	b = append(b, `,"capabilities":`...)
	if rpc.IsObject(d.Capabilities) {
		b = append(b, d.Capabilities...)
	} else {
		b = append(b, "{}"...)
	}
	if rpc.IsObject(serverInfo) {
		b = append(append(b, `,"serverInfo":`...), serverInfo...)
	}
	if d.Instructions != "" {
		text, _ := json.Marshal(d.Instructions) // a string is always JSON
		b = append(append(b, `,"instructions":`...), text...)
	}
	return append(b, '}')
}

// object returns a member that is an object, for keeping; nil if it is none.
func object(params json.RawMessage, name string) json.RawMessage {
	if v := rpc.Get(params, name); rpc.IsObject(v) {
		return slices.Clone(v) // not the whole message with it
	}
	return nil
}

// subscribe answers resources/subscribe.
func (c *call) subscribe() (json.RawMessage, error) {
	uri, ok := rpc.String(rpc.Get(c.params, "uri"))
	if !ok || len(uri) > maxURI {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "resources/subscribe needs a uri of a sensible length.")
	}
	s := c.session
	toBegin, err := s.reserve(uri)
	if err != nil {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "A session can subscribe to %d resources, and no more.", maxWatched)
	}
	if toBegin {
		stop, err := c.watch(uri, &s.outbox)
		if err != nil {
			if other := s.unwatch(uri); other != nil { // which has begun meanwhile
				other()
			}
			return nil, err
		}
		if !s.sessionState.watch(uri, stop) {
			stop()
		}
		c.remember()
	}
	return json.RawMessage(`{}`), nil
}

// watch has the Backend put into o changes of a resource.
func (c *call) watch(uri string, o *outbox) (stop func(), err error) {
	stop, err = c.endpoint.opts.Backend.Subscribe(c.ctx, c, uri, func(params json.RawMessage) {
		o.add(resourceUpdated(uri, rpc.OneLine(params)))
	})
	if stop == nil {
		stop = func() {}
	}
	return stop, err
}

// response takes the client's answer to a request of ours.
func (c *call) response() {
	if id, err := strconv.ParseInt(string(c.id), 10, 64); err == nil {
		c.session.answered(id, answer{c.result, c.err})
	}
	c.empty(http.StatusAccepted)
}
