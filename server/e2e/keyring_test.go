package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The real program with a real keychain: setup puts the client secret there,
// run adds its data key, other programs see both, and once the keychain is
// locked the program says so instead of hanging.
func TestKeychain(t *testing.T) {
	path, err := binary() // before the home folder changes: Go's caches are there
	if err != nil {
		t.Fatal(err)
	}
	ring := keyringtest.Start(t)
	keyringtest.Need(t, "secret-tool", "libsecret-tools")
	provider := startDemoProvider(t)
	dir := t.TempDir()
	app := &App{t: t, URL: fmt.Sprintf("http://127.0.0.1:%d", freePort(t))}
	app.MCPURL = app.URL + "/mcp"
	app.Options.DataDir = filepath.Join(dir, "data")
	place := []string{"--config", filepath.Join(dir, "config.toml"), "--data", app.Options.DataDir}

	setup := startProcess(t, nil, path, append([]string{"setup", "--issuer", provider.Issuer, "--client-id", demo.ClientID, "--anyone",
		"--tunnel", "none", "--listen", strings.TrimPrefix(app.URL, "http://"), "--secret-stdin"}, place...)...)
	fmt.Fprintln(setup.stdin, demo.ClientSecret)
	_ = setup.stdin.Close()
	if out, code := setup.Wait(); code != 0 {
		t.Fatalf("setup: exit code %d\n%s\n%s", code, out, setup.log)
	}
	if got := lookup(t, "idp-client-secret"); got != demo.ClientSecret {
		t.Error("secret-tool does not see the client secret as it was given")
	}

	run := startProcess(t, nil, path, append([]string{"run", "--headless"}, place...)...)
	app.waitForState(t, place, status.Ready)
	if len(lookup(t, "data-key")) != 44 { // base64 of 32 bytes
		t.Error("secret-tool sees no data key")
	}
	tokens := app.SignIn(t, NewBrowser(t), app.Register(t, clientURI), "alice")
	_ = run.cmd.Process.Signal(syscall.SIGTERM)
	if _, code := run.Wait(); code != 0 {
		t.Errorf("run: exit code %d after SIGTERM\n%s", code, run.log)
	}

	ring.Lock(t)
	start := time.Now()
	locked := startProcess(t, nil, path, append([]string{"run", "--headless"}, place...)...)
	st := app.waitForState(t, place, status.Error)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v to say that the keychain is locked", took)
	}
	if !strings.Contains(st.Error, "locked") || !strings.Contains(st.Error, "unlock") {
		t.Errorf("status does not say what to do: %q", st.Error)
	}
	if r := app.MCP(t, tokens.Access).Initialize(); r.Status != 503 {
		t.Errorf("with a locked keychain /mcp answers %d, want 503", r.Status)
	}
	_ = locked.cmd.Process.Signal(syscall.SIGTERM)
	locked.Wait()
}

// waitForState asks `drawbridge status` until the program is in this state.
func (app *App) waitForState(t *testing.T, place []string, want status.State) (st status.Status) {
	t.Helper()
	waitFor(t, "state "+string(want), func() bool {
		out, code := runCommand(t, nil, append([]string{"status", "--json"}, place...)...)
		return code == 0 && json.Unmarshal([]byte(out), &st) == nil && st.State == want
	})
	return st
}

func lookup(t *testing.T, account string) string {
	t.Helper()
	out, err := exec.Command("secret-tool", "lookup", "service", "drawbridge", "username", account).Output()
	if err != nil {
		t.Errorf("secret-tool lookup %s: %v", account, err)
	}
	return string(out)
}
