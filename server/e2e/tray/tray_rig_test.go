package tray

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// traySession is a desktop session without a screen: a bus, a home folder, and
// stand-ins for the programs that a click starts, which write down what they
// were given.
type traySession struct {
	bus       *dbus.Conn
	reads     *menuReads   // by the real panel, if there is one
	panel     *fakeWatcher // its stand-in, else
	menu      *TrayMenu    // of the program that was started last
	clipboard string       // file with what was copied last
	opened    string       // file with each address opened, a line each
}

// startTraySession begins one for t.
func startTraySession(t testing.TB) *traySession {
	t.Helper()
	if _, err := rig.Binary(); err != nil { // before the home folder changes: Go's caches are there
		t.Fatal(err)
	}
	s := &traySession{bus: keyringtest.StartBus(t)}
	dir := t.TempDir()
	s.clipboard, s.opened = filepath.Join(dir, "clipboard"), filepath.Join(dir, "opened")
	stand := func(name, body string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	stand("xclip", "cat >"+s.clipboard)
	stand("xdg-open", `printf '%s\n' "$1" >>`+s.opened)
	t.Setenv("LC_ALL", "C")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(os.Getenv("HOME"), ".config"))
	return s
}

// wholeMenu are words of submenus, and of submenus of those.
var wholeMenu = []string{"Show QR code", "Details…"}

// start starts the real program with its tray, ready to be used.
func (s *traySession) start(t testing.TB, o rig.AppOptions) (*rig.App, *TrayMenu) {
	t.Helper()
	app := s.configure(t, o)
	if s.reads == nil {
		s.panel = startWatcher(t, s.bus)
	}
	menu := s.run(t, app, app.Flags()...)
	rig.WaitFor(t, "Drawbridge to be ready", func() bool { // which has no second as its bound
		_, ready := menu.Find("● Ready")
		return ready
	})
	rig.WaitFor(t, "the whole menu", menu.whole)
	if s.reads != nil {
		s.reads.await(t, 0, wholeMenu...)
	}
	s.menu = menu
	app.SetAddress(app.Status(t))
	return app, menu
}

// startFromKeychain is start with the keychain of the session, where there is
// none.
func (s *traySession) startFromKeychain(t testing.TB) (*rig.App, *TrayMenu) {
	t.Helper()
	app := s.configure(t, rig.AppOptions{})
	menu := s.run(t, app, "--config", app.Program.Config, "--data", app.Options.DataDir)
	rig.WaitFor(t, "Drawbridge to say what is wrong", func() bool {
		_, ok := menu.Find("✕ ")
		return ok
	})
	return app, menu
}

// configure writes what the program reads.
func (s *traySession) configure(t testing.TB, o rig.AppOptions) *rig.App {
	t.Helper()
	app := &rig.App{T: t}
	app.Prepare(o)
	app.Config.Listen = fmt.Sprintf("127.0.0.1:%d", rig.FreePort(t))
	secret, err := app.Options.Keystore.Get(t.Context(), keystore.IDPClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	app.Program = &rig.Program{Config: cmp.Or(o.ConfigFile, filepath.Join(t.TempDir(), "config.toml")),
		Env: []string{"GORACE=exitcode=0 atexit_sleep_ms=0", "DRAWBRIDGE_IDP_CLIENT_SECRET=" + secret.Reveal(), "DRAWBRIDGE_DATA_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32))}}
	if err := rig.SaveConfig(app.Program.Config, app.Config); err != nil {
		t.Fatal(err)
	}
	return app
}

// run starts the program with its tray.
func (s *traySession) run(t testing.TB, app *rig.App, flags ...string) *TrayMenu {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return s.runAs(t, app, rig.StartProcess(t, app.Program.Env, path, append([]string{"run"}, flags...)...))
}

// runAs takes a process that was just started for the program of app.
func (s *traySession) runAs(t testing.TB, app *rig.App, script *rig.Script) *TrayMenu {
	t.Helper()
	app.Program.Script = script
	process := app.Program.Script.Cmd.Process
	t.Cleanup(func() { _ = process.Signal(syscall.SIGTERM) })
	app.Log = app.Program.Script.Log
	lines := app.Program.Script.Lines
	go func() { // nobody reads what run says; the pipe must not fill
		for range lines {
		}
	}()
	return OpenTray(t, s.bus, process.Pid)
}

// endBus kills the bus.
func (s *traySession) endBus(t testing.TB) {
	t.Helper()
	var pid uint32
	if err := s.bus.BusObject().Call("org.freedesktop.DBus.GetConnectionUnixProcessID", 0, "org.freedesktop.DBus").Store(&pid); err != nil {
		t.Fatal(err)
	}
	daemon, err := os.FindProcess(int(pid))
	if err == nil {
		err = daemon.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the bus to end", func() bool { return !s.bus.Connected() })
}

// copied waits until want is on the clipboard.
func (s *traySession) copied(t testing.TB, want string) {
	t.Helper()
	rig.WaitFor(t, "the clipboard to hold "+want, func() bool {
		got, err := os.ReadFile(s.clipboard)
		return err == nil && string(got) == want
	})
}

// openedAddress waits until a click has opened an address that begins so.
func (s *traySession) openedAddress(t testing.TB, prefix string) string {
	t.Helper()
	var found string
	rig.WaitFor(t, "a click to open "+prefix, func() bool {
		got, _ := os.ReadFile(s.opened)
		for _, line := range strings.Split(string(got), "\n") {
			if strings.HasPrefix(line, prefix) {
				found = line
			}
		}
		return found != ""
	})
	return found
}

// openedTimes is how often an address that begins so was opened.
func (s *traySession) openedTimes(prefix string) int {
	got, _ := os.ReadFile(s.opened)
	return strings.Count("\n"+string(got), "\n"+prefix)
}

// consoleURL is how a link to a page of app's console begins: it opens once.
func consoleURL(t testing.TB, app *rig.App, page string) string {
	t.Helper()
	c, err := control.Dial(app.Options.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	place, _, _ := strings.Cut(st.ConsoleURL, "/#")
	return place + page + "#once="
}

// endedWell fails t if the program of app, which has ended, did so with another
// exit code than 0, by a panic, or after a data race.
func endedWell(t testing.TB, app *rig.App) {
	t.Helper()
	_, code := app.Program.Script.Wait()
	if code != 0 || app.Log.Contains("panic:") || app.Log.Contains("DATA RACE") {
		t.Errorf("exit code %d\n%s", code, app.Log)
	}
}
