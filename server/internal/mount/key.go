package mount

import (
	"encoding/json"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Client is whom a request is for, as the server is to see them. The zero
// Client is Drawbridge itself, which declares nothing.
type Client struct {
	Caller       *oauth.Caller
	Era          rpc.Era         // that is spoken with the server; see [Catalog.Speaks]
	Session      string          // MCP's transport session, which tells two programs of one sign-in apart; "" if there is none
	Capabilities json.RawMessage // what it declared, an object; nil if nothing
	Info         json.RawMessage // its clientInfo, an object; nil if it gave none
	LogLevel     string          // that it asked log messages of; "" if it never did
}

// key is what makes two clients different to a server: clients of one key share
// a conversation. In the Modern era each request says itself whom it is for, so
// that one conversation serves everybody.
type key struct {
	era          rpc.Era
	who          string // the sign-in, or the person where processes are shared; "" is everybody, or Drawbridge itself
	capabilities string // as the client spells them, each time alike
}

// everybody is the key of the conversation of the Modern era. That of the
// Legacy era in which Drawbridge reads the catalog has the zero key.
var everybody = key{era: rpc.Modern}

// keyOf returns the key of a client at a server.
func keyOf(c Client, shared bool) key {
	k := key{era: c.Era}
	if c.Caller == nil {
		return k
	}
	k.who = c.Caller.Issuer + "\x00" + c.Caller.User.Sub + "\x00"
	if !shared {
		k.who += c.Caller.Session
		if c.Era == rpc.Legacy { // where shared, whoever comes first declares for all
			k.capabilities = string(c.Capabilities)
		}
	}
	return k
}

// conversation is the key of the conversation in which requests of k are made.
func (k key) conversation() key {
	if k.era == rpc.Modern {
		return everybody
	}
	return k
}

// origin tells the programs apart whose requests go to one conversation.
func (c Client) origin() string {
	if c.Caller == nil {
		return ""
	}
	return c.Caller.Session + "\x00" + c.Session
}

// caller is never nil.
func (c Client) caller() *oauth.Caller {
	if c.Caller == nil {
		return new(oauth.Caller)
	}
	return c.Caller
}

// declared is what a server of the Legacy era is told that the client can do:
// all but tasks, whose methods Drawbridge does not carry.
func declared(capabilities json.RawMessage) json.RawMessage {
	var all map[string]any
	if json.Unmarshal(capabilities, &all) != nil || all == nil {
		return json.RawMessage("{}")
	}
	delete(all, "tasks")
	return encode(all)
}

// introduced is a client's clientInfo for a server of the Legacy era: its own
// name first, by which servers adapt, and by which way it comes.
func (s *Set) introduced(info json.RawMessage) json.RawMessage {
	o, err := asObject(info)
	var name string
	if err != nil || json.Unmarshal(o["name"], &name) != nil || name == "" {
		return s.info
	}
	o["name"] = encode(name + " (via Drawbridge)")
	if rpc.Given(o["version"]) == nil {
		o["version"] = encode(s.o.Version)
	}
	return encode(o)
}
