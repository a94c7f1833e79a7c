package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// It handles a flood of connections that takes every file descriptor it may
// have: connections that stand go on, it says what is wrong, and new ones are
// served when there is room again.
func TestStarveDescriptors(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	standing := rig.DialWire(t, app.URL)
	call := func() int {
		standing.Send("GET /health HTTP/1.1\nHost: HOST\n\n")
		r := standing.Answer(rig.IOTime)
		if r == nil {
			t.Fatal("a connection that stood was cut")
		}
		return r.Status
	}
	call()
	app.Ration(t, unix.RLIMIT_NOFILE, uint64(app.OpenFiles(t)+20))
	var conns []net.Conn
	drop := func() {
		for _, c := range conns {
			c.Close()
		}
		conns = nil
	}
	defer drop()
	for range 60 {
		if conn, err := net.Dial("tcp", strings.TrimPrefix(app.URL, "http://")); err == nil {
			conns = append(conns, conn)
		}
	}
	rig.WaitFor(t, "it to say that it has no file descriptors left", func() bool { return app.Log.Contains("too many open files") })
	for range 5 {
		if status := call(); status != http.StatusOK {
			t.Errorf("a connection that stood is answered %d", status)
		}
	}
	drop()
	rig.WaitFor(t, "new connections to be served", func() bool {
		return rig.Softly(t, func(t testing.TB) { app.MustWorkWith(t, tokens.Access) }) == nil
	})
	app.MustRefresh(t, c, tokens.Refresh)
	app.MustWorkWith(t, app.SignIn(t, rig.NewBrowser(t), c, "bob").Access)
}

// It handles a state file that may not grow any more (a quota, a limit of the
// system): as a full disk.
func TestStarveFileSize(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	info, err := os.Stat(filepath.Join(app.Options.DataDir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	app.Ration(t, unix.RLIMIT_FSIZE, uint64(info.Size()))
	var answered []rig.Tokens
	refused := false
	for range 300 {
		req := app.NewAuthRequest(c)
		b := rig.NewBrowser(t)
		page := b.Walk(b.OpenUntil(req.URL(app), rig.ClientURI), "alice", rig.ClientURI)
		r := app.Redeem(t, req, page.Query("code"))
		if r.Status != http.StatusOK {
			refused = r.Status == http.StatusInternalServerError && r.Error() == "server_error"
			rig.MustNotShow(t, r.Body)
			break
		}
		answered = append(answered, app.MustTokens(t, r))
	}
	if !refused {
		t.Fatal("the file never met its limit")
	}
	app.MustWorkWith(t, tokens.Access)
	app.Ration(t, unix.RLIMIT_FSIZE, unix.RLIM_INFINITY)
	tokens = app.MustRefresh(t, c, tokens.Refresh)
	app.Kill()
	app.Start()
	app.MustWorkWith(t, tokens.Access)
	for _, a := range answered {
		app.MustRefresh(t, c, a.Refresh)
	}
}

// It handles a start on a disk that can only be read: it says so, and starts
// once it can be written.
func TestStarveReadOnly(t *testing.T) {
	disk := rig.TinyDisk(t, "4m")
	app := rig.StartApp(t, rig.AppOptions{DataDir: filepath.Join(disk, "data")})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	app.Stop()
	remount := func(flags uintptr) {
		if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	err := rig.TryRun(t, app, app.Options.Keystore)
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), app.Options.DataDir) {
		t.Errorf("it says: %v", err)
	}
	remount(0)
	app.Start()
	app.MustWorkWith(t, tokens.Access)
	app.MustRefresh(t, c, tokens.Refresh)
}

// It handles little memory under a flood of sign-ins that nobody ends, from
// many addresses: it lives, and what it holds is bounded.
func TestStarveMemory(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	app.Stop()
	app.Program.Env = append(app.Program.Env, "GOMEMLIMIT=64MiB")
	app.Start()
	before, _ := app.Resident(t)
	n := 2000
	if rig.Long() {
		n = 20_000
	}
	hint := strings.Repeat("x", 1000)
	rig.Flood(t, n, func(i int) (*http.Client, *http.Request) {
		req := app.NewAuthRequest(c)
		req.Values.Set("login_hint", hint)
		req.Values.Set("state", strings.Repeat("s", 4000))
		r, _ := http.NewRequest(http.MethodGet, req.URL(app), nil)
		return rig.PlainHTTP, r
	})
	after, peak := app.Resident(t)
	t.Logf("%d sign-ins begun: memory %d MB before, %d MB after, %d MB at most", n, before>>20, after>>20, peak>>20)
	if limit := 400 << 20; peak > limit { // the race detector takes several times what the program does
		t.Errorf("it held %d MB", peak>>20)
	}
	rig.WaitFor(t, "the address to be served again", func() bool { return app.Refresh(t, c, "dbr_x").Status != http.StatusTooManyRequests })
	app.MustWorkWith(t, app.MustRefresh(t, c, tokens.Refresh).Access)
}

// It handles two instances that start on one folder at the same moment: one
// runs, the other says so and ends with 1.
func TestStarveRace(t *testing.T) {
	times := 5
	if rig.Long() {
		times = 20
	}
	app := rig.StartBinary(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range times {
		app.Stop()
		var racers [2]*rig.Script
		for j := range racers {
			racers[j] = rig.StartProcess(t, app.Program.Env, path, append([]string{"run", "--headless"}, app.Flags()...)...)
		}
		ended := make(chan int, 2)
		var wg sync.WaitGroup
		for j, r := range racers {
			wg.Go(func() {
				_, code := r.Wait()
				if code != 0 {
					ended <- j
				}
				if code > 1 || code < 0 {
					t.Errorf("race %d: instance %d ended with %d: %s", i, j, code, r.Log)
				}
			})
		}
		select {
		case loser := <-ended:
			said := strings.TrimSpace(racers[loser].Log.String())
			if !strings.Contains(said, "already") || !strings.Contains(said, app.Options.DataDir) && !strings.Contains(said, "process") || strings.Contains(said, "\n") {
				t.Errorf("race %d: the loser says: %s", i, said)
			}
			rig.WaitFor(t, "the winner to be ready", func() bool {
				_, code := app.Command("status", "--json")
				return code == 0
			})
			_ = racers[1-loser].Cmd.Process.Signal(syscall.SIGTERM)
		case <-time.After(30 * time.Second):
			t.Fatalf("race %d: both run", i)
		}
		wg.Wait()
		app.Start()
	}
	app.MustWorkWith(t, tokens.Access)
	app.MustRefresh(t, c, tokens.Refresh)
}

// It handles a state file spoilt at any place, in any of the ways a disk does
// it: it says so and leaves the file alone, or nothing that was in it is lost.
func TestStarveSpoilt(t *testing.T) {
	times := 60
	if rig.Long() {
		times = 3000
	}
	app, c, first := rig.StartSignedIn(t, rig.AppOptions{})
	tokens := []rig.Tokens{first}
	for range 5 {
		tokens = append(tokens, app.SignIn(t, rig.NewBrowser(t), c, "bob"))
	}
	app.Stop()
	path := filepath.Join(app.Options.DataDir, "state.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refusedTimes := 0
	for i := range times {
		name, spoilt := spoilFile(whole, i)
		if err := os.WriteFile(path, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		err := rig.Softly(t, func(t testing.TB) {
			app.T = t
			defer func() { app.T = nil }()
			if err := runBriefly(t, app, func() {
				if n := len(app.Sessions(t)); n != len(tokens) {
					t.Errorf("%d sessions of %d", n, len(tokens))
				}
				app.MustWorkWith(t, tokens[i%len(tokens)].Access)
			}); err != nil {
				refusedTimes++
				if !strings.Contains(err.Error(), path) {
					t.Errorf("it says: %v", err)
				}
				if after, _ := os.ReadFile(path); string(after) != string(spoilt) {
					t.Errorf("it changed the file, and says: %v", err)
				}
			}
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	app.T = t
	t.Logf("%d of %d spoilt files were refused", refusedTimes, times)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	app.Start()
	app.MustRefresh(t, c, first.Refresh)
}

// spoilFile changes a file as disks, copies and crashes do. Which way and where
// follow from i.
func spoilFile(whole []byte, i int) (string, []byte) {
	spoilt := append([]byte(nil), whole...)
	at := (i*7919 + i/5*104729) % len(whole)
	const page = 4096
	switch i % 5 {
	case 0:
		return fmt.Sprintf("cut at %d", at), spoilt[:at]
	case 1:
		spoilt[at] ^= 1 << (i % 8)
		return fmt.Sprintf("a bit at %d", at), spoilt
	case 2:
		clear(spoilt[at/page*page : min(at/page*page+page, len(whole))])
		return fmt.Sprintf("page %d is zeros", at/page), spoilt
	case 3:
		to := (at/page + 1 + i%7) * page % len(whole)
		copy(spoilt[to:], whole[at/page*page:min(at/page*page+page, len(whole))])
		return fmt.Sprintf("page %d stands at %d too", at/page, to/page), spoilt
	}
	copy(spoilt[at:], "not what was written here, but something of another file")
	return fmt.Sprintf("foreign bytes at %d", at), spoilt
}

// runBriefly runs app until it is ready, calls fn, and ends it; or returns why
// it did not start.
func runBriefly(t testing.TB, app *rig.App, fn func()) error {
	t.Helper()
	srv, err := server.New(server.Options{Config: app.Config, DataDir: app.Options.DataDir, Keystore: app.Options.Keystore, Version: "e2e"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	defer func() {
		rig.PlainHTTP.CloseIdleConnections()
		cancel()
		<-ended
	}()
	for srv.Snapshot().Status.State != status.Ready {
		select {
		case err := <-ended:
			ended <- nil
			if err == nil {
				err = errors.New("it ended without a word")
			}
			return err
		case <-time.After(time.Millisecond):
		}
	}
	app.Srv = srv
	fn()
	return nil
}
