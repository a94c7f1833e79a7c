package gateway

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// modern is the revision without sessions.
const modern = "2026-07-28"

// The names that MCP 2026-07-28 reserves in _meta.
const (
	metaPrefix       = "io.modelcontextprotocol/"
	metaVersion      = metaPrefix + "protocolVersion"
	metaCapabilities = metaPrefix + "clientCapabilities"
	metaInfo         = metaPrefix + "clientInfo"
	metaLogLevel     = metaPrefix + "logLevel"
	metaServerInfo   = metaPrefix + "serverInfo"
	metaSubscription = metaPrefix + "subscriptionId"
)

// isModern decides by which rules a message is served: a version in its _meta
// means those of 2026-07-28, and so does the header, except for initialize,
// which that revision does not have.
func (c *call) isModern(h http.Header) bool {
	if c.meta != nil && rpc.Given(rpc.Get(c.meta, metaVersion)) != nil {
		return true
	}
	version, _ := one(h, versionHeader)
	return version == modern && c.method != "initialize"
}

func (c *call) serveModern(h http.Header) {
	c.version, c.Era = modern, rpc.Modern
	switch {
	case c.method == "":
		c.refuse(refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "Protocol version 2026-07-28 has no responses of clients."), c.id)
	case c.id == nil:
		// There is no session whose request notifications/cancelled could mean:
		// a client cancels by closing the stream. Headers of notifications are
		// not defined.
		c.readMeta()
		c.notified()
	default:
		if f := c.checkModern(h); f != nil {
			c.refuse(f, c.id)
			return
		}
		if c.method == "subscriptions/listen" {
			c.listen()
			return
		}
		c.run(func() (rpc.Object, error) { return c.standalone(h) })
	}
}

func (c *call) standalone(h http.Header) (rpc.Object, error) {
	switch c.method {
	case "server/discover":
		return c.discover()
	case "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe": // removed
		return nil, errNoMethod
	case "tools/call":
		tool, _ := rpc.String(rpc.Get(c.params, "name"))
		schema := c.endpoint.opts.Backend.InputSchema(c.ctx, &c.Client, tool)
		if _, f := checkParams(h, schema, rpc.Get(c.params, "arguments")); f != nil {
			return nil, f
		}
	}
	return c.backend()
}

// readMeta reads what the message's _meta says, unchecked.
func (c *call) readMeta() (version, level json.RawMessage) {
	for name, value := range rpc.Members(c.meta) {
		switch string(name) {
		case metaVersion:
			version = value
		case metaCapabilities:
			c.Capabilities = value
		case metaInfo:
			c.Info = rpc.Given(value)
		case metaLogLevel:
			level = rpc.Given(value)
		}
	}
	return version, level
}

// checkModern checks what every request of 2026-07-28 must say, in its _meta
// and in its headers.
func (c *call) checkModern(h http.Header) *refusal {
	said, level := c.readMeta()
	version, ok := rpc.String(said)
	if !ok {
		return badMeta(metaVersion + " is missing")
	}
	if said, ok := one(h, versionHeader); !ok || said != version {
		return mismatch("MCP-Protocol-Version must be sent once, and be the version in _meta") // TR-13
	}
	if version != modern {
		f := refusalf(http.StatusBadRequest, rpc.CodeBadVersion, "This protocol version is not supported.") // TR-14
		f.said.Data, _ = json.Marshal(map[string]any{"supported": supportedVersions, "requested": version})
		return f
	}
	if !rpc.IsObject(c.Capabilities) {
		return badMeta(metaCapabilities + " is missing, or no object")
	}
	if c.Info != nil && !rpc.IsObject(c.Info) {
		return badMeta(metaInfo + " is no object")
	}
	if level != nil {
		c.LogLevel, _ = rpc.String(level)
		if !slices.Contains(levels, c.LogLevel) {
			return badMeta(metaLogLevel + " is no level of RFC 5424")
		}
	}
	return c.checkHeaders(h)
}

func badMeta(what string) *refusal {
	return refusalf(http.StatusBadRequest, rpc.CodeInvalidParams, "Wrong _meta: %s.", what)
}

var supportedVersions = append([]string{modern}, legacyVersions...)

func (c *call) discover() (rpc.Object, error) {
	d, err := c.endpoint.opts.Backend.Describe(c.ctx, &c.Client)
	if err != nil {
		return nil, err
	}
	about := description{SupportedVersions: supportedVersions, Capabilities: d.Capabilities, Instructions: d.Instructions}
	if d.ServerInfo != nil {
		about.Meta = map[string]json.RawMessage{metaServerInfo: d.ServerInfo}
	}
	return resultOf(about)
}

// cacheable are the requests whose results say how long they hold (MCP
// 2026-07-28, "Caching").
var cacheable = []string{"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}

// complete adds to a result of 2026-07-28 what it must say and the server behind,
// perhaps of an older revision, did not. Nothing may be kept by default: one
// list holds for one person.
func (c *call) complete(result rpc.Object) rpc.Object {
	kind := result.Get("resultType")
	said, _ := rpc.String(kind)
	if slices.Contains(cacheable, c.method) && (kind == nil || said == "complete") {
		if result.Get("cacheScope") == nil {
			result = result.With("cacheScope", json.RawMessage(`"private"`))
		}
		if result.Get("ttlMs") == nil {
			result = result.With("ttlMs", json.RawMessage("0"))
		}
	}
	if kind == nil {
		result = result.With("resultType", json.RawMessage(`"complete"`))
	}
	info, meta := c.endpoint.opts.ServerInfo, result.Get("_meta")
	if info != nil && rpc.Get(meta, metaServerInfo) == nil {
		result = result.With("_meta", rpc.Set(meta, metaServerInfo, info))
	}
	return result
}
