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
	"reflect"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options make a [Set].
type Options struct {
	// Secret returns what ${keychain:NAME} stands for in the settings of a
	// server. Its error is a sentence for the owner.
	Secret func(ctx context.Context, server, name string) (string, error)
	// Identity returns a short-lived signed token that names caller to the HTTP
	// server at audience (its URL). It is asked for people alone: when Drawbridge
	// reads the catalog, that is in nobody's name. nil, or "" returned: none is
	// sent.
	Identity func(caller *oauth.Caller, audience string) (string, error)
	// SignIns is what we have at servers with a sign-in of their own; nil: nothing.
	SignIns *serverauth.SignIns
	// OnChange hears that what a server offers, or its state, is another now.
	// It must not block. nil: nobody hears.
	OnChange func(server string, what Change)
	// Network is the way to HTTP servers; nil: the environment's.
	Network *outbound.Network
	// Saver and Records are where the last catalogs last, see [Bucket]. nil: they
	// don't.
	Saver   oauth.Saver
	Records oauth.Records
	// Record takes events (server.failed). nil: nobody hears.
	Record func(status.Event)

	Issuer  string           // our public URL, by which other Drawbridges know us
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
// it is returned. Its members in JSON are those of its record, see [Bucket].
type Catalog struct {
	Eras
	Description rpc.Description `json:"description"`
	Tools       []Item          `json:"tools,omitempty"`
	Prompts     []Item          `json:"prompts,omitempty"`
	Resources   []Item          `json:"resources,omitempty"` // named by URI
	Templates   []Item          `json:"templates,omitempty"` // named by URI template
	Odd         []string        `json:"-"`                   // what was mended in the items, or left out: a line each, "tool NAME: MEMBER: what was done"
	Unlisted    []string        `json:"-"`                   // methods of lists that the server could not give now

	ttl time.Duration // how long it is taken for fresh; guarded by server.mu
}

// Eras are those that a server speaks.
type Eras struct {
	Era    rpc.Era         `json:"-"`               // the newest
	Both   bool            `json:"both,omitempty"`  // the Legacy one as well
	Legacy rpc.Description `json:"legacy,omitzero"` // what it says of itself in the Legacy era, if Both
}

// Speaks returns the era in which a client's requests are made: its own, if the
// server knows it.
func (e Eras) Speaks(client rpc.Era) rpc.Era {
	if e.Both {
		return client
	}
	return e.Era
}

// Describes returns what the server says of itself to clients of an era.
func (cat *Catalog) Describes(client rpc.Era) rpc.Description {
	if cat.Both && client == rpc.Legacy {
		return cat.Legacy
	}
	return cat.Description
}

// same reports whether other says the same in all that lasts.
func (cat *Catalog) same(other *Catalog) bool {
	a, b := *cat, *other
	a.ttl, b.ttl = 0, 0
	return reflect.DeepEqual(a, b)
}

// Item is one entry of a catalog.
type Item struct {
	Name string          `json:"name"` // the tool's or prompt's name; the resource's URI; the template's URI template
	Raw  json.RawMessage `json:"raw"`  // the whole object as the server sent it
}

// Line is one line that a server wrote to stderr, or that Drawbridge says of it.
type Line = status.LogLine

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
