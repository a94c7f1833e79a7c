package mount

import (
	"encoding/json"

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
	meta, err := asObject(rpc.Get(params, "_meta"))
	if err != nil {
		return err
	}
	if token := rpc.Given(meta[metaProgress]); token != nil {
		r.token = token
		meta[metaProgress] = encode(r.id)
	}
	delete(meta, metaIdentity) // a client must not choose who it is
	if !c.server.http && r.caller.User.Sub != "" {
		meta[metaIdentity] = identityOf(r.caller)
	}
	if c.modern.Load() {
		c.fill(meta)
	} else {
		// They would make a server of both eras take the request for a modern one.
		for _, key := range []string{metaVersion, metaCapabilities, metaClient, metaLogLevel} {
			delete(meta, key)
		}
	}
	if len(meta) == 0 && params == nil {
		return nil
	}
	out := make([]byte, 1, len(params)+512)
	out[0] = '{'
	add := func(name []byte, value json.RawMessage) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, encode(string(name))...), ':'), rpc.OneLine(value)...)
	}
	if len(meta) > 0 {
		add([]byte("_meta"), encode(meta))
	}
	for name, value := range rpc.Members(params) {
		if string(name) != "_meta" { // also one that is there twice
			add(name, value)
		}
	}
	r.params = append(out, '}')
	return nil
}

// fill adds what every request of the Modern era holds. The revision is the one
// that this server speaks, whatever the client's is.
func (c *conversation) fill(meta object) {
	meta[metaVersion] = encode(c.version)
	if rpc.Given(meta[metaCapabilities]) == nil {
		meta[metaCapabilities] = json.RawMessage("{}")
	}
	if rpc.Given(meta[metaClient]) == nil {
		meta[metaClient] = c.server.set.clientInfo()
	}
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
