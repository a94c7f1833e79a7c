package tray

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
	"github.com/drawbridge-app/drawbridge/tray"
)

// stormEnv makes this test's own process the one with the tray: the library
// under it can be used once in a process.
const stormEnv = "DRAWBRIDGE_TRAY_STORM"

// stormPassed is what the child says when all was well.
const stormPassed = "the storm has passed"

// A thousand changes a second for ten seconds leave the tray with as many
// goroutines as before, hardly more memory, and the last change shown. The
// menu and the bus are real, the server is not.
func TestTrayStorm(t *testing.T) {
	if os.Getenv(stormEnv) != "" {
		stormChild(t)
		return
	}
	bus := keyringtest.StartBus(t)
	watcher := startWatcher(t, bus)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	length := 10 * time.Second
	if testing.Short() {
		length = 2 * time.Second
	}
	var out bytes.Buffer
	child := exec.Command(self, "-test.run=^TestTrayStorm$", "-test.v")
	child.Env = append(os.Environ(), stormEnv+"="+length.String())
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	watcher.await(t, child.Process.Pid)
	menu := OpenTray(t, bus, child.Process.Pid)
	reads := 0
	for {
		select {
		case err := <-ended:
			if err != nil || !strings.Contains(out.String(), stormPassed) || reads < 10 {
				t.Errorf("the tray under the storm: %v, its menu was read %d times\n%s", err, reads, &out)
			}
			t.Logf("the menu was read %d times meanwhile\n%s", reads, &out)
			return
		default:
		}
		if _, ok := menu.Find("● Ready"); ok {
			reads++
		}
	}
}

// stormServer changes all the time.
type stormServer struct {
	mu      sync.Mutex // guards snap
	snap    status.Snapshot
	changes chan struct{}
}

func (s *stormServer) Snapshot() status.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snap
}
func (s *stormServer) Watch(context.Context) <-chan struct{}      { return s.changes }
func (s *stormServer) Revoke(context.Context, string) error       { return nil }
func (s *stormServer) Unblock(context.Context, string) error      { return nil }
func (s *stormServer) RevokeAll(context.Context) (int, error)     { return 0, nil }
func (s *stormServer) Pause(context.Context) error                { return nil }
func (s *stormServer) Resume(context.Context) error               { return nil }
func (s *stormServer) Retry()                                     {}
func (s *stormServer) ConsoleLink(string) string                  { return "" }
func (s *stormServer) Answer(context.Context, string, bool) error { return nil }
func (s *stormServer) Quiet() bool                                { return true }
func (s *stormServer) SetQuiet(context.Context, bool) error       { return nil }
func (s *stormServer) change(n int) {
	sessions := make([]status.Session, n%13)
	for i := range sessions {
		sessions[i] = status.Session{ID: fmt.Sprint(n + i), User: status.User{Email: fmt.Sprintf("user%d@example.com", n+i)}, CreatedAt: time.Now()}
	}
	s.set(status.Snapshot{Sessions: sessions, Status: status.Status{State: status.Ready, PID: n, MCPURL: fmt.Sprintf("http://127.0.0.1:%d/mcp", n)},
		Events: []status.Event{{ID: fmt.Sprint(n), Time: time.Now(), Type: status.SigninSucceeded, User: fmt.Sprint(n)}}})
}

// set replaces all and wakes the tray.
func (s *stormServer) set(snap status.Snapshot) {
	s.mu.Lock()
	s.snap = snap
	s.mu.Unlock()
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

func stormChild(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv(stormEnv))
	if err != nil {
		t.Fatal(err)
	}
	s := &stormServer{changes: make(chan struct{}, 1)}
	err = tray.Serve(t.Context(), s, tray.Options{}, func(context.Context) error {
		n := 0
		blow := func(d time.Duration) {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(d); time.Now().Before(deadline); n++ {
				s.change(n)
				<-tick.C
			}
		}
		blow(3 * time.Second) // until all is set up
		goroutines, memory := runtime.NumGoroutine(), liveMemory()
		blow(length)
		now, after := runtime.NumGoroutine(), liveMemory()
		// What still waits for a slow panel goes; a leak stays.
		for end := time.Now().Add(30 * time.Second); (now > goroutines+3 || after > memory+1<<20) && time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
			now, after = runtime.NumGoroutine(), liveMemory()
		}
		t.Logf("%d changes; goroutines %d, then %d; live memory %d KiB, then %d KiB", n, goroutines, now, memory>>10, after>>10)
		if now > goroutines+3 || after > memory+1<<20 {
			return fmt.Errorf("goroutines went from %d to %d, live memory from %d to %d bytes", goroutines, now, memory, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
		return
	}
	t.Log(stormPassed)
}

// liveMemory is the heap that is in use after a collection, in bytes.
func liveMemory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A panel that goes and comes finds the icon again, however often, and one that
// comes late finds it too; what is missing is said once. The panel is a
// stand-in: it does what a panel does on the bus, and shows nothing.
func TestTrayPanelComesAndGoes(t *testing.T) {
	s := startTraySession(t)
	app := s.configure(t, rig.AppOptions{})
	menu := s.run(t, app, app.Flags()...)
	menu.Await("● Ready")
	pid := app.Program.Script.Cmd.Process.Pid
	for range 3 {
		watcher := startWatcher(t, s.bus)
		watcher.await(t, pid)
		rig.WaitFor(t, "the whole menu", menu.whole)
		menu.Click("Pause")
		menu.Await("‖ Paused")
		menu.Click("Resume")
		menu.Await("● Ready")
		watcher.stop(t)
		menu.Await("● Ready")
	}
	if n := strings.Count(app.Log.String(), "no panel shows tray icons yet"); n != 1 {
		t.Errorf("said %d times that there is no panel", n)
	}
}
