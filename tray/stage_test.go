package tray

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// server is a Backend whose state a test sets.
type server struct {
	mu      sync.Mutex // guards all below
	snap    status.Snapshot
	quiet   bool
	did     []string
	fails   error
	changes chan struct{}
}

func (s *server) Snapshot() status.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snap
}

func (s *server) Watch(context.Context) <-chan struct{} { return s.changes }

// set changes the state and wakes the watcher.
func (s *server) set(change func(*status.Snapshot)) {
	s.mu.Lock()
	change(&s.snap)
	s.mu.Unlock()
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

func (s *server) do(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, what)
	return s.fails
}

func (s *server) done() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.did, ", ")
}

func (s *server) Revoke(_ context.Context, id string) error  { return s.do("revoke " + id) }
func (s *server) Unblock(_ context.Context, id string) error { return s.do("unblock " + id) }
func (s *server) RevokeAll(context.Context) (int, error)     { return 0, s.do("revoke all") }
func (s *server) Pause(context.Context) error                { return s.do("pause") }
func (s *server) Resume(context.Context) error               { return s.do("resume") }
func (s *server) Retry()                                     { _ = s.do("retry") }
func (s *server) ConsoleLink(page string) string {
	return "http://127.0.0.1:40123" + page + "#once=o"
}

func (s *server) Answer(_ context.Context, id string, allow bool) error {
	if allow {
		return s.do("allow " + id)
	}
	return s.do("refuse " + id)
}

func (s *server) Quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quiet
}

func (s *server) SetQuiet(_ context.Context, quiet bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = quiet
	return nil
}

// screen is canvas and desktop in one: it writes down what a person would see.
type screen struct {
	mu   sync.Mutex // guards all below
	seen seen
}

// seen is what there was on the screen.
type seen struct {
	drawn  []view
	copied string
	opened []string
	notes  []note   // all there were
	gone   []string // the names of those withdrawn
	login  bool
	fails  error
}

func (s *screen) do(change func(*seen)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.seen)
	return s.seen.fails
}

func (s *screen) look() seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *screen) draw(v view) { _ = s.do(func(s *seen) { s.drawn = append(s.drawn, v) }) }
func (s *screen) copyText(text string) error {
	return s.do(func(s *seen) { s.copied = text })
}
func (s *screen) open(_ context.Context, a string) error {
	return s.do(func(s *seen) { s.opened = append(s.opened, a) })
}
func (s *screen) notify(_ context.Context, n note) error {
	_ = s.do(func(s *seen) { s.notes = append(s.notes, n) })
	return nil
}
func (s *screen) withdraw(_ context.Context, name string) error {
	_ = s.do(func(s *seen) { s.gone = append(s.gone, name) })
	return nil
}
func (s *screen) loginEnabled() bool     { return s.look().login }
func (s *screen) setLogin(on bool) error { return s.do(func(s *seen) { s.login = on }) }

func (s *screen) titles() string {
	var all []string
	for _, n := range s.look().notes {
		all = append(all, n.Title)
	}
	return strings.Join(all, ", ")
}

// stage is a tray between a server and a screen, on a clock of its own.
type stage struct {
	*tray
	*server
	*screen
	quits  int
	opened chan struct{}
}

func play(t *testing.T, snap status.Snapshot, act func(*testing.T, *stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{server: &server{snap: snap, changes: make(chan struct{}, 1)}, screen: &screen{}, opened: make(chan struct{})}
		t.Setenv("LC_ALL", "C")
		s.tray = newTray(s.server, Options{Log: slog.New(slog.DiscardHandler)}, func() { s.quits++ })
		s.canvas, s.desktop, s.tray.opened = s.screen, s.screen, s.opened
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.loop(ctx) })
		running.Go(func() { s.labour(ctx) })
		synctest.Wait()
		act(t, s)
		cancel()
		running.Wait()
	})
}

func (s *stage) press(a action) {
	s.tray.click(a)
	synctest.Wait()
}

func (s *stage) last() view {
	drawn := s.look().drawn
	return drawn[len(drawn)-1]
}

// shows reports whether the menu has a row with this text, after a tick where
// that is a check box that is on.
func (s *stage) shows(text string) bool { return strings.Contains(s.last().String(), text) }
