// Package control is how the command line and the console speak to the running
// Drawbridge: a JSON API and the console's pages on a loopback port of their
// own, opened by a key that is made anew at each start and stands in a file
// that only its owner can read. Nothing of it is reachable from the public listener or the
// tunnel. Start at [Listen] for the serving side, [Dial] for the asking one.
package control

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// ErrNotFound is what [Backend.Revoke] returns for an ID that no live session
// has, and [Client.Logs] for a server that is not there.
var ErrNotFound = errors.New("no such session")

// Backend is the app as its owner commands it. The tray calls the same methods
// directly. Errors are sentences for that person.
type Backend interface {
	// Status is that of the snapshot, without the rest, which may be large.
	Status() status.Status
	Snapshot() status.Snapshot
	// Watch returns a channel that holds one wake whenever a new Snapshot
	// differs from the last, until ctx ends.
	Watch(ctx context.Context) <-chan struct{}
	// Clients returns the programs that somebody has signed in with, or that were
	// added.
	Clients() []status.Client
	// AddClient adds one and returns its secret, which nobody gets to see again;
	// "" if it has keys of its own.
	AddClient(ctx context.Context, c status.NewClient) (added status.Client, secret string, err error)
	// RotateClient gives the added client of that id or name another secret. The
	// one before works until the time returned. It returns [ErrNotFound] if there
	// is none.
	RotateClient(ctx context.Context, client string) (secret string, oldUntil time.Time, err error)
	// DeleteClient forgets the added client of that id or name and ends its
	// sessions, or returns [ErrNotFound].
	DeleteClient(ctx context.Context, client string) error
	// Unblock lets a person come back with a client, see [status.Block], or returns
	// [ErrNotFound].
	Unblock(ctx context.Context, id string) error
	// Attempts returns the latest attempts to connect, newest first.
	Attempts() []status.Attempt
	// Revoke ends one session, or returns [ErrNotFound].
	Revoke(ctx context.Context, id string) error
	// RevokeAll ends all sessions and returns how many there were.
	RevokeAll(ctx context.Context) (int, error)
	// EndLeave has a session ask its owner about each call of a tool again, or
	// returns [ErrNotFound].
	EndLeave(ctx context.Context, session, server, tool string) error
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Quit ends Drawbridge, in its own time.
	Quit()
	// Retry opens now what could not be opened: the keychain, the tunnel.
	Retry()
	// AcceptURL takes the other public URL that the tunnel gives, and returns
	// what to do next.
	AcceptURL(ctx context.Context) (string, error)
	// Metrics writes figures for Prometheus.
	Metrics(w io.Writer)
	// CopyState puts a copy of the state file, sealed as it is, beside it.
	CopyState() (path string, err error)
	// SignInServer begins the owner's sign-in at a mounted server and returns the
	// address to open in a browser; the answer comes to [SignInPath], or by
	// FinishSignIn, as the address that the browser ended at. SignOutServer ends
	// every sign-in there. All three return [ErrNotFound] if there is no such
	// server.
	SignInServer(ctx context.Context, server string) (string, error)
	FinishSignIn(ctx context.Context, server, answer string) error
	SignOutServer(ctx context.Context, server string) error
	// SignInAnswer takes the server's answer from a browser at [SignInPath].
	SignInAnswer(w http.ResponseWriter, r *http.Request)
	// Logs returns what a mounted server wrote, oldest first; false if there is
	// none of that name.
	Logs(server string) ([]status.LogLine, bool)
	// Access returns what a person with this verified address, in these groups,
	// may use.
	Access(ctx context.Context, email string, groups []string) ([]status.Entry, error)
	// Doctor runs every check; it may take a minute.
	Doctor(ctx context.Context) []status.Check
}

// Console is the pages for the owner. It answers whatever is not the API's, and
// sees itself to who may come in.
type Console interface {
	http.Handler
	// Open says where it is (http://127.0.0.1:PORT) and by which key it opens.
	Open(url, key string)
	// Link returns an address that opens it once, soon.
	Link() string
	// Close ends its streams.
	Close()
}

// Server is the listening side.
type Server struct {
	backend Backend
	console Console
	board   *status.Board
	log     *slog.Logger

	addr     string // 127.0.0.1:PORT
	key      string // base64url of 32 random bytes
	file     string // control.json
	http     *http.Server
	stopping context.Context // ends when Close begins
	stop     context.CancelFunc
	served   chan struct{} // closed when Serve returned
}

// Listen opens a loopback port, writes where it is and its key to control.json
// in dataDir, and serves b, its console, and the events of board, until Close.
// version is Drawbridge's own.
func Listen(dataDir, version string, b Backend, console Console, board *status.Board, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the control port: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	s := &Server{
		backend: b, console: console, board: board, log: log,
		addr:   listener.Addr().String(),
		key:    base64.RawURLEncoding.EncodeToString(key),
		file:   filepath.Join(dataDir, fileName),
		served: make(chan struct{}),
	}
	console.Open(s.URL(), s.key)
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	err = writeFile(s.file, address{s.URL(), s.key, os.Getpid(), version})
	if err != nil {
		s.stop()
		listener.Close()
		return nil, fmt.Errorf("write %s: %w", s.file, err)
	}
	if err := writeTarget(dataDir, s.addr, s.key); err != nil {
		log.Warn("Prometheus can't find this instance: mend what is in the way of its files, then start Drawbridge again", "error", err)
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control port failed", "cause", err)
		}
	}()
	return s, nil
}

// URL is where the API answers, without a slash at the end.
func (s *Server) URL() string { return "http://" + s.addr }

// ConsoleURL is the console's address with the key in its fragment, which a
// browser sends to nobody. Whoever has it commands Drawbridge.
func (s *Server) ConsoleURL() string { return s.URL() + "/#key=" + s.key }

// ConsoleLink is an address of the console that works once, within a minute:
// other users of this machine can read the command line of the program that
// opens it.
func (s *Server) ConsoleLink() string { return s.console.Link() }

// Close removes control.json if it is still this server's, ends the streams of
// events, and waits for requests under way, at most until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	removeFile(s.file, s.key)
	s.stop()
	s.console.Close()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	<-s.served
	return err
}
