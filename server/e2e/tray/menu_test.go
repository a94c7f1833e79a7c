package tray

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The real program's real menu, from the first sign-in to Quit: what happens
// is shown within a second, and what is clicked is done.
func TestTrayMenu(t *testing.T) {
	s := startTraySession(t)
	app, menu := s.start(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Access = config.Access{Emails: []string{"alice@example.com"}}
	}})
	menu.Await("● Ready, 0 sessions")
	menu.Await("Sessions", "Nobody is signed in")
	menu.Await(app.MCPURL)
	mcpStatus := func(token string) int { return app.MCP(t, token).Initialize().Status }

	alice := rig.NewBrowser(t)
	first := app.SignIn(t, alice, app.Register(t, rig.ClientURI), "alice")
	menu.Await("● Ready, 1 session")
	menu.Await("Sessions", "alice@example.com · ")
	menu.Await("Recent events", "Signed in · alice@example.com · ")

	rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "bob")
	menu.Await("Recent events", "Sign-in refused · bob@example.com is not on the access list")

	menu.Click("Copy the MCP URL")
	s.copied(t, app.MCPURL)
	menu.Await("✓ Copied")
	menu.Click("Connect a client", "Claude Code")
	s.copied(t, "claude mcp add --scope user --transport http drawbridge "+app.MCPURL)
	menu.Click("Connect a client", "Cursor")
	s.openedAddress(t, "cursor://anysphere.cursor-deeplink/mcp/install?")
	menu.Click("Connect a client", "Show QR code")
	picture := s.openedAddress(t, os.TempDir()+"/drawbridge-qr-")
	if info, err := os.Stat(picture); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the QR code: %v, %v", info, err)
	}
	for row, page := range map[string]string{"Open console…": "/", "Check setup…": "/doctor", "● Ready": "/"} {
		menu.Click(row)
		s.openedAddress(t, consoleURL(t, app, page))
	}
	menu.Click("Recent events", "Sign-in refused · bob")
	s.openedAddress(t, consoleURL(t, app, "/activity"))
	menu.Click("Sessions", "alice@example.com · ", "Details…")
	s.openedAddress(t, consoleURL(t, app, "/sessions"))

	menu.Click("Pause")
	menu.Await("‖ Paused")
	if got := mcpStatus(first.Access); got != 503 {
		t.Errorf("paused: /mcp answers %d", got)
	}
	menu.Click("Resume")
	menu.Await("● Ready, 1 session")
	if got := mcpStatus(first.Access); got != 200 {
		t.Errorf("resumed: /mcp answers %d", got)
	}

	// Somebody else's click, as it were: the menu follows the command line.
	if _, code := app.Command("pause"); code != 0 {
		t.Errorf("drawbridge pause: exit code %d", code)
	}
	menu.Await("‖ Paused")
	if _, code := app.Command("resume"); code != 0 {
		t.Errorf("drawbridge resume: exit code %d", code)
	}
	menu.Await("● Ready")

	second := app.SignIn(t, alice, app.Register(t, rig.ClientURI), "alice")
	menu.Await("● Ready, 2 sessions")
	rig.WaitFor(t, "a click on Revoke to be taken", func() bool {
		if _, one := menu.Find("● Ready, 1 session"); one {
			return true
		}
		// For a second a row that has just moved takes no click: neither this
		// one, nor the older session's once it has taken the place.
		menu.Click("Sessions", "alice@example.com · ", "Revoke")
		return false
	})
	menu.Await("Recent events", "Session revoked · alice@example.com · ")
	if a, b := mcpStatus(first.Access), mcpStatus(second.Access); a != 200 || b != 401 {
		t.Errorf("after Revoke on the newer: /mcp answers %d to the older and %d to the newer", a, b)
	}
	menu.Click("Sessions", "Revoke all…", "Yes, revoke 1 session")
	menu.Await("● Ready, 0 sessions")
	menu.AwaitGone("Sessions", "Revoke all…")
	if got := mcpStatus(first.Access); got != 401 {
		t.Errorf("after Revoke all: /mcp answers %d", got)
	}

	menu.Click("Quit")
	endedWell(t, app)
	if _, err := os.Stat(picture); !os.IsNotExist(err) {
		t.Errorf("the QR code is left behind: %v", err)
	}
}

// Notifications stay off, and nothing is paused, until they are switched back:
// across a restart too. SIGTERM ends the program with its menu.
func TestTrayRemembers(t *testing.T) {
	s := startTraySession(t)
	app, menu := s.start(t, rig.AppOptions{})
	menu.Click("Notifications")
	menu.until("Notifications to be off", func() bool {
		row, _ := menu.Find("Notifications")
		return !row.checked()
	})
	menu.Click("Pause")
	menu.Await("‖ Paused")
	_ = app.Program.Script.Cmd.Process.Signal(syscall.SIGTERM)
	endedWell(t, app)
	menu = s.run(t, app, app.Flags()...)
	menu.Await("‖ Paused")
	if menu.Await("Notifications").checked() {
		t.Error("notifications are on again after a restart")
	}
}

// A second start with the same data brings up the first one's console and
// fails; without a desktop it only says so.
func TestTrayOneInstance(t *testing.T) {
	s := startTraySession(t)
	app, _ := s.start(t, rig.AppOptions{})
	path, _ := rig.Binary()
	for _, headless := range []bool{true, false} {
		args := append([]string{"run"}, app.Flags()...)
		if headless {
			args = append(args, "--headless")
		}
		second := rig.StartProcess(t, app.Program.Env, path, args...)
		out, code := second.Wait()
		if code != 1 || !second.Log.Contains("running here already") {
			t.Errorf("headless %v: exit code %d\n%s%s", headless, code, out, second.Log)
		}
		if _, err := os.Stat(s.opened); headless && err == nil {
			t.Error("headless, it opened something")
		}
	}
	s.openedAddress(t, consoleURL(t, app, "/"))
}

// Without a bus, or with one that is gone, the program runs without a menu and
// says so in one line; it never panics.
func TestTrayWithoutBus(t *testing.T) {
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	keyringtest.Isolate(t)
	keyringtest.Need(t, "dbus-daemon", "dbus")
	script := rig.StartProcess(t, nil, path, "demo", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	rig.WaitFor(t, "the demo to be ready", func() bool { return script.Log.Contains("msg=ready") })
	_ = script.Cmd.Process.Signal(syscall.SIGTERM)
	out, code := script.Wait()
	if code != 0 || strings.Count(out, "No tray icon") != 1 {
		t.Errorf("exit code %d\n%s%s", code, out, script.Log)
	}
}

// A bus that goes away under a running program ends it: nobody could see any
// more that it serves.
func TestTrayBusGoesAway(t *testing.T) {
	s := startTraySession(t)
	app, _ := s.start(t, rig.AppOptions{})
	s.endBus(t)
	endedWell(t, app)
	if !app.Log.Contains("the tray icon is gone") {
		t.Errorf("it does not say why it ended:\n%s", app.Log)
	}
}

// "Start at login" writes a file that a desktop accepts, and takes it away.
func TestTrayStartAtLogin(t *testing.T) {
	s := startTraySession(t)
	keyringtest.Need(t, "desktop-file-validate", "desktop-file-utils")
	app, menu := s.startFromKeychain(t)
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "autostart", "drawbridge.desktop")
	checked := func(want bool) {
		menu.until("Start at login", func() bool {
			row, ok := menu.Find("Start at login")
			return ok && row.checked() == want
		})
	}
	checked(false)
	menu.Click("Start at login")
	checked(true)
	if out, err := exec.Command("desktop-file-validate", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("desktop-file-validate: %v %s", err, out)
	}
	entry, _ := os.ReadFile(file)
	if !strings.Contains(string(entry), `"run" "--config" "`+app.Program.Config+`"`) {
		t.Errorf("it would start something else:\n%s", entry)
	}
	menu.Click("Start at login")
	checked(false)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	if st := app.Status(t); st.State != status.Error {
		t.Errorf("state %q", st.State)
	}
	menu.Await("✕ Drawbridge can’t work yet")
	menu.Await("Retry")
}

// Calls are answered in their order. A panel of libdbusmenu asks for rows and
// for those of their submenus without waiting in between, and loses each
// submenu whose answer comes first.
func TestTrayAnswersInOrder(t *testing.T) {
	s := startTraySession(t)
	_, menu := s.start(t, rig.AppOptions{})
	const calls = 100 // a bus allows 128 at a time
	answers := make(chan *dbus.Call, calls)
	sent := map[*dbus.Call]int{}
	for i := range calls {
		sent[menu.menu.Go(dbusMenu+"GetGroupProperties", 0, answers, []int32{0, int32(i % 60), int32(i % 7)}, []string{})] = i
	}
	for i := range calls {
		if got := <-answers; got.Err != nil || sent[got] != i {
			t.Fatalf("answer %d is that of call %d: %v", i, sent[got], got.Err)
		}
	}
}
