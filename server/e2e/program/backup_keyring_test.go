package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// On another computer, whose keychain has no data key, sessions go on by a backup
// with a passphrase, and are refused without.
func TestBackupToAnotherComputer(t *testing.T) {
	path, err := rig.PlainBinary() // the race detector makes minutes of the second that a passphrase takes
	if err == nil {
		_, err = rig.Binary() // which asks for the status; built before the home folder changes: Go's caches are there
	}
	if err != nil {
		t.Fatal(err)
	}
	keyringtest.Start(t)
	keyringtest.Need(t, "secret-tool", "libsecret-tools")
	provider := rig.StartDemoProvider(t)
	dir := t.TempDir()
	app := &rig.App{T: t, URL: fmt.Sprintf("http://127.0.0.1:%d", rig.FreePort(t))}
	app.MCPURL, app.Options.DataDir = app.URL+"/mcp", filepath.Join(dir, "data")
	config := filepath.Join(dir, "config.toml")
	place := []string{"--config", config, "--data", app.Options.DataDir}
	typed := func(want int, says, in string, args ...string) {
		t.Helper()
		p := rig.StartProcess(t, nil, path, append(args, place...)...)
		_, _ = fmt.Fprintln(p.Stdin, in)
		_ = p.Stdin.Close()
		out, code := p.Wait()
		if said := strings.Join(strings.Fields(string(out)+p.Log.String()), " "); code != want || !strings.Contains(said, says) {
			t.Fatalf("%v: exit code %d, want %d and %q:\n%s", args, code, want, says, said)
		}
	}
	typed(0, "", demo.ClientSecret, "setup", "--issuer", provider.Issuer, "--client-id", demo.ClientID, "--anyone",
		"--tunnel", "none", "--listen", strings.TrimPrefix(app.URL, "http://"), "--secret-stdin")
	run := rig.StartProcess(t, nil, path, append([]string{"run", "--headless"}, place...)...)
	app.WaitForState(t, place, status.Ready)
	tokens := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	file, plain := filepath.Join(dir, "sealed"), filepath.Join(dir, "plain")
	typed(0, "the data key that opens them", "correct horse battery", "backup", file, "--passphrase")
	typed(0, "Saved", "", "backup", plain)
	key := lookup(t, "data-key")
	_ = run.Cmd.Process.Signal(syscall.SIGTERM)
	run.Wait()

	for _, gone := range []string{app.Options.DataDir, config} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	for _, account := range []string{"data-key", "idp-client-secret"} {
		if out, err := exec.Command("secret-tool", "clear", "service", "drawbridge", "username", account).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	typed(1, "the keychain has no data key", "", "restore", plain)
	typed(1, "not the passphrase", "another passphrase", "restore", file)
	typed(0, "enter it anew: the client secret", "correct horse battery", "restore", file)
	if lookup(t, "data-key") != key {
		t.Error("the keychain has another data key than before")
	}
	rig.StartProcess(t, nil, path, append([]string{"run", "--headless"}, place...)...)
	app.WaitForState(t, place, status.Ready)
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "moved"}); got != "Echo: moved" {
		t.Errorf("echo gave %q", got)
	}
}
