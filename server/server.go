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
	base   string // public URL, no slash at the end
	local  string // http://ADDR of the public listener

	paused  atomic.Bool
	handler atomic.Pointer[http.Handler] // of the public listener
	retry   chan struct{}                // asks to open the keychain again now

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
	s := &Server{opts: o, board: status.NewBoard(o.Now), retry: make(chan struct{}, 1)}
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
	s.base = baseURL(o.Config, s.local)
	s.setHandler(http.HandlerFunc(s.notReady))
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

// baseURL is what clients see: configured, else the tunnel's domain, else the
// listener itself.
func baseURL(c config.Config, local string) string {
	switch {
	case c.PublicURL != "":
		return c.PublicURL
	case c.Tunnel.Provider == "ngrok" && c.Tunnel.Domain != "":
		return "https://" + c.Tunnel.Domain
	}
	return local
}

// Run serves until ctx ends, then lets requests finish for five seconds. It
// returns nil after a clean stop.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	streams, endStreams := context.WithCancel(context.Background())
	defer endStreams()
	srv := &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      30 * time.Second, // but for calls with a good token, see ofGrant
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return streams },
		ErrorLog:          slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
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
		endStreams() // streams would hold the drain for its whole five seconds
		drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if srv.Shutdown(drain) != nil {
			_ = srv.Close()
		}
		return nil
	})
	return group.Wait()
}

// Close lets go of what New took and of what Run opened.
func (s *Server) Close() {
	s.mu.Lock()
	core := s.core
	ctl := s.ctl
	s.core, s.ctl = nil, nil
	s.mu.Unlock()
	if core != nil {
		core.close()
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
	said := ""
	for {
		core, err := s.newCore(ctx)
		if err == nil {
			s.mu.Lock()
			s.core, s.problem = core, ""
			s.mu.Unlock()
			s.setHandler(core.handler)
			s.board.Wake()
			s.opts.Log.Info("ready", "mcp_url", s.base+mcpPath, "local_url", s.local)
			core.run(ctx)
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		var ke *keystore.Error
		if !errors.As(err, &ke) || ke.Kind != keystore.Locked && ke.Kind != keystore.Unavailable {
			return err
		}
		s.mu.Lock()
		s.problem = err.Error()
		s.mu.Unlock()
		if said != err.Error() {
			said = err.Error()
			s.opts.Log.Warn("waiting for the keychain", "cause", said)
			s.board.Wake()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.retry:
		case <-time.After(5 * time.Second):
		}
	}
}

func (s *Server) setHandler(h http.Handler) { s.handler.Store(&h) }

// serve bounds how long a request's body may take, then hands the request on.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		limitBodyTime(w, r, 30*time.Second)
	}
	if len(r.TransferEncoding) > 0 {
		// There may have been a Content-Length besides, which net/http drops
		// without a trace: then the connection must end (RFC 9112 §6.1).
		w.Header().Set("Connection", "close")
	}
	(*s.handler.Load()).ServeHTTP(w, r)
}

// version falls back to what a plain `go run .` is.
func (s *Server) version() string {
	if s.opts.Version == "" {
		return "dev"
	}
	return s.opts.Version
}

var pid = os.Getpid()
