package tray

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/tray"
)

const asksTitle = "A call needs your approval"

// asking is the options of an app whose server for files, in folder, asks for
// each call.
func asking(t testing.TB, folder string) rig.AppOptions {
	o := rig.AppOptions{Config: func(c *config.Config) { c.Servers = map[string]config.ServerSettings{"files": {Ask: []string{"*"}}} }}
	return rig.Mounting(t, o, map[string]rig.MCPServer{"files": rig.Official(t, "filesystem", folder)})
}

// A real client's call of a real server waits, the menu and an urgent note say
// so, and the note's buttons decide what happens to it, nobody else.
func TestTrayAsk(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := startTraySession(t)
	notes := startNotes(t, s.bus)
	app, menu := s.start(t, asking(t, folder))
	app.WaitForServers(t)
	client := rig.StartRealClient(t, app.MCPURL, "v1", "legacy", "alice")
	file := filepath.Join(folder, "a.txt")
	written := func() string {
		got, _ := os.ReadFile(file)
		return string(got)
	}

	client.Write(file, "<b>grüezi</b>\u202e")
	told := notes.await(t, asksTitle)
	want := "alice@example.com with Caller asks for files: write_file\n{\n  &#34;content&#34;: &#34;&lt;b&gt;grüezi&lt;/b&gt;\\u202e&#34;,\n  &#34;path&#34;: &#34;" + file + "&#34;\n}"
	if told.body != want || !told.urgent || told.expires != 0 || strings.Join(told.actions, " ") != "default Open allow Allow refuse Refuse" {
		t.Errorf("told %+v", told)
	}
	menu.Await("1 call needs your approval…")
	notes.press(t, told.id, "revoke")
	notes.press(t, told.id+7, "allow")
	stranger, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	(&fakeNotes{bus: stranger}).press(t, told.id, "allow")
	menu.Await("1 call needs your approval…")
	notes.press(t, told.id, "allow")
	var got rig.ToolAnswer
	if err := client.Answer(&got); err != nil || got.IsError || written() != "<b>grüezi</b>\u202e" {
		t.Errorf("allowed: %+v, %v; the file holds %q", got, err, written())
	}
	notes.awaitClosed(t, told.id)
	menu.AwaitGone("1 call waits")

	client.Write(file, "no")
	refused := notes.await(t, asksTitle)
	notes.press(t, told.id, "allow") // the button of the call before
	notes.press(t, refused.id, "refuse")
	if err := client.Answer(&got); err != nil || !got.IsError || !strings.Contains(got.Text, "did not allow") || written() == "no" {
		t.Errorf("refused: %+v, %v; the file holds %q", got, err, written())
	}
	notes.awaitClosed(t, refused.id)

	// It is not asked again at once.
	client.Write(file, "no again")
	if err := client.Answer(&got); err != nil || !got.IsError || !strings.Contains(got.Text, "has just refused") {
		t.Errorf("right after the refusal: %+v, %v", got, err)
	}

	// What does not fit is allowed where all of it can be read.
	client = rig.StartRealClient(t, app.MCPURL, "v1", "legacy", "alice")
	client.Write(file, strings.Repeat("much ", 200))
	long := notes.await(t, asksTitle)
	if !slices.Equal(long.actions, []string{"default", "Open", "read all", "Read all", "refuse", "Refuse"}) {
		t.Errorf("buttons of a cut note: %q", long.actions)
	}
	page := consoleURL(t, app, "/approvals")
	notes.press(t, long.id, "default")
	s.openedAddress(t, page)
	menu.Click("1 call needs your approval…")
	rig.WaitFor(t, "the menu to open the console", func() bool { return s.openedTimes(page) == 2 })
	other := rig.StartRealClient(t, app.MCPURL, "v2", rig.ModernVersion, "alice")
	other.Write(file, "nobody waits for this")
	given := notes.await(t, asksTitle)
	menu.Await("2 calls need your approval…")
	_ = client.Script.Cmd.Process.Kill()
	_ = other.Script.Cmd.Process.Kill()
	notes.awaitClosed(t, given.id)
	menu.AwaitGone("1 call waits")
	notes.press(t, given.id, "allow")

	rig.WriteServers(t, app.Program.Config, map[string]rig.MCPServer{"gone": {Command: filepath.Join(folder, "gone")}})
	if failed := notes.await(t, "A mounted server has failed"); !strings.Contains(failed.body, "gone") {
		t.Errorf("told %q", failed.body)
	}
	menu.Click("Quit")
	endedWell(t, app)
	if strings.HasPrefix(written(), "much") || strings.Contains(app.Log.String(), "what was clicked failed") {
		t.Errorf("the file holds %q\n%s", written(), app.Log)
	}
}

// expiresEnv makes this test's process the one with the tray.
const expiresEnv = "DRAWBRIDGE_TRAY_EXPIRES"

// The note of a call that nobody answers goes with it. Where notes have no
// buttons it says what to do instead.
func TestTrayAskExpires(t *testing.T) {
	if file := os.Getenv(expiresEnv); file != "" {
		askChild(t, file)
		return
	}
	s := startTraySession(t)
	notes := startNotes(t, s.bus)
	notes.can = []string{"body"}
	startWatcher(t, s.bus)
	folder := t.TempDir()
	app := s.configure(t, asking(t, folder))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := append(app.Program.Env, expiresEnv+"="+app.Program.Config, "DRAWBRIDGE_TRAY_DATA="+app.Options.DataDir)
	menu := s.runAs(t, app, rig.StartProcess(t, env, self, "-test.run=^TestTrayAskExpires$"))
	menu.Await("● Ready")
	app.SetAddress(app.Status(t))
	app.WaitForServers(t)
	client := rig.StartRealClient(t, app.MCPURL, "v1", "legacy", "alice")
	client.Write(filepath.Join(folder, "a.txt"), "<b>")
	told := notes.await(t, asksTitle)
	if len(told.actions) != 0 || !strings.HasPrefix(told.body, "Answer from Drawbridge’s menu.\nalice@example.com with Caller") || !strings.Contains(told.body, `"<b>"`) {
		t.Errorf("told %+v", told)
	}
	var got rig.ToolAnswer
	if err := client.Answer(&got); err != nil || !got.IsError || !strings.Contains(got.Text, "Nobody allowed this call") {
		t.Errorf("nobody answered: %+v, %v", got, err)
	}
	notes.awaitClosed(t, told.id)
	menu.AwaitGone("1 call waits")
	menu.Click("Quit")
	_, _ = app.Program.Script.Wait()
}

// askChild is the program, but that calls wait for seconds alone.
func askChild(t *testing.T, file string) {
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	app, err := server.New(server.Options{Config: cfg, ConfigFile: file, DataDir: os.Getenv("DRAWBRIDGE_TRAY_DATA"), Keystore: keystore.Env(os.LookupEnv), Version: "e2e",
		AskWait: 3 * time.Second, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := tray.Serve(context.Background(), app, tray.Options{}, app.Run); err != nil {
		t.Fatal(err)
	}
}

// A program without a configuration has a menu that leads to Setup.
func TestTrayNotSetUp(t *testing.T) {
	s := startTraySession(t)
	startWatcher(t, s.bus)
	app := s.configure(t, rig.AppOptions{})
	app.Program.Config = filepath.Join(t.TempDir(), "none.toml")
	menu := s.run(t, app, app.Flags()...)
	menu.Await("○ Drawbridge is not set up")
	setup := consoleURL(t, app, "/setup")
	rig.WaitFor(t, "Setup to open by itself", func() bool { return s.openedTimes(setup) == 1 })
	for i, row := range []string{"○ Drawbridge is not set up", "Open Setup…"} {
		menu.Click(row)
		rig.WaitFor(t, row+" to open Setup", func() bool { return s.openedTimes(setup) == 2+i })
	}
	menu.Click("Check setup…")
	s.openedAddress(t, consoleURL(t, app, "/doctor"))
	if text := menu.Text(); strings.Contains(text, "Retry") || menu.Await("Pause").enabled() {
		t.Errorf("the menu:\n%s", text)
	}
	menu.Click("Quit")
	endedWell(t, app)
}
