// Package server is Drawbridge without its tray: a guarded MCP server on one
// listener, and a control listener for its owner. It is the one place where the parts
// meet; each of them decides for itself. Start at [Server].
package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/console"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Server is one running Drawbridge: the data folder and the control listener,
// which last, and what the configuration of the moment is served with.
type Server struct {
	*app
	listeners sync.WaitGroup // those that are served
	broken    chan error     // holds one: a listener that failed
	changed   chan struct{}  // holds one: there is a configuration

	applying sync.Mutex // held while the configuration changes
	changing sync.Mutex // held while a change of the file is made and saved

	mu       sync.Mutex // guards all below
	ctl      *control.Server
	cfg      config.Config
	unset    error     // why there is no usable configuration; then now is nil
	stale    error     // why the changed file was not taken
	listener *listener // what leads to now, or will to the next
	now      *serving
	between  func() // to be done while nothing is served
}

// stateFile is the name of what lasts, in the data folder.
const stateFile = "state.db"

// New takes the data folder and both listeners, so that a caller learns at
// once what is in the way. [Server.Run] does the rest; Close undoes New if Run
// is never called.
func New(o Options) (*Server, error) {
	o.fill()
	if missing := o.Config.Missing(); len(missing) > 0 && o.Unusable == nil {
		return nil, fmt.Errorf("the configuration lacks %s: run `drawbridge setup`", missing[0])
	}
	a := &app{opts: o, board: status.NewBoard(o.Now), timeline: timeline.New(o.Now), retry: make(chan struct{}, 1)}
	a.dryRun.Now, a.dryRun.Notify = o.Now, a.board.Wake
	streams, stop := context.WithCancelCause(context.Background())
	a.streams, a.stop = streams, func() { stop(gateway.ErrStopping) }
	s := &Server{app: a, cfg: o.Config, unset: o.Unusable, broken: make(chan error, 1), changed: make(chan struct{}, 1)}
	if err := s.take(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// take opens the state file and the listeners.
func (s *Server) take() (err error) {
	o := s.opts
	file := filepath.Join(o.DataDir, stateFile)
	if s.db, err = store.Open(file); err == nil && o.ThrowAway { // nobody else uses it
		if err := errors.Join(s.db.Close(), os.Remove(file)); err != nil {
			return fmt.Errorf("forget the last demo: %w", err)
		}
		s.db, err = store.Open(file)
	}
	if err != nil {
		return inUse(err, o.DataDir)
	}
	if s.unset == nil {
		if s.listener, err = s.listen(s.cfg.Listen); err != nil {
			return err
		}
		s.now = newServing(s.app, s.cfg, s.listener)
	}
	s.loopback = s.controlURL
	s.timeline.Tell(s.situation, s.board.Wake)
	pages, err := console.New(console.Options{Backend: s, Setup: s, Version: o.Version, Now: o.Now, Log: o.Log})
	if err != nil {
		return fmt.Errorf("draw the console: %w", err)
	}
	s.mu.Lock() // it answers at once, and the status says where it is
	defer s.mu.Unlock()
	if s.ctl, err = control.Listen(o.DataDir, o.Version, s, pages, s.board, o.Log); err != nil {
		return fmt.Errorf("open the control listener: %w", err)
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

// Run serves until ctx ends, or Quit is called, then lets requests finish for five seconds. It
// returns nil after a clean stop.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	ctx, end := context.WithCancel(ctx)
	context.AfterFunc(s.streams, end) // by Quit
	group, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, s.stop) // streams would hold the drain for its whole five seconds
	group.Go(s.serveAll)
	group.Go(func() error { return s.watchFiles(ctx) })
	group.Go(func() error { return s.watchUpdates(ctx) })
	group.Go(func() error {
		select {
		case err := <-s.broken:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// serveAll serves one configuration after the other, until Run is told to end.
func (s *Server) serveAll() error {
	var led *listener // what was served last
	defer func() {
		if led != nil {
			led.drain() // another may be configured that was not served yet, and Close knows that one alone
		}
	}()
	for !s.stopping() {
		now, l := s.current(), s.currentListener()
		if l != led && l != nil {
			s.listeners.Go(func() { l.serve(s.failed) })
			if led != nil {
				led.drain()
			}
			led = l
		}
		if now == nil { // Setup has no result yet
			select {
			case <-s.streams.Done():
			case <-s.changed:
			}
			continue
		}
		if err := now.serve(); err != nil {
			return err
		}
		if !s.stopping() {
			s.next()
		}
	}
	return nil
}

// next has the configuration of now served in place of the one before, after
// what is to be done while nothing is served.
func (s *Server) next() {
	defer s.board.Wake()
	for {
		s.mu.Lock()
		between := s.between
		s.between = nil
		if between == nil {
			s.now = newServing(s.app, s.cfg, s.listener)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		between()
	}
}

// failed ends Run: a listener can't be served.
func (s *Server) failed(err error) {
	select {
	case s.broken <- err:
	default:
	}
}

// Close lets go of what New took and of what Run opened.
func (s *Server) Close() {
	s.stop()
	s.mu.Lock()
	ctl, l := s.ctl, s.listener
	s.ctl = nil
	s.mu.Unlock()
	if k := s.unlocked(); k != nil {
		_ = k.journal.Close()
	}
	if ctl != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_ = ctl.Close(ctx)
		cancel()
	}
	if l != nil {
		l.drain()
	}
	s.listeners.Wait()
	if s.db != nil {
		_ = s.db.Close()
	}
}

// current is what the configuration of the moment is served with; nil while
// there is none.
func (s *Server) current() *serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *Server) currentListener() *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener
}

// ChildMain must be called first in main. It returns at once, unless this
// process is one that keeps a mounted server: then it does that, and exits.
func ChildMain() { process.KeeperMain() }
