// Package hub is what stands behind the MCP endpoints: /mcp offers the tools,
// prompts and resources of every mounted server together with the built-in
// tools; /s/NAME/mcp offers one server as it is. It decides who may see and use
// what, under which name, and speaks for clients and servers of different eras.
//
// It never interprets what a server answers, runs no process, opens no
// connection, and serves no HTTP. Start at [Hub].
package hub

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Mounts is what the hub asks of the mounted servers; see [mount.Set].
type Mounts interface {
	Names() []string
	Status() []status.Server
	Catalog(ctx context.Context, server string, client mount.Client, how mount.How) (*mount.Catalog, error)
	Call(ctx context.Context, server string, client mount.Client, method string, params json.RawMessage, peer rpc.Peer) (json.RawMessage, error)
	Notify(ctx context.Context, server string, client mount.Client, method string, params json.RawMessage)
	Subscribe(ctx context.Context, server string, client mount.Client, uri string, updated func(params json.RawMessage)) (stop func(), err error)
}

// Builtin is the built-in tools. Call's error is an *rpc.Error, or a sentence
// that the client may read.
type Builtin interface {
	List() []builtin.Tool
	Call(ctx context.Context, caller *oauth.Caller, name string, arguments json.RawMessage) (json.RawMessage, error)
}

// Own is the server that the built-in tools count as.
const Own = config.BuiltIn

// Policy says who may use what. Names are the servers' own ones.
type Policy interface {
	Tool(who *oauth.Caller, server, tool string, readOnly bool) bool
	Prompt(who *oauth.Caller, server, prompt string) bool
	Resource(who *oauth.Caller, server, uri string) bool
	Template(who *oauth.Caller, server, template string) bool
	Value(server, value string) bool              // whether it may be completed into a template
	Server(who *oauth.Caller, server string) bool // whether there may be anything
}

// Pins remembers what the owner approved; see [pins.Pins].
type Pins interface {
	Check(server string, items ...pins.Item) ([]pins.State, error)
}

// Options make a [Hub].
type Options struct {
	Mounts  Mounts
	Builtin Builtin       // nil: none
	Policy  func() Policy // asked at each request, so that a new one counts at once. nil: everybody may use everything
	// Ask waits until the owner has allowed a call. Its error is a sentence for
	// the client. nil: calls that need asking are refused.
	Ask  func(ctx context.Context, call status.Approval) error
	Pins Pins // nil: nothing is ever another
	// CallsPerMinute of mounted servers' tools by one session; nil or 0: no limit.
	CallsPerMinute func() int
	// OnCall hears of each finished tool call; server is [Own] for a built-in
	// one. err is nil if the tool did what it was asked. It must not block.
	OnCall   func(caller *oauth.Caller, server, tool string, err error)
	Settings func(server string) config.ServerSettings // nil: none

	Name, Version string // what /mcp says it is
	Key           []byte // 32 bytes: seals what clients carry for us
	Now           func() time.Time
	Log           *slog.Logger

	Patience time.Duration // how long a list waits for starting servers; 0: 3 s
	Hold     time.Duration // how long a parked call waits for its client; 0: 5 min
}

// Hub joins the mounted servers. Create it with [New].
type Hub struct {
	o        Options
	seal     *sealer
	limit    *meter
	parked   *parkedCalls
	verdicts verdicts
	all      *endpoint // /mcp

	mu     sync.Mutex                // guards all below
	single map[string]*endpoint      // /s/NAME/mcp
	waited map[string]bool           // servers that a list has waited for
	last   map[string]*mount.Catalog // what each server offered last, whose names stay its own
}

// New returns a hub.
func New(o Options) (*Hub, error) {
	if o.Mounts == nil {
		return nil, errors.New("hub: Mounts is required")
	}
	seal, err := newSealer(o.Key)
	if err != nil {
		return nil, err
	}
	o.fill()
	h := &Hub{o: o, seal: seal, single: map[string]*endpoint{}, waited: map[string]bool{}, last: map[string]*mount.Catalog{}}
	h.limit = newMeter(o.CallsPerMinute, o.Now)
	h.parked = newParkedCalls(o.Hold)
	h.all = &endpoint{h: h}
	return h, nil
}

func (o *Options) fill() {
	if o.Policy == nil {
		o.Policy = func() Policy { return everything{} }
	}
	if o.Ask == nil {
		o.Ask = func(context.Context, status.Approval) error {
			return errors.New("This tool needs the owner's consent to each call, and nobody can be asked.")
		}
	}
	if o.Pins == nil {
		o.Pins = unpinned{}
	}
	if o.Builtin == nil {
		o.Builtin = none{}
	}
	if o.CallsPerMinute == nil {
		o.CallsPerMinute = func() int { return 0 }
	}
	if o.OnCall == nil {
		o.OnCall = func(*oauth.Caller, string, string, error) {}
	}
	if o.Settings == nil {
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{} }
	}
	if o.Name == "" {
		o.Name = "drawbridge"
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Second
	}
	if o.Hold == 0 {
		o.Hold = 5 * time.Minute
	}
}

// All is what stands behind /mcp.
func (h *Hub) All() gateway.Backend { return h.all }

// One is what stands behind /s/NAME/mcp.
func (h *Hub) One(server string) gateway.Backend {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.single[server]
	if s == nil {
		s = &endpoint{h: h, server: server}
		h.single[server] = s
	}
	return s
}

// MayUse reports whether there is anything of a server that who may use. A
// server of which it says no must look to them like one that does not exist.
func (h *Hub) MayUse(who *oauth.Caller, server string) bool { return h.o.Policy().Server(who, server) }

// Forget drops what is kept for sessions that have ended.
func (h *Hub) Forget(over func(session string) bool) {
	h.limit.forget(over)
	h.parked.end(func(c *parkedCall) bool { return over(c.session) })
}

// Close ends every parked call.
func (h *Hub) Close() { h.parked.endAll() }

type everything struct{}

func (everything) Tool(*oauth.Caller, string, string, bool) bool { return true }
func (everything) Prompt(*oauth.Caller, string, string) bool     { return true }
func (everything) Resource(*oauth.Caller, string, string) bool   { return true }
func (everything) Template(*oauth.Caller, string, string) bool   { return true }
func (everything) Value(string, string) bool                     { return true }
func (everything) Server(*oauth.Caller, string) bool             { return true }

type unpinned struct{}

func (unpinned) Check(string, ...pins.Item) ([]pins.State, error) { return nil, nil }

type none struct{}

func (none) List() []builtin.Tool { return nil }
func (none) Call(context.Context, *oauth.Caller, string, json.RawMessage) (json.RawMessage, error) {
	return nil, errors.New("There are no built-in tools.")
}
