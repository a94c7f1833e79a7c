package hub

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Call answers a request. Who may use nothing of the server is told that there
// is none, whatever they ask.
func (s *endpoint) Call(ctx context.Context, c *gateway.Client, method string, raw json.RawMessage) (rpc.Object, error) {
	if err := s.mayEnter(c.Caller); err != nil {
		return nil, err
	}
	params, err := paramsOf(method, raw)
	if err != nil {
		return nil, err
	}
	switch method {
	case "tools/list", "prompts/list", "resources/list", "resources/templates/list":
		return s.list(ctx, c, method, params)
	case "tools/call":
		return s.callTool(ctx, c, params)
	case "prompts/get":
		return s.getPrompt(ctx, c, params)
	case "resources/read":
		return s.read(ctx, c, params)
	case "completion/complete":
		return s.complete(ctx, c, params)
	case "logging/setLevel":
		return rpc.Object{}, nil // the endpoint has checked and keeps it; a server hears of it at the next request
	}
	// Nothing else goes through: a method that the hub does not know can't be
	// held against the rules.
	return nil, rpc.Errorf(rpc.CodeMethodNotFound, "Method not found")
}

func (s *endpoint) mayEnter(who *oauth.Caller) error {
	if s.server != "" && !(slices.Contains(s.h.o.Mounts.Names(), s.server) && s.h.MayUse(who, s.server)) {
		return errNoServer
	}
	return nil
}

var errToolFailed = errors.New("the tool answered with an error")

// Why a call never reached its server; the owner's no is another.
var (
	ErrHeld    = errors.New("it has changed, and is held back until you approve it")
	ErrTooMany = errors.New("too many calls in a short time")
)

// callTool checks, in this order: the rules, the owner's approval of the tool,
// the session's rate, the owner's consent to this call.
func (s *endpoint) callTool(ctx context.Context, c *gateway.Client, params object) (rpc.Object, error) {
	name, ok := params.text("name")
	if !ok {
		return nil, invalid("name is required and must be a string")
	}
	who := c.Caller
	t, err := s.find(ctx, c, kindTool, name)
	if err != nil {
		return nil, err
	}
	if t.server == Own {
		return s.h.callOwn(ctx, who, t.name, params["arguments"])
	}
	if s.h.held(t) {
		s.h.o.OnCall(who, t.server, t.name, 0, ErrHeld)
		return failed(heldBack(t)), nil
	}
	if !s.h.resumes(c, t.mounted, params) { // else it was asked when the call began
		if answer, err := s.h.admit(ctx, c, t, params["arguments"]); answer != nil || err != nil {
			return answer, err
		}
	}
	params["name"] = rpc.Quote(t.name)
	began := time.Now()
	result, err := s.h.forward(ctx, c, t.mounted, "tools/call", t.name, params)
	return s.h.outcome(ctx, who, t.server, t.name, time.Since(began), result, err)
}

// outcome tells of a call, and turns what the protocol has no error for into a
// result that the model reads.
func (h *Hub) outcome(ctx context.Context, who *oauth.Caller, server, tool string, took time.Duration, result rpc.Object, err error) (rpc.Object, error) {
	if err == nil {
		if asks, failure := saysOfItself(result); !asks { // else the call goes on
			h.o.OnCall(who, server, tool, took, failure)
		}
		return result, nil
	}
	h.o.OnCall(who, server, tool, took, err)
	var own *rpc.Error
	switch {
	case ctx.Err() != nil || errors.As(err, &own):
		return nil, err
	case server == Own:
		return failed(err.Error()), nil
	}
	return failed(h.sentence(server, err)), nil
}

func heldBack(t *item) string {
	return fmt.Sprintf("The %s %s is new or has changed since the owner of this Drawbridge let its server in, and is held back until they have looked at it.", kindWord(t.kind), shorten(t.listed))
}

// admit lets a call begin, or answers why not.
func (h *Hub) admit(ctx context.Context, c *gateway.Client, t *item, arguments json.RawMessage) (rpc.Object, error) {
	who := c.Caller
	if wait, ok := h.limit.take(who.Session); !ok {
		h.o.OnCall(who, t.server, t.name, 0, ErrTooMany)
		return failed(fmt.Sprintf("Too many calls in a short time. Go on in %d seconds.", int(math.Ceil(wait.Seconds())))), nil
	}
	if !h.asks(t) {
		return nil, nil
	}
	err := h.o.Ask(ctx, status.Approval{User: cmp.Or(who.User.Email, who.User.Sub), Client: who.Client.Name, Session: who.Session,
		Server: t.server, Tool: t.name, Arguments: readable(arguments), ReadOnly: t.readOnly})
	switch {
	case err == nil:
		return nil, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	h.o.OnCall(who, t.server, t.name, 0, err)
	return failed(err.Error()), nil
}

func (h *Hub) callOwn(ctx context.Context, who *oauth.Caller, name string, arguments json.RawMessage) (rpc.Object, error) {
	began := time.Now()
	result, err := h.o.Builtin.Call(ctx, who, name, arguments)
	return h.outcome(ctx, who, Own, name, time.Since(began), rpc.ObjectOf(result), err)
}

// saysOfItself reads of a result whether it asks for input, and whether the tool
// failed.
func saysOfItself(result rpc.Object) (asks bool, failure error) {
	if string(result.Get("isError")) == "true" {
		failure = errToolFailed
	}
	kind, _ := rpc.String(result.Get("resultType"))
	return kind == "input_required", failure
}

// readable is arguments as the owner reads them before they consent: indented,
// each string as it is meant, however it was escaped, and what hides written out.
// Nothing is cut.
func readable(arguments json.RawMessage) string {
	var b bytes.Buffer
	if len(arguments) == 0 {
		return "{}"
	}
	if json.Indent(&b, arguments, "", "  ") != nil {
		return string(arguments)
	}
	return status.Spell(stringToken.ReplaceAllStringFunc(b.String(), func(token string) string {
		text, ok := rpc.String(json.RawMessage(token))
		if !ok || strings.ContainsRune(text, utf8.RuneError) { // half a surrogate pair has no other form
			return token
		}
		return string(rpc.Quote(text))
	}))
}

var stringToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
