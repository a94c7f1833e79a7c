package server

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/approve"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/hub"
	"github.com/drawbridge-app/drawbridge/server/internal/identity"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// mounts is the mounted servers and the endpoints that offer them: /mcp all
// together, /s/NAME/mcp one.
type mounts struct {
	site  *site
	core  *core
	set   *mount.Set
	hub   *hub.Hub
	all   *gateway.Endpoint
	queue *approve.Queue
	pins  *pins.Pins
	info  json.RawMessage // what Drawbridge says it is

	memory *gateway.Memory // of transport sessions

	policy atomic.Pointer[policy.Policy]

	mu       sync.Mutex // guards all below
	servers  map[string]config.Server
	problem  error              // why mcp.json was not taken
	alone    map[string]*single // by server
	sessions map[string]string  // who used each session: its person
}

// readServers reads mcp.json, where there is a configuration folder.
func (t *site) readServers() ([]config.Server, error) {
	file := t.app.opts.ConfigFile
	if file == "" {
		return nil, nil
	}
	return config.LoadServers(config.ServersPath(file))
}

// newMounts builds what stands behind the MCP paths. servers is called later:
// see [mounts.apply].
func (t *site) newMounts(c *core, signer *identity.Signer) (*mounts, error) {
	s, cfg := t.app, t.config()
	m := &mounts{site: t, core: c, alone: map[string]*single{}, sessions: map[string]string{}}
	m.policy.Store(policy.New(cfg.Access.Rules))
	m.queue = approve.NewQueue(s.opts.Now, s.board.Wake)
	m.queue.SetWait(s.opts.AskWait)
	m.set = mount.New(mount.Options{Secret: s.serverSecret, Identity: signer.Token, OnChange: m.changed, Record: func(e status.Event) { c.journal.Record(e) },
		Version: s.version(), Now: s.opts.Now, Log: s.opts.Log})
	key, err := hkdf.Key(sha256.New, s.opened().dataKey, nil, "drawbridge hub v1", 32)
	if err != nil {
		return nil, err
	}
	m.pins, err = pins.Open(pins.Options{Saver: c.journal, Records: s.db, Now: s.opts.Now, Log: s.opts.Log,
		Holds: func(server string) bool { return t.config().Servers[server].HoldChanges }})
	if err != nil {
		return nil, err
	}
	m.hub, err = hub.New(hub.Options{Mounts: m.set, Builtin: c.builtin, Policy: func() hub.Policy { return m.policy.Load() },
		Ask: m.queue.Ask, Pins: m.pins, CallsPerMinute: func() int { return t.config().Limits.CallsPerMinute }, OnCall: m.called,
		Settings: func(server string) config.ServerSettings { return t.config().Servers[server] },
		Name:     "drawbridge", Version: s.version(), Key: key, Now: s.opts.Now, Log: s.opts.Log})
	if err != nil {
		return nil, err
	}
	if m.info, err = json.Marshal(map[string]string{"name": "drawbridge", "title": "Drawbridge", "version": s.version()}); err != nil {
		return nil, err
	}
	if m.memory, err = gateway.OpenMemory(s.db, c.journal, s.opts.Now, s.opts.Log); err != nil {
		return nil, err
	}
	m.all, err = m.newEndpoint(mcpPath, m.hub.All(), m.info)
	return m, err
}

// newEndpoint makes the endpoint at an MCP path.
func (m *mounts) newEndpoint(path string, behind gateway.Backend, info json.RawMessage) (*gateway.Endpoint, error) {
	s := m.site.app
	return gateway.NewEndpoint(gateway.EndpointOptions{Backend: behind, Path: path, ServerInfo: info,
		DataKey: s.opened().dataKey, Memory: m.memory, Now: s.opts.Now, Log: s.opts.Log})
}

// serverSecret returns what ${keychain:NAME} stands for.
func (s *Server) serverSecret(ctx context.Context, server, name string) (string, error) {
	account := keystore.ServerSecret(server, name)
	secret, err := s.opts.Keystore.Get(ctx, account)
	switch {
	case errors.Is(err, keystore.ErrNotFound) && keystore.IsReadOnly(s.opts.Keystore):
		return "", fmt.Errorf("%s is not set. Set %s and start Drawbridge again", name, keystore.EnvVar(account))
	case errors.Is(err, keystore.ErrNotFound):
		return "", fmt.Errorf("%s is not set. Run `drawbridge secret set %s/%s`, then restart %[2]s in the console", name, server, name)
	}
	return secret.Reveal(), err
}

// apply makes servers the mounted ones. Their paths come and go with them.
func (m *mounts) apply(servers []config.Server) {
	mounted, _ := m.site.config().Mount(servers)
	m.mu.Lock()
	m.servers = map[string]config.Server{}
	for _, s := range mounted {
		m.servers[s.Name] = s
	}
	var gone []*single
	for name, one := range m.alone {
		if s, ok := m.servers[name]; !ok || s.Off {
			gone = append(gone, one)
			delete(m.alone, name)
		}
	}
	m.mu.Unlock()
	m.core.store.SetResources(resources(m.core.base, mounted))
	m.set.Apply(mounted)
	for _, one := range gone {
		one.end()
	}
}

// adjust takes over who may use what, and the settings of servers.
func (m *mounts) adjust(cfg config.Config) {
	m.policy.Store(policy.New(cfg.Access.Rules))
	m.mu.Lock()
	servers := slices.Collect(maps.Values(m.servers))
	m.mu.Unlock()
	m.apply(servers)
	for _, list := range []gateway.List{gateway.ToolList, gateway.PromptList, gateway.ResourceList} {
		m.all.Changed(list, nil)
	}
}

// resources is what tokens are given for.
func resources(base string, servers []config.Server) []string {
	list := []string{base + mcpPath}
	for _, s := range servers {
		list = append(list, base+alonePath(s.Name))
	}
	return list
}

// watch takes over changes of mcp.json until ctx ends. A file with a mistake
// changes nothing.
func (m *mounts) watch(ctx context.Context) {
	file := m.site.app.opts.ConfigFile
	if file == "" {
		return
	}
	config.Watch(ctx, []string{config.ServersPath(file)}, m.reload)
}

// reload takes over what mcp.json says now, unless it has a mistake.
func (m *mounts) reload() {
	servers, err := m.site.readServers()
	m.mu.Lock()
	m.problem = err
	m.mu.Unlock()
	if err == nil {
		m.apply(servers)
	}
	m.site.app.board.Wake()
}

// notes is what the owner should know of mcp.json.
func (m *mounts) notes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var notes []string
	if m.problem != nil {
		notes = append(notes, "mcp.json was not taken, what was mounted before still is: "+sentence(m.problem))
	}
	for _, c := range m.listed() {
		if !c.Held {
			continue
		}
		notes = append(notes, fmt.Sprintf("The tool %s of the server %s has changed, and is held back until you approve it under Servers in the console.", c.Tool, c.Server))
		if len(notes) > 3 { // a server that changes all it has is one matter
			return append(notes, "More have changed: the console shows all.")
		}
	}
	return notes
}

// changes are the tools of mounted servers that are no longer what they were.
func (m *mounts) changes() []status.ToolChange {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.listed()
}

// listed is changes while m.mu is held. What is remembered of a server that
// has gone waits for its return, and is nobody's business meanwhile.
func (m *mounts) listed() []status.ToolChange {
	settings := m.site.config().Servers
	var list []status.ToolChange
	for _, p := range m.pins.List() {
		if _, ok := m.servers[p.Server]; ok {
			list = append(list, status.ToolChange{Server: p.Server, Tool: p.Name, Old: p.Old, New: p.New, Version: p.Version, Held: settings[p.Server].HoldChanges})
		}
	}
	return list
}

// changed tells clients that may use a server that what it offers is another.
func (m *mounts) changed(server string, what mount.Change) {
	m.hub.ServerChanged(server)
	lists := map[mount.Change][]gateway.List{mount.ToolsChanged: {gateway.ToolList}, mount.PromptsChanged: {gateway.PromptList},
		mount.ResourcesChanged: {gateway.ResourceList}, mount.StateChanged: {gateway.ToolList, gateway.PromptList, gateway.ResourceList}}[what]
	may := func(who *oauth.Caller) bool { return m.hub.MayUse(who, server) }
	m.mu.Lock()
	one := m.alone[server]
	m.mu.Unlock()
	for _, list := range lists {
		m.all.Changed(list, may)
		if one != nil && what != mount.StateChanged {
			one.endpoint.Changed(list, may)
		}
	}
	m.site.app.board.Wake()
}

// called is what the hub tells of each tool call.
func (m *mounts) called(who *oauth.Caller, server, tool string, err error) {
	if server != hub.Own {
		tool = server + "/" + tool
	}
	m.core.called(who, tool, err, refusal(err))
}

// refusal says in the owner's words why a call never reached its server; "" if
// it did.
func refusal(err error) string {
	var r *approve.Refusal
	switch {
	case errors.Is(err, hub.ErrHeld), errors.Is(err, hub.ErrTooMany):
		return err.Error()
	case !errors.As(err, &r):
		return ""
	case r.Kind == approve.Denied:
		return "the owner said no"
	case r.Kind == approve.Expired:
		return "nobody answered in time"
	}
	return "too many calls wait for an answer"
}

// ended drops what is kept for a session that is over, and for its person if it
// was their last.
func (m *mounts) ended(session string) {
	m.all.EndSession(session)
	m.hub.Forget(session)
	m.mu.Lock()
	list := m.singles()
	person, used := m.sessions[session]
	delete(m.sessions, session)
	for _, other := range m.sessions {
		used = used && other != person
	}
	m.mu.Unlock()
	for _, one := range list {
		one.endpoint.EndSession(session)
	}
	if used {
		go m.set.Forget(person) // it may wait for a process to end
	}
}

// noting remembers whose each session is.
func (m *mounts) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := oauth.CallerOf(r.Context()); who != nil {
			m.mu.Lock()
			m.sessions[who.Session] = who.User.Sub
			m.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

func (m *mounts) close() {
	m.all.Close()
	m.mu.Lock()
	list := m.singles()
	m.mu.Unlock()
	for _, one := range list {
		one.end()
	}
	m.memory.Close()
	m.hub.Close()
	m.set.Close()
}

// cut ends every request in progress.
func (m *mounts) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.singles() {
		one.cut()
	}
}

// singles needs mu.
func (m *mounts) singles() []*single {
	var list []*single
	for _, one := range m.alone {
		list = append(list, one)
	}
	return list
}

// alonePath is where a server is offered alone.
func alonePath(server string) string { return "/s/" + server + mcpPath }

// aloneName undoes alonePath; a slash at the end is the same place.
func aloneName(path string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/s/")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(strings.TrimSuffix(rest, "/"), mcpPath)
	return name, ok && name != "" && !strings.Contains(name, "/")
}

// approve takes what a tool says now for good, if that is what version names.
func (m *mounts) approve(server, tool, version string) error {
	if err := m.pins.Approve(server, "tool", tool, version); err != nil {
		return err
	}
	m.hub.Recheck(server)
	m.changed(server, mount.ToolsChanged)
	return nil
}

// look is how doctor looks at a server.
func (m *mounts) look(server string) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		catalog, err := m.set.Catalog(ctx, server, true)
		if err != nil {
			return 0, err
		}
		return len(catalog.Tools), nil
	}
}
