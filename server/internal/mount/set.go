package mount

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Set is the mounted servers. Its methods may be called concurrently.
type Set struct {
	secret   func(ctx context.Context, server, name string) (string, error)
	identity func(caller *oauth.Caller, audience string) (string, error)
	changed  func(server string, what Change)
	record   func(status.Event)
	version  string
	now      func() time.Time
	log      *slog.Logger
	tune     tuning
	client   *http.Client

	slots   chan struct{} // held while a server is started in the background
	room    room
	records records // the last catalogs
	working group   // goroutines that open conversations and read catalogs
	closing group   // wires that are ending
	quit    chan struct{}

	mu      sync.Mutex // guards all below
	closed  bool
	servers map[string]*server
	off     []status.Server // servers that are switched off
	rings   map[string]*ring
}

// inBackground is how many servers are started at once to read their catalogs.
const inBackground = 2

// New returns a set without servers. The caller closes it. The error is that of
// Records.
func New(o Options) (*Set, error) {
	s := newSet(o, normal)
	if err := s.records.load(o.Records); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func newSet(o Options, tune tuning) *Set {
	s := &Set{secret: o.Secret, identity: o.Identity, changed: o.OnChange, record: o.Record,
		version: cmp.Or(o.Version, "dev"), now: o.Now, log: o.Log, tune: tune, client: newClient(o.Network),
		slots: make(chan struct{}, inBackground), quit: make(chan struct{}), room: room{taken: make(map[*conversation]bool)}, records: records{saver: o.Saver},
		servers: make(map[string]*server), rings: make(map[string]*ring)}
	if s.secret == nil {
		s.secret = noSecret
	}
	if s.changed == nil {
		s.changed = func(string, Change) {}
	}
	if s.record == nil {
		s.record = func(status.Event) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.working.start(s.sweep)
	return s
}

// Apply makes servers the mounted ones: added, changed, removed and
// switched-off ones take effect; the others are not touched.
func (s *Set) Apply(servers []config.Server) {
	var gone, fresh []*server
	var told []string
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	was := s.off
	old := s.servers
	s.servers, s.off = make(map[string]*server), nil
	for _, conf := range servers {
		if conf.Off {
			s.off = append(s.off, status.Server{Name: conf.Name, State: stateOff})
			continue
		}
		if kept := old[conf.Name]; kept != nil && sameStart(kept.settings(), conf) {
			kept.adjust(conf)
			s.servers[conf.Name] = kept
			delete(old, conf.Name)
			continue
		}
		if s.rings[conf.Name] == nil {
			s.rings[conf.Name] = &ring{now: s.now}
		}
		added := newServer(s, conf, s.rings[conf.Name])
		s.servers[conf.Name] = added
		fresh = append(fresh, added)
	}
	for name := range old {
		gone = append(gone, old[name])
	}
	for _, st := range append(was, s.off...) {
		told = append(told, st.Name)
	}
	maps.DeleteFunc(s.rings, func(name string, _ *ring) bool {
		return s.servers[name] == nil && !slices.ContainsFunc(s.off, func(st status.Server) bool { return st.Name == name })
	})
	s.mu.Unlock()
	s.working.start(func() {
		var names []string
		for _, conf := range servers {
			names = append(names, conf.Name)
		}
		if err := s.records.keep(names); err != nil {
			s.log.Error("what a removed server offered was not deleted", "cause", err)
		}
	})
	for _, old := range gone {
		old.stop("was changed, switched off or removed by the owner.")
		told = append(told, old.name)
	}
	for _, added := range fresh {
		added.lists.read(false)
		told = append(told, added.name)
	}
	slices.Sort(told)
	for _, name := range slices.Compact(told) {
		s.changed(name, StateChanged)
	}
}

// sameStart reports whether a and b are started in the same way.
func sameStart(a, b config.Server) bool {
	a.ServerSettings, b.ServerSettings = config.ServerSettings{}, config.ServerSettings{}
	return reflect.DeepEqual(normalize(a), normalize(b))
}

// normalize makes empty what is not set.
func normalize(c config.Server) config.Server {
	if len(c.Args) == 0 {
		c.Args = nil
	}
	if len(c.Env) == 0 {
		c.Env = nil
	}
	if len(c.Headers) == 0 {
		c.Headers = nil
	}
	return c
}

// Names returns the mounted servers that are not switched off, sorted.
func (s *Set) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.servers))
}

// Status returns the state of every server of the last Apply, sorted by name.
func (s *Set) Status() []status.Server {
	s.mu.Lock()
	servers := slices.Collect(maps.Values(s.servers))
	all := slices.Clone(s.off)
	s.mu.Unlock()
	for _, one := range servers {
		one.mu.Lock()
		all = append(all, one.statusLocked())
		one.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b status.Server) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Logs returns what a server wrote to stderr and what Drawbridge says of it,
// oldest first; false if there is none of that name.
func (s *Set) Logs(name string) ([]Line, bool) {
	s.mu.Lock()
	r := s.rings[name]
	known := s.servers[name] != nil || slices.ContainsFunc(s.off, func(st status.Server) bool { return st.Name == name })
	s.mu.Unlock()
	if r == nil {
		return nil, known
	}
	return r.all(), true
}

// Restart ends what a server runs and lets it start again at once, also after
// a crash loop. The error is an [*Error].
func (s *Set) Restart(name string) error {
	server, err := s.find(name)
	if err != nil {
		return err
	}
	server.restart()
	return nil
}

// Forget closes the conversations of a sign-in that has ended.
func (s *Set) Forget(session string) {
	s.mu.Lock()
	servers := slices.Collect(maps.Values(s.servers))
	s.mu.Unlock()
	for _, one := range servers {
		one.forget(session)
	}
}

// Close ends every process and every conversation, and returns when they have
// ended.
func (s *Set) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	servers := slices.Collect(maps.Values(s.servers))
	s.servers = make(map[string]*server)
	s.mu.Unlock()
	for _, one := range servers {
		one.stop("is not mounted any more: Drawbridge is ending.")
	}
	s.working.wait()
	s.closing.wait()
	s.client.CloseIdleConnections()
}

// find returns a server that is mounted and not off.
func (s *Set) find(name string) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.servers[name]; one != nil {
		return one, nil
	}
	for _, st := range s.off {
		if st.Name == name {
			return nil, &Error{Server: name, Message: name + " is switched off. Its owner can switch it on in Drawbridge."}
		}
	}
	return nil, &Error{Server: name, Message: "There is no server of this name any more."}
}

// sweep looks after all servers once in a while, until the set closes.
func (s *Set) sweep() {
	t := time.NewTicker(s.tune.sweep)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.quit:
			return
		}
		s.mu.Lock()
		servers := slices.Collect(maps.Values(s.servers))
		s.mu.Unlock()
		for _, one := range servers {
			one.sweep(s.now())
		}
	}
}

// clientInfo is how Drawbridge introduces itself.
func (s *Set) clientInfo() json.RawMessage {
	return encode(map[string]string{"name": "Drawbridge", "version": s.version})
}
