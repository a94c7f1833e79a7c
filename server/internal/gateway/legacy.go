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
	s, refusal := c.endpoint.enter(h.Get(sessionHeader), c.Caller, request)
	if refusal != nil {
		c.refuse(refusal, c.id)
		return
	}
	c.in(s)
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

func (c *call) legacy() (rpc.Object, error) {
	switch c.method {
	case "ping":
		return rpc.Object{}, nil
	case "logging/setLevel":
		level, _ := rpc.String(rpc.Get(c.params, "level"))
		if !slices.Contains(levels, level) {
			return nil, rpc.Errorf(rpc.CodeInvalidParams, "level must be one of RFC 5424's names: debug to emergency.")
		}
		c.session.setLogLevel(level)
		c.remember()
	case "resources/subscribe":
		return rpc.Object{}, c.subscribe()
	case "resources/unsubscribe":
		uri, _ := rpc.String(rpc.Get(c.params, "uri"))
		if stop := c.session.unwatch(uri); stop != nil {
			stop()
		}
		c.remember()
		return rpc.Object{}, nil
	case "server/discover", "subscriptions/listen": // of 2026-07-28
		return nil, errNoMethod
	}
	return c.backend()
}

func (c *call) initialize() {
	asked, ok := rpc.String(rpc.Get(c.params, "protocolVersion"))
	s := &session{version: asked, capabilities: object(c.params, "capabilities"), info: object(c.params, "clientInfo")}
	if !slices.Contains(legacyVersions, asked) {
		s.version = legacyVersions[0] // the client decides whether it can speak that
	}
	c.in(s)
	if !ok || len(s.capabilities)+len(s.info) > maxKept {
		c.fail(rpc.Errorf(rpc.CodeInvalidParams, "initialize needs protocolVersion, and capabilities and clientInfo of a sensible length."))
		return
	}
	sessions := c.endpoint.sessions
	sessions.create(s, c.Caller, c)
	defer sessions.leave(s, c)
	c.in(s)
	c.header(sessionHeader, s.id)
	c.run(func() (rpc.Object, error) {
		described := false
		defer func() {
			if !described {
				c.header(sessionHeader)
				sessions.leave(s, c) // it is answered, unlike those that end with their session
				sessions.endIf(errNoSession, func(o *session) bool { return o == s })
			}
		}()
		d, err := c.endpoint.opts.Backend.Describe(c.ctx, &c.Client)
		if err != nil {
			return nil, err
		}
		described = true
		return resultOf(description{ProtocolVersion: c.version, Capabilities: d.Capabilities, ServerInfo: d.ServerInfo, Instructions: d.Instructions})
	})
}

// description is the result of initialize or server/discover.
type description struct {
	Meta              map[string]json.RawMessage `json:"_meta,omitempty"`
	ProtocolVersion   string                     `json:"protocolVersion,omitempty"`
	SupportedVersions []string                   `json:"supportedVersions,omitempty"`
	Capabilities      json.RawMessage            `json:"capabilities"`
	ServerInfo        json.RawMessage            `json:"serverInfo,omitempty"`
	Instructions      string                     `json:"instructions,omitempty"`
}

// resultOf is a result of the endpoint itself.
func resultOf(result any) (rpc.Object, error) {
	raw, err := json.Marshal(result)
	return rpc.ObjectOf(raw), err
}

// object returns a member that is an object, for keeping; nil if it is none.
func object(params json.RawMessage, name string) json.RawMessage {
	if v := rpc.Get(params, name); rpc.IsObject(v) {
		return slices.Clone(v) // not the whole message with it
	}
	return nil
}

func (c *call) subscribe() error {
	uri, ok := rpc.String(rpc.Get(c.params, "uri"))
	if !ok || len(uri) > maxURI {
		return rpc.Errorf(rpc.CodeInvalidParams, "resources/subscribe needs a uri of a sensible length.")
	}
	toBegin, err := c.session.reserve(uri)
	if err != nil {
		return rpc.Errorf(rpc.CodeInvalidParams, "A session can subscribe to %d resources, and no more.", maxWatched)
	}
	if toBegin {
		if err := c.begin(uri); err != nil {
			return err
		}
		c.remember()
	}
	return nil
}

// begin begins a subscription that the session has reserved.
func (c *call) begin(uri string) error {
	stop, err := c.watch(uri, &c.session.outbox)
	if err != nil {
		if other := c.session.unwatch(uri); other != nil { // which has begun meanwhile
			other()
		}
		return err
	}
	if !c.session.keep(uri, stop) { // unsubscribed meanwhile, or over
		stop()
	}
	return nil
}

// watch has the Backend put into o changes of a resource.
func (c *call) watch(uri string, o *outbox) (stop func(), err error) {
	return c.endpoint.opts.Backend.Subscribe(c.ctx, &c.Client, uri, func(params json.RawMessage) {
		o.add(resourceUpdated(uri, params))
	})
}

func (c *call) response() {
	if id, err := strconv.ParseInt(string(c.id), 10, 64); err == nil {
		c.session.answered(id, answer{c.result, c.err})
	}
	c.empty(http.StatusAccepted)
}
