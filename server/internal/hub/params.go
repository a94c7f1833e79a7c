package hub

import (
	"encoding/json"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// What the rules, the owner and a header decided on is what a server gets: the
// params of a request are rebuilt from the members that MCP defines for its
// method. A server that decodes with encoding/json takes "Arguments" and
// "argument\u017f" for arguments, .NET's and Jackson's can be told to; one of
// Python's takes progress_token for progressToken. None of them was looked at here.

// shape is the members of an object. A nil shape is any value, as it stands.
type shape struct {
	known map[string]*shape
	open  bool // others go through as well, unless they read like one of known
}

func only(known map[string]*shape) *shape { return &shape{known: known} }

// metaShape is _meta: clients and extensions put there what they like.
var metaShape = &shape{open: true, known: map[string]*shape{"progressToken": nil, metaPrefix + "protocolVersion": nil, metaCapabilities: nil,
	metaClientInfo: nil, metaServerInfo: nil, metaLogLevel: nil, metaPrefix + "subscriptionId": nil, metaPrefix + "related-task": nil}}

var listShape = only(map[string]*shape{"_meta": metaShape, "cursor": nil})

// shapes are the params of each method, of all revisions and their extensions:
// task is of 2025-11-25, inputResponses and requestState are of 2026-07-28.
var shapes = map[string]*shape{
	"tools/list": listShape, "prompts/list": listShape, "resources/list": listShape, "resources/templates/list": listShape,
	"tools/call": only(map[string]*shape{"_meta": metaShape, "name": nil, "arguments": nil, "task": only(map[string]*shape{"ttl": nil}),
		"inputResponses": nil, "requestState": nil}),
	"prompts/get":    only(map[string]*shape{"_meta": metaShape, "name": nil, "arguments": nil, "inputResponses": nil, "requestState": nil}),
	"resources/read": only(map[string]*shape{"_meta": metaShape, "uri": nil, "inputResponses": nil, "requestState": nil}),
	"completion/complete": only(map[string]*shape{"_meta": metaShape,
		"ref":      only(map[string]*shape{"type": nil, "name": nil, "title": nil, "uri": nil}),
		"argument": only(map[string]*shape{"name": nil, "value": nil}),
		"context":  only(map[string]*shape{"arguments": nil})}),
	"logging/setLevel": only(map[string]*shape{"_meta": metaShape, "level": nil}),
}

// paramsOf reads the params of a request as they are decided on and sent on.
func paramsOf(method string, raw json.RawMessage) (object, error) {
	known := shapes[method]
	if known == nil {
		return object{}, nil // and no server is asked
	}
	if rpc.Doubled(raw) {
		return nil, invalid("An object in this request has a member twice. Send each member once.")
	}
	return known.rebuild("params", raw)
}

func (s *shape) rebuild(where string, raw json.RawMessage) (object, error) {
	o := object{}
	for key, value := range rpc.Members(raw) {
		name := string(key)
		inner, known := s.known[name]
		if !known {
			if meant := s.reads(name); meant != "" {
				return nil, invalid("%s has a member %q, which some servers read as %q. Write it that way, or leave it out.", where, shorten(name), meant)
			}
			if s.open {
				o[name] = value
			}
			continue
		}
		if inner == nil {
			o[name] = value
			continue
		}
		if !has(value) {
			continue
		}
		if !rpc.IsObject(value) {
			return nil, invalid("%s must be an object", name)
		}
		rebuilt, err := inner.rebuild(name, value)
		if err != nil {
			return nil, err
		}
		o[name] = encode(rebuilt)
	}
	return o, nil
}

// reads returns the known name that some decoder takes name for; "" if there is
// none.
func (s *shape) reads(name string) string {
	for known := range s.known {
		if strings.EqualFold(known, name) || s.open && strings.EqualFold(bare(known), bare(name)) {
			return known
		}
	}
	return ""
}

// bare is a name without what sets the ways to write it apart (progress_token).
func bare(name string) string { return strings.NewReplacer("_", "", "-", "").Replace(name) }
