// Package endpoints is the MCP paths: /mcp, where everything is offered
// together, and /s/NAME/mcp, where one mounted server is. It puts the guard, the
// protocol, the rules and the servers behind each other, and follows mcp.json.
// What each of them decides is its own matter, and who else answers at the public
// URL is the caller's. Start at [New].
package endpoints

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/approve"
	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/hub"
	"github.com/drawbridge-app/drawbridge/server/internal/identity"
	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/metrics"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options make [Endpoints]. All are required but AskWait.
type Options struct {
	Base   string // public URL, no slash at the end
	Config config.Config
	File   string // mcp.json, which is followed; "": no mounted servers

	Grants   *oauth.Grants
	Journal  Journal
	Records  oauth.Records // where what the journal saved is read from
	DataKey  []byte
	Identity *identity.Signer // of callers, towards mounted servers
	// Secret returns what ${keychain:NAME} stands for.
	Secret   func(ctx context.Context, server, name string) (string, error)
	SignIns  *serverauth.SignIns // at mounted servers
	Network  *outbound.Network   // the way to HTTP servers; nil: the environment's
	Paused   func() bool
	Page     func(w http.ResponseWriter, r *http.Request, status int) // for a person who opens an MCP URL
	Timeline *timeline.Recorder
	Calls    *metrics.Calls
	AskWait  time.Duration // how long a call waits for the owner's word; 0: as long as a person needs
	Wake     func()        // hears that there is something else to show; must not block
	Version  string
	Now      func() time.Time
	Log      *slog.Logger
}

// Journal keeps events, pins and catalogs.
type Journal interface {
	oauth.Saver
	oauth.Recorder
}

// Endpoints is the mounted servers and the paths that offer them.
type Endpoints struct {
	*approve.Queue // of calls that wait for the owner's word

	o        Options
	set      *mount.Set
	hub      *hub.Hub
	builtin  *builtin.Server
	pins     *pins.Pins
	memory   *gateway.Memory // of transport sessions
	failures *limit.Limit    // of bad tokens, at all paths

	config atomic.Pointer[config.Config]
	policy atomic.Pointer[policy.Policy]

	mu      sync.Mutex // guards all below
	servers map[string]config.Server
	mistake error              // why mcp.json was not taken
	partly  bool               // but for what is wrong it was
	single  map[string]*Single // by server; "": all of them together
}

// New returns the endpoints of the servers that are mounted now. The caller
// closes them.
func New(o Options) (*Endpoints, error) {
	e := &Endpoints{o: o, single: map[string]*Single{}, builtin: builtin.New(o.Config.Tools), failures: resource.NewFailures()}
	e.config.Store(&o.Config)
	e.policy.Store(policy.New(o.Config.Access.Rules))
	e.Queue = approve.NewQueue(o.AskWait, o.Now, o.Wake)
	var err error
	e.pins, err = pins.Open(pins.Options{Saver: o.Journal, Records: o.Records, Now: o.Now, Log: o.Log,
		Holds: func(server string) bool { return e.settings(server).HoldChanges }})
	if err != nil {
		return nil, err
	}
	e.set, err = mount.New(mount.Options{Saver: o.Journal, Records: o.Records, Secret: o.Secret, Identity: o.Identity.Token, SignIns: o.SignIns, Issuer: o.Base, Network: o.Network, OnChange: e.changed,
		Record: func(ev status.Event) { o.Journal.Record(ev) }, Version: o.Version, Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err
	}
	info, err := json.Marshal(map[string]string{"name": "drawbridge", "title": "Drawbridge", "version": o.Version})
	if err != nil {
		return nil, err
	}
	e.hub = hub.New(hub.Options{Mounts: e.set, Builtin: e.builtin, Policy: func() hub.Policy { return e.policy.Load() },
		Ask: e.Queue.Ask, Pins: e.pins, CallsPerMinute: func() int { return e.config.Load().Limits.CallsPerMinute }, OnCall: e.called,
		Settings: e.settings, ServerInfo: info, Now: o.Now, Log: o.Log})
	if e.memory, err = gateway.OpenMemory(o.Records, o.Journal, o.Now, o.Log); err != nil {
		return nil, err
	}
	all, err := e.endpoint(Path, e.hub.All(), info)
	if err != nil {
		return nil, err
	}
	e.single[""] = e.serve(Path, all, all.Handler())
	servers, err := e.read()
	e.mistake, e.partly = err, len(servers) > 0
	e.apply(servers)
	return e, nil
}

// endpoint serves what stands behind an MCP path.
func (e *Endpoints) endpoint(path string, behind gateway.Backend, info json.RawMessage) (*gateway.Endpoint, error) {
	return gateway.NewEndpoint(gateway.EndpointOptions{Backend: behind, Path: path, ServerInfo: info,
		DataKey: e.o.DataKey, Memory: e.memory, Now: e.o.Now, Log: e.o.Log})
}

// Path is where MCP is, under the public URL.
const Path = "/mcp"

// All serves everything together at path, which is [Path] or the same with a
// slash at the end: one resource, of which each spelling points at its own
// metadata, since clients compare the URL that a person typed.
func (e *Endpoints) All(path string) http.Handler { return e.at("").Handler(path) }

// at is what serves a server, or all of them; nil if nobody has asked for it yet.
func (e *Endpoints) at(server string) *Single {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.single[server]
}

// metadataPath is where the RFC 9728 document of a path is: the path follows.
const metadataPath = "/.well-known/oauth-protected-resource"

func (e *Endpoints) guard(path string) *resource.Guard {
	return resource.New(resource.Options{Resource: e.o.Base + path, MetadataURL: e.o.Base + metadataPath + path, Scopes: e.o.Config.IDP.Scopes,
		Failures: e.failures, Page: e.o.Page, Auth: e.o.Grants, SessionOf: e.o.Grants.SessionOf, Timeline: e.o.Timeline, Paused: e.o.Paused, Log: e.o.Log, Now: e.o.Now})
}

// Metadata serves the RFC 9728 document of an MCP path.
func (e *Endpoints) Metadata(path string) http.Handler {
	return resource.Metadata(e.o.Base+path, e.o.Base, e.o.Config.IDP.Scopes)
}

// Adjust takes over what of a configuration may change while it is served: who
// may use what, the tools, and the settings of servers.
func (e *Endpoints) Adjust(cfg config.Config) {
	e.builtin.Set(cfg.Tools)
	e.config.Store(&cfg)
	e.policy.Store(policy.New(cfg.Access.Rules))
	e.mu.Lock()
	servers := slices.Collect(maps.Values(e.servers))
	e.mu.Unlock()
	e.apply(servers)
	for _, list := range everyList {
		for _, single := range e.singles() {
			single.endpoint.Changed(list, everybody)
		}
	}
}

func everybody(*oauth.Caller) bool { return true }

var everyList = []gateway.List{gateway.ToolList, gateway.PromptList, gateway.ResourceList}

// changed tells clients that may use a server that what it offers is another.
func (e *Endpoints) changed(server string, what mount.Change) {
	e.hub.ServerChanged(server)
	lists := map[mount.Change][]gateway.List{mount.ToolsChanged: {gateway.ToolList}, mount.PromptsChanged: {gateway.PromptList},
		mount.ResourcesChanged: {gateway.ResourceList}, mount.StateChanged: everyList}[what]
	may := func(who *oauth.Caller) bool { return e.hub.MayUse(who, server) }
	all, single := e.at(""), e.at(server)
	for _, list := range lists {
		all.endpoint.Changed(list, may)
		if single != nil && what != mount.StateChanged {
			single.endpoint.Changed(list, may)
		}
	}
	e.o.Wake()
}

// Elicited tells the client of a session that its person has done what it was
// asked to have them do at a server.
func (e *Endpoints) Elicited(session, server, asked string) {
	for _, single := range e.singles() {
		single.endpoint.Elicited(session, server, asked)
	}
}

func (e *Endpoints) settings(server string) config.ServerSettings {
	return e.config.Load().Servers[server]
}

// EndSessions drops what is kept for sessions that are over.
func (e *Endpoints) EndSessions(over func(session string) bool) {
	e.o.SignIns.Forget(over)
	e.hub.Forget(over)
	e.Queue.Forget(over)
	for _, single := range e.singles() {
		single.endpoint.EndSessions(over)
	}
	e.set.Forget(over)
}

// Cut ends every request in progress.
func (e *Endpoints) Cut() {
	for _, single := range e.singles() {
		single.cut()
	}
}

// Close ends every request, every stream and every server.
func (e *Endpoints) Close() {
	e.Cut() // all of them, before anybody is waited for
	for _, single := range e.singles() {
		single.close()
	}
	e.hub.Close()
	e.set.Close()
}

func (e *Endpoints) singles() []*Single {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.single))
}
