package mount

import (
	"encoding/json"
	"strconv"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// The protocol revisions that Drawbridge asks for.
const (
	legacyVersion = "2025-11-25"
	modernVersion = "2026-07-28"
)

// The keys of _meta that matter here (MCP 2026-07-28, "_meta").
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaClient       = "io.modelcontextprotocol/clientInfo"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaServer       = "io.modelcontextprotocol/serverInfo"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
	metaIdentity     = "drawbridge.app/identity"
	metaProgress     = "progressToken"
)

type object = map[string]json.RawMessage

// identityOf is what a server on stdin is told of the person, in _meta. It is
// true as far as the process believes whoever started it.
func identityOf(c *oauth.Caller) json.RawMessage {
	type client struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	return encode(struct {
		Sub     string `json:"sub"`
		Email   string `json:"email"`
		Name    string `json:"name"`
		Client  client `json:"client"`
		Session string `json:"session"`
	}{c.User.Sub, c.User.Email, c.User.Name, client{c.Client.ID, c.Client.Name}, c.Session})
}

// prepare makes a client's params those of a request to this server, and returns
// the progress token that the client gave, if any. What it doesn't know it
// leaves as it is.
func (c *conversation) prepare(r *call, params json.RawMessage) error {
	if params = rpc.Given(params); len(params) > 0 && !rpc.IsObject(params) {
		return errNoObject
	}
	all := rpc.ObjectOf(params)
	given := all.Get("_meta")
	meta := rpc.ObjectOf(given)
	if meta == nil && rpc.Given(given) != nil {
		return errNoObject
	}
	meta = meta.Without(func(m rpc.Member) bool {
		switch string(m.Name) {
		case metaIdentity: // a client must not choose who it is
			return true
		case metaVersion, metaCapabilities, metaClient, metaLogLevel:
			// They would make a server of both eras take the request for a modern one.
			return c.era() != rpc.Modern || rpc.Given(m.Value) == nil
		}
		return false
	})
	if token := rpc.Given(meta.Get(metaProgress)); token != nil {
		r.token = token
		meta = meta.With(metaProgress, strconv.AppendInt(nil, r.id, 10))
	}
	if !c.server.http && r.caller.User.Sub != "" {
		meta = meta.With(metaIdentity, identityOf(r.caller))
	}
	if c.era() == rpc.Modern {
		meta = c.fill(meta)
	}
	if len(meta) == 0 && all == nil {
		return nil
	}
	all = all.Without(func(m rpc.Member) bool { return string(m.Name) == "_meta" }) // also one that is there twice
	if len(meta) > 0 {
		all = all.With("_meta", meta.Raw())
	}
	r.params = rpc.OneLine(all.Raw())
	return nil
}

// fill adds what every request of the Modern era holds. The revision is the one
// that this server speaks, whatever the client's is.
func (c *conversation) fill(meta rpc.Object) rpc.Object {
	if meta.Get(metaCapabilities) == nil {
		meta = meta.With(metaCapabilities, json.RawMessage("{}"))
	}
	if meta.Get(metaClient) == nil {
		meta = meta.With(metaClient, c.server.set.info)
	}
	return meta.With(metaVersion, rpc.Quote(c.speaks().version))
}

var errNoObject = rpc.Errorf(rpc.CodeInvalidParams, "The params, and _meta in them, must be objects.")

func asObject(raw json.RawMessage) (object, error) {
	var o object
	if len(raw) > 0 && json.Unmarshal(raw, &o) != nil {
		return nil, errNoObject
	}
	if o == nil {
		o = object{}
	}
	return o, nil
}
