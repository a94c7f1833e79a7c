// Package hub is what stands behind the MCP endpoints: /mcp offers the tools,
// prompts and resources of every mounted server together with the built-in
// tools; /s/NAME/mcp offers one server as it is. It decides who may see and use
// what, under which name, and speaks for clients and servers of different eras.
//
// It never interprets what a server answers, runs no process, opens no
// connection, and serves no HTTP. Start at [Hub].
package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

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
	Call(ctx context.Context, server string, client mount.Client, method string, params json.RawMessage, peer rpc.Peer) (rpc.Object, error)
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

// Options make a [Hub]. All are required but Patience and Hold.
type Options struct {
	Mounts  Mounts
	Builtin Builtin
	Policy  func() Policy // asked at each request, so that a new one counts at once
	// Ask waits until the owner has allowed a call. Its error is a sentence for
	// the client.
	Ask            func(ctx context.Context, call status.Approval) error
	Pins           Pins
	CallsPerMinute func() int // of mounted servers' tools by one session; 0: no limit
	// OnCall hears of each finished tool call, and how long its tool took; server is [Own] for a built-in
	// one. err is nil if the tool did what it was asked. It must not block.
	OnCall   func(caller *oauth.Caller, server, tool string, took time.Duration, err error)
	Settings func(server string) config.ServerSettings

	ServerInfo json.RawMessage // what /mcp says it is
	Now        func() time.Time
	Log        *slog.Logger

	Patience time.Duration // how long a list waits for starting servers; 0: 3 s
	Hold     time.Duration // how long a parked call waits for its client; 0: 5 min
}

// Hub joins the mounted servers. Create it with [New].
type Hub struct {
	o        Options
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
func New(o Options) *Hub {
	o.Patience, o.Hold = cmp.Or(o.Patience, 3*time.Second), cmp.Or(o.Hold, 5*time.Minute)
	h := &Hub{o: o, single: map[string]*endpoint{}, waited: map[string]bool{}, last: map[string]*mount.Catalog{},
		limit: &meter{perMinute: o.CallsPerMinute, now: o.Now, sessions: map[string]*rate.Limiter{}}, parked: &parkedCalls{hold: o.Hold, waiting: map[string]*parkedCall{}}}
	h.verdicts.of = map[string]map[*mount.Catalog]map[offered]bool{}
	h.all = &endpoint{h: h}
	return h
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
	h.parked.end(over)
}

// Close ends every parked call.
func (h *Hub) Close() { h.parked.end(func(string) bool { return true }) }
