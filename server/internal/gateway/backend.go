package gateway

import (
	"context"
	"encoding/json"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Client is the program behind a request, and the person behind it.
type Client struct {
	rpc.Peer
	Caller       *oauth.Caller
	Era          rpc.Era
	Session      string          // id of the transport session; "" in the Modern era
	Capabilities json.RawMessage // the client's, an object; nil if it never said
	Info         json.RawMessage // clientInfo, an object; nil if it never said
	LogLevel     string          // the level it has asked log messages of; "" if none
}

// Backend is what stands behind one MCP endpoint: everything that is not the
// protocol's own business. Its methods are called concurrently. ctx ends when
// the client cancels or leaves, or its grant ends. What it is given is valid
// JSON on one line, nested and long to a limit, and no object of params has a
// member twice; what it gives must be valid JSON.
type Backend interface {
	// Describe is what initialize and server/discover tell this client; it also
	// says what subscriptions/listen can listen to.
	Describe(ctx context.Context, c *Client) (rpc.Description, error)
	// Call answers a request: all but initialize, ping, server/discover,
	// subscriptions/listen, resources/subscribe and resources/unsubscribe, which
	// the endpoint answers itself. The result is in either era's
	// form: for Modern clients the endpoint adds resultType, ttlMs and cacheScope
	// where they are missing. An *rpc.Error is sent word for word.
	Call(ctx context.Context, c *Client, method string, params json.RawMessage) (rpc.Object, error)
	// Notified takes a notification of the client that is not the endpoint's
	// own business (initialized and cancelled are).
	Notified(ctx context.Context, c *Client, method string, params json.RawMessage)
	// Subscribe watches a resource for the client, for resources/subscribe and
	// subscriptions/listen alike, until stop is called. ctx and c are those of
	// the request that subscribes: neither lives as long as the subscription.
	// updated may be called at once, and from any goroutine.
	Subscribe(ctx context.Context, c *Client, uri string, updated func(params json.RawMessage)) (stop func(), err error)
	// InputSchema returns the schema of a tool that the client may call, by
	// which Mcp-Param-* headers are checked (MCP 2026-07-28, "Custom Headers");
	// nil if there is none.
	InputSchema(ctx context.Context, c *Client, tool string) json.RawMessage
}

// List is one of the lists that a server offers and that may change.
type List string

// The lists that notifications/*/list_changed tell of.
const (
	ToolList     List = "tools"
	PromptList   List = "prompts"
	ResourceList List = "resources"
)
