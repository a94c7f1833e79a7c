// Package mount runs the MCP servers that the person already has: processes
// that speak over stdin and stdout, and servers behind a URL. It starts them
// when they are needed, keeps what they offer, restarts what crashes, and ends
// everything it started.
//
// It decides nothing about who may use what, serves no client, and reads no
// configuration file. Start at [Set].
package mount

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options make a [Set].
type Options struct {
	// Secret returns what ${keychain:NAME} stands for in the settings of a
	// server. Its error is a sentence for the owner.
	Secret func(ctx context.Context, server, name string) (string, error)
	// Identity returns a short-lived signed token that names caller to the HTTP
	// server at audience (its URL). nil: none is sent.
	Identity func(caller *oauth.Caller, audience string) (string, error)
	// OnChange hears that what a server offers, or its state, is another now.
	// It must not block. nil: nobody hears.
	OnChange func(server string, what Change)
	// Record takes events (server.failed). nil: nobody hears.
	Record func(status.Event)

	Version string           // Drawbridge's own, for clientInfo
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: none
}

// Change is what is another now.
type Change int

// The changes that OnChange hears of.
const (
	StateChanged Change = iota
	ToolsChanged
	PromptsChanged
	ResourcesChanged // resources or templates
)

// Catalog is what a server offers, as it said itself. It is never changed once
// it is returned.
type Catalog struct {
	Era         rpc.Era
	Description rpc.Description
	Tools       []Item
	Prompts     []Item
	Resources   []Item // named by URI
	Templates   []Item // named by URI template
}

// Item is one thing of a catalog.
type Item struct {
	Name string          // the tool's or prompt's name; the resource's URI; the template's URI template
	Raw  json.RawMessage // the whole object as the server sent it
}

// Line is one line that a server wrote to stderr, or that Drawbridge says of it.
type Line = status.LogLine

// mounts is what the rest of Drawbridge asks of this package.
type mounts interface {
	// Apply makes servers the mounted ones: added, changed, removed and
	// switched-off ones take effect; the others are not touched.
	Apply(servers []config.Server)
	// Names returns the mounted servers that are not switched off, sorted.
	Names() []string
	// Status returns the state of every server of the last Apply, sorted by name.
	Status() []status.Server
	// Logs returns what a server wrote, oldest first; false if there is none of
	// that name.
	Logs(server string) ([]Line, bool)
	// Catalog returns what a server offers. It starts the server if need be and
	// waits until ctx ends; wait false returns at once what is known, or nil.
	Catalog(ctx context.Context, server string, wait bool) (*Catalog, error)
	// Call has a server answer a request of caller, in the server's own era.
	// Requests of one person go to one conversation (a process, or a transport
	// session over HTTP) that no other person's requests go to; it is opened when
	// first needed. peer gets what the server says meanwhile; progress comes
	// with the progressToken that params hold. When ctx ends the server is told
	// (notifications/cancelled, or a closed stream).
	//
	// The error is an *rpc.Error if the server answered with one, ctx's, or an
	// [Error].
	Call(ctx context.Context, server string, caller *oauth.Caller, method string, params json.RawMessage, peer rpc.Peer) (json.RawMessage, error)
	// Notify sends a notification to caller's conversation, if there is one.
	Notify(ctx context.Context, server string, caller *oauth.Caller, method string, params json.RawMessage)
	// Subscribe has a server tell of changes of a resource, until stop is
	// called. Two subscriptions of one person to one URI are one at the server.
	// updated gets the params of notifications/resources/updated.
	Subscribe(ctx context.Context, server string, caller *oauth.Caller, uri string, updated func(params json.RawMessage)) (stop func(), err error)
	// Forget closes the conversations of a person who has no session any more.
	Forget(sub string)
	// Restart ends what a server runs and lets it start again at once, also
	// after a crash loop.
	Restart(server string) error
	// Close ends every process and every conversation.
	Close()
}

// Error says that a mounted server could not answer: it is off, starting too
// slowly, has crashed, or hangs. Message is a sentence that a client may read;
// it holds nothing of the server's own output.
type Error struct {
	Server  string
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Cause }
