package mount

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/mend"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Call has a server answer a request of caller, in the server's own era.
// Requests of one person go to one conversation (a process, or a transport
// session over HTTP) that no other person's requests go to; it is opened when
// first needed. peer gets what the server says meanwhile; progress comes
// with the progressToken that params hold. When ctx ends the server is told
// (notifications/cancelled, or a closed stream).
//
// The error is an *rpc.Error if the server answered with one, ctx's, or an
// [*Error].
func (s *Set) Call(ctx context.Context, server string, caller *oauth.Caller, method string, params json.RawMessage, peer rpc.Peer) (json.RawMessage, error) {
	one, err := s.find(server)
	if err != nil {
		return nil, err
	}
	if peer == nil {
		peer = nobody{}
	}
	result, err := one.call(ctx, caller, method, params, peer)
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

func (s *server) call(ctx context.Context, caller *oauth.Caller, method string, params json.RawMessage, peer rpc.Peer) (json.RawMessage, error) {
	timeout := s.settings().Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for again := true; ; again = false {
		result, err := s.attempt(within, caller, method, params, peer)
		switch {
		case err == nil:
			return result, nil
		case again && errors.Is(err, errSessionGone):
			continue // it did not look at the request, so it may be sent again
		case again && method == "tools/call" && isCode(err, rpc.CodeHeaderMismatch) && s.isHTTP():
			// The tool's schema has changed, and with it the headers that it
			// wants (MCP 2026-07-28, "Client Behavior").
			s.readCatalog(within)
			continue
		case within.Err() != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return nil, s.errorf(err, "did not answer within %s. It was told to stop.", roundly(timeout))
		}
		return nil, s.unanswered(err)
	}
}

func (s *server) attempt(ctx context.Context, caller *oauth.Caller, method string, params json.RawMessage, peer rpc.Peer) (json.RawMessage, error) {
	c, err := s.conversation(ctx, subOf(caller))
	if err != nil {
		return nil, err
	}
	result, err := c.do(ctx, caller, method, params, peer)
	return mend.Result(method, result), err
}

// Notify sends a notification to caller's conversation, if there is one. In
// the Modern era clients send none, and those that say what Drawbridge says
// itself (initialized, cancelled) are not passed on.
func (s *Set) Notify(_ context.Context, server string, caller *oauth.Caller, method string, params json.RawMessage) {
	one, err := s.find(server)
	if err != nil || method == "notifications/initialized" || method == "notifications/cancelled" {
		return
	}
	one.mu.Lock()
	c := one.convs[subOf(caller)]
	one.mu.Unlock()
	if c == nil || !c.isReady() || c.modern.Load() {
		return
	}
	_ = c.link().tell(outgoing{Method: method, Params: params}.encode())
}

// forget ends the conversation of a person.
func (s *server) forget(sub string) {
	s.mu.Lock()
	c := s.convs[sub]
	delete(s.convs, sub)
	delete(s.watched, sub)
	s.mu.Unlock()
	if c != nil {
		c.end(s.errorf(nil, "was told that the session has ended. Sign in again."))
	}
}

func subOf(caller *oauth.Caller) string {
	if caller == nil {
		return ""
	}
	return caller.User.Sub
}

func isCode(err error, code int) bool {
	var e *rpc.Error
	return errors.As(err, &e) && e.Code == code
}

func roundly(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(time.Second)
	}
	return d
}
