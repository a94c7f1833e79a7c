package hub

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

func (s *endpoint) getPrompt(ctx context.Context, c *gateway.Client, params object) (rpc.Object, error) {
	name, ok := params.text("name")
	if !ok {
		return nil, invalid("name is required and must be a string")
	}
	t, err := s.find(ctx, c, kindPrompt, name)
	if err != nil {
		return nil, err
	}
	params["name"] = rpc.Quote(t.name)
	return s.use(ctx, c, t, "prompts/get", params)
}

// use has the server of a prompt or template answer, unless it is held back.
func (s *endpoint) use(ctx context.Context, c *gateway.Client, t *item, method string, params object) (rpc.Object, error) {
	if s.h.held(t) {
		return nil, invalid("%s", heldBack(t))
	}
	result, err := s.h.forward(ctx, c, t.mounted, method, t.name, params)
	return result, s.h.refusal(t.server, err)
}

type place struct {
	mounted
	uri string // as its server knows it
}

// places returns where uri may be for who: one place if a list or a template
// names it, else every server with resources.
func (s *endpoint) places(ctx context.Context, c *gateway.Client, uri string) (_ []place, sure bool, err error) {
	who := c.Caller
	x, err := s.indexWith(ctx, c, func(x *index) bool { return x.kinds[kindResource].byName[uri] != nil })
	if err != nil {
		return nil, false, err
	}
	p := s.h.o.Policy()
	if server, own, ok := splitURI(uri); ok && s.server == "" {
		for _, m := range x.of {
			if m.server == server && p.Resource(who, server, own) && !s.heldURI(x, m, own) {
				return []place{{m, own}}, true, nil
			}
		}
		return nil, true, nil
	}
	if t := x.kinds[kindResource].byName[uri]; t != nil {
		if !p.Resource(who, t.server, uri) {
			return nil, true, nil // the same URI means the same thing for everybody
		}
		return []place{{t.mounted, uri}}, true, nil
	}
	for _, t := range x.kinds[kindTemplate].list {
		if t.listed == t.name && t.match != nil && t.match.MatchString(uri) && p.Resource(who, t.server, uri) && !s.h.held(t) {
			return []place{{t.mounted, uri}}, true, nil
		}
	}
	var list []place
	for _, m := range x.of {
		if (s.server != "" || offers(m.cat, "resources")) && p.Resource(who, m.server, uri) && !s.heldURI(x, m, uri) {
			list = append(list, place{m, uri})
		}
	}
	return list, len(list) == 1, nil
}

// heldURI reports whether a server has a URI by a template that is held back.
func (s *endpoint) heldURI(x *index, m mounted, uri string) (held bool) {
	for _, t := range x.kinds[kindTemplate].list {
		if t.server != m.server || !s.h.o.Settings(m.server).HoldChanges {
			continue
		}
		if t.match != nil && t.match.MatchString(uri) {
			if !s.h.held(t) {
				return false
			}
			held = true
		}
	}
	return held
}

// readTime is how long one server has to say whether it knows a resource that
// no list names.
const readTime = 10 * time.Second

func (s *endpoint) read(ctx context.Context, c *gateway.Client, params object) (rpc.Object, error) {
	uri, ok := params.text("uri")
	if !ok {
		return nil, invalid("uri is required and must be a string")
	}
	places, sure, err := s.places(ctx, c, uri)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		result, err := s.readAt(ctx, c, p, params, sure)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err = s.h.refusal(p.server, err); err == nil || sure {
			return result, err
		} // else it is in the log, and the next one may have it
	}
	return nil, notFound(c.Era, uri)
}

func (s *endpoint) readAt(ctx context.Context, c *gateway.Client, p place, params object, sure bool) (rpc.Object, error) {
	if !sure {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readTime)
		defer cancel()
	}
	params["uri"] = rpc.Quote(p.uri)
	return s.h.forward(ctx, c, p.mounted, "resources/read", p.uri, params)
}

// Subscribe watches a resource, for as long as the rules let the client.
func (s *endpoint) Subscribe(ctx context.Context, c *gateway.Client, uri string, updated func(json.RawMessage)) (func(), error) {
	who := c.Caller
	if err := s.mayEnter(who); err != nil {
		return nil, err
	}
	places, _, err := s.places(ctx, c, uri)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		if !offersIn(p.cat, "resources", "subscribe") {
			continue
		}
		stop, err := s.h.o.Mounts.Subscribe(ctx, p.server, seen(c, p.cat.Speaks(c.Era)), p.uri, func(params json.RawMessage) {
			if s.h.o.Policy().Resource(who, p.server, p.uri) {
				updated(readdressed(params, p.uri, uri))
			}
		})
		return stop, s.h.refusal(p.server, err)
	}
	if len(places) > 0 {
		return nil, invalid("The server of this resource does not tell of changes: %s", shorten(uri))
	}
	return nil, notFound(c.Era, uri)
}

// readdressed is a server's notification under the URI that the client knows.
func readdressed(params json.RawMessage, own, listed string) json.RawMessage {
	if uri, _ := rpc.String(rpc.Get(params, "uri")); uri != own {
		return params
	}
	return rpc.Set(params, "uri", rpc.Quote(listed))
}

func (s *endpoint) complete(ctx context.Context, c *gateway.Client, params object) (rpc.Object, error) {
	ref := fields(params["ref"])
	t, key, err := s.completes(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	if t.kind != kindPrompt && !s.mayComplete(t.server, params) {
		return nil, invalid("This value can't be completed here.")
	}
	if !offers(t.cat, "completions") {
		return rpc.ObjectOf(json.RawMessage(`{"completion":{"values":[],"total":0,"hasMore":false}}`)), nil
	}
	ref[key] = rpc.Quote(t.name)
	params["ref"] = encode(ref)
	return s.use(ctx, c, t, "completion/complete", params)
}

func (s *endpoint) completes(ctx context.Context, c *gateway.Client, ref object) (*item, string, error) {
	switch kind, _ := ref.text("type"); kind {
	case "ref/prompt":
		name, _ := ref.text("name")
		t, err := s.find(ctx, c, kindPrompt, name)
		return t, "name", err
	case "ref/resource":
		uri, _ := ref.text("uri")
		x, err := s.indexWith(ctx, c, func(x *index) bool { return x.kinds[kindTemplate].byName[uri] != nil })
		if err != nil {
			return nil, "", err
		}
		t := x.kinds[kindTemplate].byName[uri]
		if t == nil {
			t = x.kinds[kindResource].byName[uri]
		}
		if t == nil || !s.allowed(c.Caller, t) {
			return nil, "", invalid("Unknown resource template: %s", shorten(uri))
		}
		return t, "uri", nil
	}
	return nil, "", invalid("ref.type is neither ref/prompt nor ref/resource")
}

// mayComplete reports whether the rules let all values of a completion into the
// template of a server.
func (s *endpoint) mayComplete(server string, params object) bool {
	list := []json.RawMessage{rpc.Get(params["argument"], "value")}
	for _, value := range rpc.Members(rpc.Get(params["context"], "arguments")) {
		list = append(list, value)
	}
	p := s.h.o.Policy()
	return !slices.ContainsFunc(list, func(raw json.RawMessage) bool {
		value, _ := rpc.String(raw)
		return !p.Value(server, value)
	})
}

func translate(err error, method, target string, from, to rpc.Era) error {
	var e *rpc.Error
	if !errors.As(err, &e) || from == to {
		return err
	}
	e = &rpc.Error{Code: e.Code, Message: e.Message, Data: e.Data}
	switch {
	case to == rpc.Modern && e.Code == codeNotFound:
		e.Code = rpc.CodeInvalidParams
		if method == "resources/read" && !has(e.Data) {
			e.Data = encode(object{"uri": rpc.Quote(target)})
		}
	case to == rpc.Modern && e.Code == codeURLRequired: // 2026-07-28 has no such code
		e.Code = rpc.CodeInternal
	case to == rpc.Legacy && method == "resources/read" && e.Code == rpc.CodeInvalidParams:
		e.Code = codeNotFound
	case to == rpc.Legacy && e.Code <= -32020 && e.Code >= -32099:
		e.Code = rpc.CodeInvalidRequest // codes that it can't know
	}
	return e
}
