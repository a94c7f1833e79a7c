// Package server is Drawbridge without its tray: a guarded MCP server on one
// listener, and a control side on another. It is the one place where the parts
// meet; each of them decides for itself. Start at [Server].
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options is what a [Server] is made of.
type Options struct {
	Config   config.Config
	DataDir  string // state, and the control side's key; one instance at a time
	Keystore keystore.Store
	Version  string

	// ThrowAway forgets what an earlier run left in DataDir: for the demo,
	// whose keys do not outlive it.
	ThrowAway bool
	// Front reaches the public URL from outside, to see whether it leads here.
	// It is for tests; nil means a client as strangers have.
	Front *http.Client
	// Documents fetches Client ID Metadata Documents. It is for tests; nil
	// means a client that reaches public addresses alone.
	Documents *http.Client
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: none
}

// Server is one running Drawbridge.
type Server struct {
	opts   Options
	public net.Listener
	db     *store.DB
	board  *status.Board
	bridge *bridge // the tunnel, and the address that clients know
	local  string  // http://ADDR of the public listener

	paused  atomic.Bool
	quiet   atomic.Bool              // no desktop notifications
	handler atomic.Pointer[handlers] // of the public listener and the tunnel
	retry   chan struct{}            // asks to open the keychain again now

	streams    context.Context // of every public request; ends when Run is told to end
	endStreams context.CancelFunc

	unlocked chan struct{} // closed once keychain and state file are open: then what follows is set
	journal  *store.Journal
	dataKey  []byte
	secret   func(context.Context) (string, error) // the provider's client secret

	mu      sync.Mutex // guards all below
	ctl     *control.Server
	core    *core  // nil until the keychain has given the data key
	problem string // why there is no core yet, and what to do
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
	if missing := o.Config.Missing(); len(missing) > 0 {
		return nil, fmt.Errorf("the configuration lacks %s: run `drawbridge setup`", missing[0])
	}
	s := &Server{opts: o, board: status.NewBoard(o.Now), retry: make(chan struct{}, 1), unlocked: make(chan struct{})}
	s.streams, s.endStreams = context.WithCancel(context.Background())
	if err := s.take(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// take opens the state file and both listeners.
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
	if s.public, err = net.Listen("tcp", o.Config.Listen); err != nil {
		return fmt.Errorf("can't listen on %s: %w. Stop what uses that address, or choose another with --listen", o.Config.Listen, err)
	}
	s.local = "http://" + s.public.Addr().String()
	s.bridge = newBridge(baseURL(o.Config, s.local))
	s.bridge.front.HTTP, s.bridge.front.Now = o.Front, o.Now
	s.setHandlers(s.notServing())
	ctl, err := control.Listen(o.DataDir, s.version(), s, s.board, o.Log)
	if err != nil {
		return fmt.Errorf("open the control side: %w", err)
	}
	s.mu.Lock()
	s.ctl = ctl // which may be asked for the status already
	s.mu.Unlock()
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

// baseURL is what clients see as far as the configuration tells: "" if only the
// tunnel can.
func baseURL(c config.Config, local string) string {
	switch ngrok := c.TunnelProvider(false) == config.TunnelNgrok; {
	case c.PublicURL != "":
		return c.PublicURL
	case ngrok && c.Tunnel.Domain != "":
		return "https://" + strings.ToLower(c.Tunnel.Domain)
	case ngrok:
		return ""
	}
	return local
}

// Run serves until ctx ends, then lets requests finish for five seconds. It
// returns nil after a clean stop.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	srv := s.httpServer(trusted(s.opts.Config.Tunnel.TrustedProxies).wrap(s.serve))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := srv.Serve(s.public); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", s.local, err)
		}
		return nil
	})
	group.Go(func() error { return s.openCore(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		s.endStreams() // streams would hold the drain for its whole five seconds
		drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if srv.Shutdown(drain) != nil {
			_ = srv.Close()
		}
		return nil
	})
	return group.Wait()
}

// httpServer has the limits of the public side, on loopback and in the tunnel.
func (s *Server) httpServer(serve http.HandlerFunc) *http.Server {
	return &http.Server{
		Handler:           s.bridge.front.Wrap(serve),
		ReadHeaderTimeout: 10 * time.Second,
		// A slow body and a client that does not read its answer. The gateway
		// lifts both for calls that take longer.
		ReadTimeout:    30 * time.Second,
		WriteTimeout:   30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		BaseContext:    func(net.Listener) context.Context { return s.streams },
		ErrorLog:       slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
}

// Close lets go of what New took and of what Run opened.
func (s *Server) Close() {
	s.endStreams()
	s.dropCore()
	s.mu.Lock()
	ctl := s.ctl
	s.ctl = nil
	s.mu.Unlock()
	if s.journal != nil {
		_ = s.journal.Close()
	}
	if ctl != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_ = ctl.Close(ctx)
		cancel()
	}
	if s.public != nil {
		_ = s.public.Close()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
}

// openCore opens the keychain and everything behind it. While the keychain is
// locked or away the app runs on, says so, and tries again; what waiting can't
// mend ends it. It returns when ctx ends.
func (s *Server) openCore(ctx context.Context) error {
	if ok, err := s.waitForKeychain(ctx); !ok {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var tunnel sync.WaitGroup
	if k := s.bridge.keeper; k != nil {
		tunnel.Go(func() { k.Run(ctx) })
	}
	defer tunnel.Wait()
	defer cancel()
	for {
		select { // the first address of all comes from the tunnel
		case <-ctx.Done():
			return nil
		case <-s.bridge.known:
		}
		if err := s.runCore(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// waitForKeychain returns false if ctx ends before the keychain opens, or with
// what waiting can't mend.
func (s *Server) waitForKeychain(ctx context.Context) (bool, error) {
	said := ""
	for {
		err := s.unlock(ctx)
		if err == nil {
			s.setProblem("")
			return true, nil
		}
		if ctx.Err() != nil {
			return false, nil
		}
		if !keystore.IsKind(err, keystore.Locked) && !keystore.IsKind(err, keystore.Unavailable) {
			return false, err
		}
		s.setProblem(err.Error())
		if said != err.Error() {
			said = err.Error()
			s.opts.Log.Warn("waiting for the keychain", "cause", said)
			s.board.Wake()
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-s.retry:
		case <-time.After(5 * time.Second):
		}
	}
}

func (s *Server) setProblem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = text
}

// runCore serves under the address of now, until ctx ends or the person has
// accepted another.
func (s *Server) runCore(ctx context.Context) error {
	core, err := s.newCore(s.bridge.address())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.core, s.problem = core, ""
	s.mu.Unlock()
	s.setHandlers(core.handlers)
	s.board.Wake()
	s.opts.Log.Info("ready", "mcp_url", core.base+mcpPath, "local_url", s.local)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		select {
		case <-running.Done():
		case <-s.bridge.rebuild:
		}
	}()
	core.run(running)
	if ctx.Err() == nil {
		s.dropCore()
	}
	return nil
}

// dropCore ends the core: with the app, or since the address has changed.
func (s *Server) dropCore() {
	s.setHandlers(s.notServing())
	s.mu.Lock()
	core := s.core
	s.core = nil
	s.mu.Unlock()
	if core != nil {
		core.close()
	}
}

// handlers is the public side, by the way a request came.
type handlers struct{ local, tunnel http.Handler }

func (s *Server) notServing() handlers {
	return handlers{http.HandlerFunc(s.notReady), http.HandlerFunc(s.notReady)}
}

func (s *Server) setHandlers(h handlers) { s.handler.Store(&h) }

// serve answers on loopback.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	answer(s.handler.Load().local, w, r)
}

// serveTunnel answers in the tunnel.
func (s *Server) serveTunnel(w http.ResponseWriter, r *http.Request) {
	answer(s.handler.Load().tunnel, w, r)
}

// answer hands a request to whatever answers now.
func answer(h http.Handler, w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		// There may have been a Content-Length besides, which net/http drops
		// without a trace: then the connection must end (RFC 9112 §6.1).
		w.Header().Set("Connection", "close")
	}
	h.ServeHTTP(w, r)
}

// version falls back to what a plain `go run .` is.
func (s *Server) version() string {
	if s.opts.Version == "" {
		return "dev"
	}
	return s.opts.Version
}

var pid = os.Getpid()
