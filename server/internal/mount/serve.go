package mount

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Call has a server answer a request of a client, in the era that client names
// (see [Catalog.Speaks]). In the Legacy era the requests of one sign-in go to a
// conversation (a process, or a transport session over HTTP) that no other's go
// to; it is opened when first needed. peer gets what the server says meanwhile;
// progress comes with the progressToken that params hold. When ctx ends the
// server is told (notifications/cancelled, or a closed stream).
//
// The error is an *rpc.Error if the server answered with one, ctx's, or an
// [*Error].
func (s *Set) Call(ctx context.Context, server string, client Client, method string, params json.RawMessage, peer rpc.Peer) (rpc.Object, error) {
	one, err := s.find(server)
	if err != nil {
		return nil, err
	}
	if peer == nil {
		peer = nobody{}
	}
	result, err := one.call(ctx, client, method, params, peer)
	if err != nil && ctx.Err() != nil && !isOwn(err) {
		return nil, ctx.Err()
	}
	return result, err
}

// nobody is the peer of a call whose caller gave none.
type nobody struct{}

func (nobody) Notify(string, json.RawMessage) {}
func (nobody) Request(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return nil, rpc.ErrCannotAsk
}

func (s *server) call(ctx context.Context, client Client, method string, params json.RawMessage, peer rpc.Peer) (rpc.Object, error) {
	timeout := cmp.Or(s.settings().Timeout, defaultTimeout)
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for tries := 1; ; tries++ {
		var result rpc.Object
		c, err := s.conversationFor(within, client)
		if err == nil {
			c.setLevel(within, client)
			result, err = c.do(within, client, method, params, peer)
		}
		switch {
		case err == nil:
			return result, nil
		case tries < 3 && errors.Is(err, errSessionGone):
			// It did not look at the request, so it may be sent again. The second
			// conversation may have been opened in the background, for a list,
			// before the server forgot them all.
			continue
		case tries == 1 && method == "tools/call" && isCode(err, rpc.CodeHeaderMismatch) && s.http:
			// The tool's schema has changed, and with it the headers that it
			// wants (MCP 2026-07-28, "Client Behavior").
			if err := s.lists.read(true).wait(within); err != nil {
				return nil, err
			}
			continue
		case within.Err() != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return nil, s.errorf(err, "did not answer within %s. It was told to stop.", timeout)
		}
		return nil, s.unanswered(err)
	}
}

// levels are those of RFC 5424, from the most talkative.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// setLevel asks a server of the Legacy era for the log messages that a client
// wants. Two programs of one sign-in share a conversation: it is asked for what
// the more curious wants, and each is given its own.
func (c *conversation) setLevel(ctx context.Context, client Client) {
	want := slices.Index(levels, client.LogLevel)
	if want < 0 || c.era() == rpc.Modern || rpc.Given(rpc.Get(c.description.Capabilities, "logging")) == nil {
		return
	}
	c.mu.Lock()
	was := c.level
	c.level = min(was, want)
	c.mu.Unlock()
	if was <= want {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.server.set.tune.rest)
	defer cancel()
	if _, err := c.do(ctx, client, "logging/setLevel", encode(map[string]string{"level": client.LogLevel}), nil); err != nil {
		c.server.log.say("It did not take the level of log messages: %v", c.server.unanswered(err))
	}
}

// Notify sends a notification to a client's conversation, if there is one. In
// the Modern era clients send none, and those that say what Drawbridge says
// itself (initialized, cancelled) are not passed on.
func (s *Set) Notify(_ context.Context, server string, client Client, method string, params json.RawMessage) {
	one, err := s.find(server)
	if err != nil || method == "notifications/initialized" || method == "notifications/cancelled" {
		return
	}
	one.mu.Lock()
	c := one.openLocked(client)
	one.mu.Unlock()
	if c != nil {
		_ = c.link().tell(outgoing{Method: method, Params: params}.encode())
	}
}

func isCode(err error, code int) bool {
	e, own := errors.AsType[*rpc.Error](err)
	return own && e.Code == code
}
