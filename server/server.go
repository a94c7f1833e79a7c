// Package server is Drawbridge without its tray: a guarded MCP server on one
// listener, and a control side on another. It is the one place where the parts
// meet; each of them decides for itself. Start at [Server].
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/console"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options is what a [Server] is made of.
type Options struct {
	Config   config.Config
	DataDir  string // state, and the control side's key; one instance at a time
	Keystore keystore.Store
	Version  string

	// ConfigFile is where Config came from: changes of it take effect, and
	// Setup writes it. mcp.json stands beside it. "": neither, as in the demo.
	ConfigFile string
	// Listen, if set, stands for the file's own listen.
	Listen string
	// Unusable says why there is no Config yet: then the console serves Setup,
	// and nothing else is served until it has a result. Without it a Config
	// that lacks something is an error of New.
	Unusable error

	// ThrowAway forgets what an earlier run left in DataDir: for the demo,
	// whose keys do not outlive it.
	ThrowAway bool
	// Front reaches the public URL from outside, to see whether it leads here.
	// It is for tests; nil means a client as strangers have.
	Front *http.Client
	// Documents fetches Client ID Metadata Documents. It is for tests; nil
	// means a client that reaches public addresses alone.
	Documents *http.Client
	// AskWait is how long a call waits for the owner's word. It is for tests;
	// 0 means as long as a person needs.
	AskWait time.Duration
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: none
}

// Server is one running Drawbridge. What one configuration makes of it is its
// site, which is put up anew when the configuration changes; the data folder
// and the control side last.
type Server struct {
	opts     Options
	db       *store.DB
	board    *status.Board
	timeline *timeline.Recorder // attempts to connect

	dryRun  wizard.DryRun // a sign-in that Setup tries
	paused  atomic.Bool
	quiet   atomic.Bool   // no desktop notifications
	retry   chan struct{} // asks to open the keychain again now
	rebuild chan struct{} // holds one: the site has to be put up anew

	streams    context.Context // of every public request; ends when Run is told to end
	endStreams context.CancelFunc
	doors      errgroup.Group // those that serve
	broken     chan error     // a door that failed

	applying sync.Mutex // held while the configuration changes

	mu      sync.Mutex // guards all below
	ctl     *control.Server
	cfg     config.Config
	unset   error  // why there is no usable configuration; then site is nil
	stale   error  // why the changed file was not taken
	vault   *vault // what the keychain opened; nil until then
	door    *door
	next    *door // of the next site
	site    *site
	between func() // to be done when no site stands
	problem string // why nothing is served yet, and what to do
}

// stateFile is the name of what lasts, in the data folder.
const stateFile = "state.db"

// New takes the data folder and both listeners, so that a caller learns at
// once what is in the way. [Server.Run] does the rest; Close undoes New if Run
// is never called.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if missing := o.Config.Missing(); len(missing) > 0 && o.Unusable == nil {
		return nil, fmt.Errorf("the configuration lacks %s: run `drawbridge setup`", missing[0])
	}
	s := &Server{opts: o, cfg: o.Config, unset: o.Unusable, board: status.NewBoard(o.Now), timeline: timeline.New(o.Now),
		retry: make(chan struct{}, 1), rebuild: make(chan struct{}, 1), broken: make(chan error, 1)}
	s.dryRun.Now, s.dryRun.Notify = o.Now, s.board.Wake
	s.streams, s.endStreams = context.WithCancel(context.Background())
	if err := s.take(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// take opens the state file and the listeners.
func (s *Server) take() (err error) {
	o := s.opts
	if s.db, err = store.Open(filepath.Join(o.DataDir, stateFile)); err != nil {
		return inUse(err, o.DataDir)
	}
	if o.ThrowAway {
		if err := s.db.Wipe(); err != nil {
			return fmt.Errorf("forget the last demo: %w", err)
		}
	}
	if s.unset == nil {
		if s.door, err = openDoor(s, s.cfg.Listen); err != nil {
			return err
		}
		s.site = s.newSite(s.cfg, s.door)
	}
	s.timeline.Tell(s.situation, s.board.Wake)
	pages, err := console.New(console.Options{Backend: s, Setup: s, Version: s.version(), Now: o.Now, Log: o.Log})
	if err != nil {
		return fmt.Errorf("draw the console: %w", err)
	}
	s.mu.Lock() // it answers at once, and the status says where it is
	defer s.mu.Unlock()
	if s.ctl, err = control.Listen(o.DataDir, s.version(), s, pages, s.board, o.Log); err != nil {
		return fmt.Errorf("open the control side: %w", err)
	}
	return nil
}

// inUse makes the lock's error point at who holds it.
func inUse(err error, dataDir string) error {
	if !errors.Is(err, store.ErrInUse) {
		return err
	}
	if c, dialErr := control.Dial(dataDir); dialErr == nil {
		if st, stErr := c.Status(context.Background()); stErr == nil {
			return fmt.Errorf("Drawbridge is running here already (process %d, %s). See it with `drawbridge status`, or give this one another folder with --data", st.PID, st.MCPURL)
		}
	}
	return fmt.Errorf("another Drawbridge uses the data folder %s already. Stop it, or give this one another folder with --data", dataDir)
}

// Run serves until ctx ends, then lets requests finish for five seconds. It
// returns nil after a clean stop.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	group, ctx := errgroup.WithContext(ctx)
	s.serveDoor(s.currentDoor())
	group.Go(func() error { return s.runSites(ctx) })
	group.Go(func() error { return s.watchFiles(ctx) })
	group.Go(func() error {
		select {
		case err := <-s.broken:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-ctx.Done()
		s.endStreams() // streams would hold the drain for its whole five seconds
		if d := s.currentDoor(); d != nil {
			d.drain()
		}
		return nil
	})
	return group.Wait()
}

// runSites serves what the configuration of the moment says, until ctx ends.
func (s *Server) runSites(ctx context.Context) error {
	for ctx.Err() == nil {
		t := s.current()
		if t == nil { // Setup has no result yet
			select {
			case <-ctx.Done():
			case <-s.rebuild:
			}
			continue
		}
		if err := t.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of what New took and of what Run opened.
func (s *Server) Close() {
	s.endStreams()
	if t := s.current(); t != nil {
		t.dropCore()
	}
	s.mu.Lock()
	ctl, door, vault := s.ctl, s.door, s.vault
	s.ctl = nil
	s.mu.Unlock()
	if vault != nil {
		_ = vault.journal.Close()
	}
	if ctl != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_ = ctl.Close(ctx)
		cancel()
	}
	if door != nil {
		door.close()
	}
	_ = s.doors.Wait()
	if s.db != nil {
		_ = s.db.Close()
	}
}

// current is the site of the moment; nil while there is no configuration.
func (s *Server) current() *site {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.site
}

// config is the configuration of the moment.
func (s *Server) config() config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

func (s *Server) setProblem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = text
}

// version falls back to what a plain `go run .` is.
func (s *Server) version() string {
	if s.opts.Version == "" {
		return "dev"
	}
	return s.opts.Version
}

var pid = os.Getpid()
