package program

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// run runs a command against app, and returns all that it said.
func run(t *testing.T, app *rig.App, args ...string) (said string, code int) {
	t.Helper()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := rig.StartProcess(t, app.Program.Env, path, append(args, app.Flags()...)...)
	out, code := p.Wait()
	return string(out) + p.Log.String(), code
}

func must(t *testing.T, app *rig.App, want int, says string, args ...string) {
	t.Helper()
	if said, code := run(t, app, args...); code != want || !strings.Contains(strings.Join(strings.Fields(said), " "), says) {
		t.Fatalf("%v: exit code %d, want %d and %q:\n%s", args, code, want, says, said)
	}
}

// A backup of a running Drawbridge, put back where nothing is left, brings back
// every session that was.
func TestBackupAndRestore(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	before := app.Sessions(t)
	servers := filepath.Join(filepath.Dir(app.Program.Config), "mcp.json")
	if err := os.WriteFile(servers, []byte(`{"mcpServers":{"files":{"command":"true","env":{"K":"${keychain:TOKEN}"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "drawbridge.backup")
	must(t, app, 0, "to be entered anew on another computer: the client secret, the ngrok authtoken", "backup", file)
	must(t, app, 1, "is there already", "backup", file)
	must(t, app, 0, "In it in clear: what stands in mcp.json itself", "backup", file, "--replace")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(app.Options.DataDir, ".drawbridge-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	config, err := os.ReadFile(app.Program.Config)
	if err != nil {
		t.Fatal(err)
	}
	must(t, app, 1, "Stop it with `drawbridge quit`", "restore", file, "--replace")

	later := app.SignIn(t, rig.NewBrowser(t), client, "bob") // after the backup
	app.Stop()
	must(t, app, 1, "there is something already", "restore", file)
	damaged := filepath.Join(t.TempDir(), "damaged")
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(damaged, data[:len(data)-1], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	must(t, app, 1, "is damaged, or no backup", "restore", damaged, "--replace")
	app.Start() // nothing was changed
	app.MCP(t, later.Access).CallTool("echo", map[string]any{"message": "still here"})
	app.Stop()

	for _, path := range []string{app.Options.DataDir, app.Program.Config, servers} { // wiped
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	must(t, app, 0, "enter it anew: DRAWBRIDGE_SERVER_FILES_TOKEN", "restore", file)
	app.Start()
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "back"}); got != "Echo: back" {
		t.Errorf("echo gave %q", got)
	}
	if after := app.Sessions(t); len(after) != 1 || after[0].ID != before[0].ID {
		t.Errorf("sessions %+v, want %+v", after, before)
	}
	app.MustRefresh(t, client, tokens.Refresh)
	if restored, err := os.ReadFile(app.Program.Config); err != nil || !bytes.Equal(restored, config) {
		t.Errorf("config.toml is another: %v", err)
	}
	if restored, err := os.ReadFile(servers); err != nil || !strings.Contains(string(restored), "keychain:TOKEN") {
		t.Errorf("mcp.json is another: %s, %v", restored, err)
	}
}

// Killed at any moment, a restore leaves the old or the new, and both work.
func TestRestoreKilled(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	alice := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	app.Stop()
	old, file := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "new")
	must(t, app, 0, "Saved", "backup", old)
	config, err := os.ReadFile(app.Program.Config)
	if err == nil {
		err = os.WriteFile(app.Program.Config, append([]byte("# the new one\n"), config...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	app.Start()
	bob := app.SignIn(t, rig.NewBrowser(t), client, "bob")
	app.Stop()
	must(t, app, 0, "Saved", "backup", file)
	must(t, app, 0, "Restored", "restore", old, "--replace")
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	was := map[bool]int{}
	limit := 2 * time.Second
	for range 12 {
		p := rig.StartProcess(t, app.Program.Env, path, append([]string{"restore", file, "--replace"}, app.Flags()...)...)
		start := time.Now()
		kill := time.AfterFunc(time.Duration(rand.Int64N(int64(limit))), func() { _ = p.Cmd.Process.Kill() })
		if _, code := p.Wait(); code == 0 {
			limit = time.Since(start) // as long as it takes here
		}
		kill.Stop()
		app.Start()
		text, err := os.ReadFile(app.Program.Config)
		if err != nil {
			t.Fatal(err)
		}
		isNew := strings.HasPrefix(string(text), "# the new one")
		if n := len(app.Sessions(t)); n != 1 && !isNew || n != 2 && isNew {
			t.Fatalf("%d sessions, with the new configuration: %v", n, isNew)
		}
		app.MCP(t, alice.Access).CallTool("echo", map[string]any{"message": "alice"})
		if isNew {
			app.MCP(t, bob.Access).CallTool("echo", map[string]any{"message": "bob"})
		}
		app.Stop()
		was[isNew]++
		must(t, app, 0, "Restored", "restore", old, "--replace")
	}
	t.Logf("killed: the new %d times, the old %d", was[true], was[false])
}
