package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
)

// The fields of _meta by which a request of 2026-07-28 tells of its client. The
// rest of _meta is filled in, and taken out, where requests are sent.
const (
	metaPrefix       = "io.modelcontextprotocol/"
	metaCapabilities = metaPrefix + "clientCapabilities"
	metaClientInfo   = metaPrefix + "clientInfo"
	metaServerInfo   = metaPrefix + "serverInfo"
	metaLogLevel     = metaPrefix + "logLevel"
)

// maxRounds bounds how often one call may ask its client for input, and
// maxQuestions how much at a time.
const (
	maxRounds    = 10
	maxQuestions = 32
)

// forward has a server answer a request in the words of the client's era.
// target is the name or URI that the request is about, as the server knows it.
func (h *Hub) forward(ctx context.Context, c *gateway.Client, m mounted, method, target string, params object) (rpc.Object, error) {
	var result rpc.Object
	var err error
	era := m.cat.Speaks(c.Era)
	if state, _ := params.text("requestState"); state == anew { // ours
		delete(params, "requestState")
		delete(params, "inputResponses")
	}
	switch {
	case c.Era == rpc.Legacy && era == rpc.Modern:
		result, err = h.askAndRetry(ctx, c, m, method, params)
	case c.Era == rpc.Modern && era == rpc.Legacy:
		if result, err = h.park(ctx, c, m, method, target, params); err != nil {
			result, err = openFirst(c, err)
		}
	case era == rpc.Legacy:
		result, err = h.o.Mounts.Call(ctx, m.server, seen(c, era), method, encode(params), guarded{c})
	default:
		result, err = h.o.Mounts.Call(ctx, m.server, seen(c, era), method, encode(params), c)
	}
	if needed := (*serverauth.Needed)(nil); errors.As(err, &needed) && needed.Link != "" {
		return signInFirst(c, method, err, needed)
	}
	return result, translate(err, method, target, era, c.Era)
}

// seen is a client as mounted servers are to see it, in the era that is spoken
// with them.
func seen(c *gateway.Client, era rpc.Era) mount.Client {
	return mount.Client{Caller: c.Caller, Era: era, Session: c.Session, Capabilities: c.Capabilities, Info: c.Info, LogLevel: c.LogLevel}
}

// noRoots is what every server with sessions hears of its client's roots. The
// folders of a client elsewhere mean nothing here, and must not be believed:
// some servers (server-filesystem) let roots stand for the folders that their
// owner allowed, so that a client could open the whole disk.
var noRoots = json.RawMessage(`{"roots":[]}`)

// guarded asks a client only what it said that it can answer.
type guarded struct{ *gateway.Client }

func (g guarded) Request(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if method == "roots/list" {
		return noRoots, nil
	}
	if _, err := refused(g.Capabilities, method, params); err != nil {
		return nil, err
	}
	return g.Client.Request(ctx, method, params)
}

// refused is how a client with these capabilities refuses a request of a server,
// and which ones it would need; nil if it can be asked. A feature that it has not
// is a method that it doesn't know, a part of one that it has not is a wrong
// parameter (MCP 2025-11-25, "Elicitation" and "Sampling").
func refused(capabilities json.RawMessage, method string, params json.RawMessage) (needs json.RawMessage, err error) {
	feature, _, _ := strings.Cut(method, "/")
	has := rpc.Get(capabilities, feature)
	ok := false
	switch method {
	case "sampling/createMessage":
		needs, ok = json.RawMessage(`{"sampling":{}}`), has != nil
		if rpc.Get(params, "tools") != nil {
			needs, ok = json.RawMessage(`{"sampling":{"tools":{}}}`), rpc.Get(has, "tools") != nil
		}
	case "elicitation/create":
		// Without a mode named, forms are meant (MCP 2025-11-25, "Elicitation").
		url := rpc.Get(has, "url") != nil
		needs, ok = json.RawMessage(`{"elicitation":{"form":{}}}`), has != nil && (rpc.Get(has, "form") != nil || !url)
		if mode, _ := rpc.String(rpc.Get(params, "mode")); mode == "url" {
			needs, ok = json.RawMessage(`{"elicitation":{"url":{}}}`), url
		}
	default:
		needs = json.RawMessage(`{}`)
	}
	switch {
	case ok:
		return nil, nil
	case has != nil:
		return needs, invalid("The client does not support this form of %s.", shorten(method))
	}
	return needs, rpc.Errorf(rpc.CodeMethodNotFound, "The client does not support %s.", shorten(method))
}

// askAndRetry serves a client with a transport session by a server without: what
// the server wants to know it is asked, and the call is made again with the
// answers (MCP 2026-07-28, "Multi Round-Trip Requests").
func (h *Hub) askAndRetry(ctx context.Context, c *gateway.Client, m mounted, method string, params object) (rpc.Object, error) {
	meta := fields(params["_meta"])
	if meta == nil {
		meta = object{}
	}
	meta[metaCapabilities] = json.RawMessage("{}")
	if has(c.Capabilities) {
		meta[metaCapabilities] = c.Capabilities
	}
	delete(meta, metaClientInfo)
	if has(c.Info) {
		meta[metaClientInfo] = c.Info
	}
	// Who speaks the Legacy era gets log messages without asking for them.
	meta[metaLogLevel] = rpc.Quote(cmp.Or(c.LogLevel, "info"))
	params["_meta"] = encode(meta)
	delete(params, "inputResponses")
	delete(params, "requestState")
	for round := 0; ; round++ {
		result, err := h.o.Mounts.Call(ctx, m.server, seen(c, rpc.Modern), method, encode(params), c)
		if err != nil {
			return nil, err
		}
		if asks, _ := saysOfItself(result); !asks {
			return legacyResult(result), nil
		}
		if round == maxRounds {
			return nil, fmt.Errorf("asked for input more than %d times", maxRounds)
		}
		if err := answer(ctx, c, result, params); err != nil {
			return nil, err
		}
	}
}

// answer asks the client what a server wants to know, and puts the answers into
// the params of the next try.
func answer(ctx context.Context, c *gateway.Client, result rpc.Object, params object) error {
	asked := result.Get("inputRequests")
	questions := fields(asked)
	if has(asked) && questions == nil || len(questions) > maxQuestions {
		return errors.New("asked for input in a form that is not understood")
	}
	delete(params, "requestState")
	if state := result.Get("requestState"); has(state) {
		params["requestState"] = state
	}
	if len(questions) == 0 { // "try again later"
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	answers := object{}
	for _, id := range slices.Sorted(maps.Keys(questions)) { // one after the other: a person may be asked
		method, _ := rpc.String(rpc.Get(questions[id], "method"))
		var err error
		answers[id], err = guarded{c}.Request(ctx, method, rpc.Get(questions[id], "params"))
		if err != nil && ctx.Err() == nil && method == "elicitation/create" {
			answers[id], err = json.RawMessage(`{"action":"cancel"}`), nil // there is no room for an error, and nobody has answered
		}
		if err != nil {
			return unanswered(method, err)
		}
	}
	params["inputResponses"] = encode(answers)
	return nil
}

// unanswered says that a client could not be asked what a server must know.
func unanswered(method string, err error) error {
	var said *rpc.Error
	if errors.As(err, &said) || !errors.Is(err, rpc.ErrCannotAsk) {
		return err
	}
	return rpc.Errorf(rpc.CodeInvalidRequest, "The server needs an answer of the client (%s), and the client can't be asked.", shorten(method))
}

// legacyResult takes out what 2026-07-28 added to every result.
func legacyResult(result rpc.Object) rpc.Object {
	meta := result.Get("_meta")
	if rpc.Get(meta, metaServerInfo) != nil {
		meta = rpc.Drop(meta, func(name string, _ json.RawMessage) bool { return name == metaServerInfo })
		result = result.With("_meta", meta)
	}
	return result.Without(func(m rpc.Member) bool {
		name := string(m.Name)
		return name == "resultType" || name == "ttlMs" || name == "cacheScope" || name == "_meta" && string(m.Value) == "{}"
	})
}

func offers(cat *mount.Catalog, capability string) bool {
	return has(rpc.Get(cat.Description.Capabilities, capability))
}

func offersIn(cat *mount.Catalog, capability, option string) bool {
	return string(rpc.Get(rpc.Get(cat.Description.Capabilities, capability), option)) == "true"
}
