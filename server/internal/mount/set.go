package mount

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Set is the mounted servers. Its methods may be called concurrently.
type Set struct {
	o      Options // with all its functions
	tune   tuning
	client *http.Client
	hop    string          // our name among Drawbridges
	info   json.RawMessage // how Drawbridge introduces itself

	slots   chan struct{} // held while a server is started in the background
	room    room
	records records // the last catalogs
	working group   // goroutines that open conversations and read catalogs
	closing group   // wires that are ending
	quit    chan struct{}

	mu      sync.Mutex // guards all below
	closed  bool
	servers map[string]*server // those that are switched off, too
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
	o.Version = cmp.Or(o.Version, "dev")
	if o.Secret == nil {
		o.Secret = func(context.Context, string, string) (string, error) {
			return "", errors.New("there is no keychain here")
		}
	}
	if o.OnChange == nil {
		o.OnChange = func(string, Change) {}
	}
	if o.Record == nil {
		o.Record = func(status.Event) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{o: o, tune: tune, client: newClient(o.Network), hop: hopOf(o.Issuer), info: encode(map[string]string{"name": "Drawbridge", "version": o.Version}), slots: make(chan struct{}, inBackground), quit: make(chan struct{}),
		room: room{taken: make(map[*conversation]bool)}, records: records{saver: o.Saver}, servers: make(map[string]*server)}
	s.working.start(s.sweep)
	return s
}

// Apply makes servers the mounted ones: added, changed, removed and
// switched-off ones take effect; the others are not touched.
func (s *Set) Apply(servers []config.Server) {
	var fresh []*server
	var names []string
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	gone := s.servers
	s.servers = make(map[string]*server)
	for _, conf := range servers {
		names = append(names, conf.Name)
		old := gone[conf.Name]
		if old != nil && old.takes(conf) {
			s.servers[conf.Name] = old
			delete(gone, conf.Name)
			continue
		}
		log := &ring{now: s.o.Now}
		if old != nil {
			log = old.log
		}
		added := newServer(s, conf, log)
		s.servers[conf.Name] = added
		fresh = append(fresh, added)
	}
	s.mu.Unlock()
	s.working.start(func() {
		if err := s.records.keep(names); err != nil {
			s.o.Log.Error("what a removed server offered was not deleted", "cause", err)
		}
	})
	told := make(map[string]bool)
	for name, old := range gone {
		old.stop("was changed, switched off or removed by the owner.")
		told[name] = true
	}
	for _, added := range fresh {
		if !added.off {
			added.lists.read(false)
		}
		told[added.name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		s.o.OnChange(name, StateChanged)
	}
}

// Names returns the mounted servers that are not switched off, sorted.
func (s *Set) Names() []string {
	var names []string
	for _, one := range s.all() {
		if !one.off {
			names = append(names, one.name)
		}
	}
	return names
}

// all returns the servers, sorted by name.
func (s *Set) all() []*server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.servers), func(a, b *server) int { return cmp.Compare(a.name, b.name) })
}

// Status returns the state of every server of the last Apply, sorted by name.
func (s *Set) Status() []status.Server {
	var all []status.Server
	for _, one := range s.all() {
		one.mu.Lock()
		all = append(all, one.statusLocked())
		one.mu.Unlock()
	}
	return all
}

// Logs returns what a server wrote to stderr and what Drawbridge says of it,
// oldest first; false if there is none of that name.
func (s *Set) Logs(name string) ([]Line, bool) {
	s.mu.Lock()
	one := s.servers[name]
	s.mu.Unlock()
	if one == nil {
		return nil, false
	}
	return one.log.all(), true
}

// Address is where a server with a URL is, with its placeholders filled in. The
// error is a sentence.
func (s *Set) Address(ctx context.Context, name string) (string, error) {
	server, err := s.find(name)
	if err != nil {
		return "", err
	}
	conf, err := server.filled(ctx)
	return conf.URL, err
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

// Forget closes the conversations that nobody else has used than sign-ins that
// are over.
func (s *Set) Forget(over func(session string) bool) {
	for _, one := range s.all() {
		one.endThose(nil, "was told that the session has ended. Sign in again.", func(c *conversation) bool {
			before := len(c.grants)
			maps.DeleteFunc(c.grants, func(session string, _ bool) bool { return over(session) })
			return before > 0 && len(c.grants) == 0 && c.key.who != ""
		})
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
	servers := s.servers
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
	switch one := s.servers[name]; {
	case one == nil:
		return nil, &Error{Server: name, Message: "There is no server of this name any more."}
	case one.off:
		return nil, one.errorf(nil, "is switched off. Its owner can switch it on in Drawbridge.")
	default:
		return one, nil
	}
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
		for _, one := range s.all() {
			one.sweep(s.o.Now())
		}
	}
}
