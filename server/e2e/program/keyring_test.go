package program

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The real program with a real keychain: setup puts the client secret there,
// run adds its data key, other programs see both, and once the keychain is
// locked the program says so instead of hanging.
func TestKeychain(t *testing.T) {
	path, err := rig.Binary() // before the home folder changes: Go's caches are there
	if err != nil {
		t.Fatal(err)
	}
	ring := keyringtest.Start(t)
	keyringtest.Need(t, "secret-tool", "libsecret-tools")
	provider := rig.StartDemoProvider(t)
	dir := t.TempDir()
	app := &rig.App{T: t, URL: fmt.Sprintf("http://127.0.0.1:%d", rig.FreePort(t))}
	app.MCPURL = app.URL + "/mcp"
	app.Options.DataDir = filepath.Join(dir, "data")
	place := []string{"--config", filepath.Join(dir, "config.toml"), "--data", app.Options.DataDir}

	setup := rig.StartProcess(t, nil, path, append([]string{"setup", "--issuer", provider.Issuer, "--client-id", demo.ClientID, "--anyone",
		"--tunnel", "none", "--listen", strings.TrimPrefix(app.URL, "http://"), "--secret-stdin"}, place...)...)
	fmt.Fprintln(setup.Stdin, demo.ClientSecret)
	_ = setup.Stdin.Close()
	if out, code := setup.Wait(); code != 0 {
		t.Fatalf("setup: exit code %d\n%s\n%s", code, out, setup.Log)
	}
	if got := lookup(t, "idp-client-secret"); got != demo.ClientSecret {
		t.Error("secret-tool does not see the client secret as it was given")
	}

	run := rig.StartProcess(t, nil, path, append([]string{"run", "--headless"}, place...)...)
	app.WaitForState(t, place, status.Ready)
	if len(lookup(t, "data-key")) != 44 { // base64 of 32 bytes
		t.Error("secret-tool sees no data key")
	}
	tokens := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	_ = run.Cmd.Process.Signal(syscall.SIGTERM)
	if _, code := run.Wait(); code != 0 {
		t.Errorf("run: exit code %d after SIGTERM\n%s", code, run.Log)
	}

	ring.Lock(t)
	start := time.Now()
	locked := rig.StartProcess(t, nil, path, append([]string{"run", "--headless"}, place...)...)
	st := app.WaitForState(t, place, status.Error)
	if took := time.Since(start); took > 20*time.Second { // a question to the keychain ends after 2.5 s; the rest is a busy machine's
		t.Errorf("it took %v to say that the keychain is locked", took)
	}
	if !strings.Contains(st.Error, "locked") || !strings.Contains(st.Error, "unlock") {
		t.Errorf("status does not say what to do: %q", st.Error)
	}
	if r := app.MCP(t, tokens.Access).Initialize(); r.Status != 503 {
		t.Errorf("with a locked keychain /mcp answers %d, want 503", r.Status)
	}
	_ = locked.Cmd.Process.Signal(syscall.SIGTERM)
	locked.Wait()
}

func lookup(t *testing.T, account string) string {
	t.Helper()
	out, err := exec.Command("secret-tool", "lookup", "service", "drawbridge", "username", account).Output()
	if err != nil {
		t.Errorf("secret-tool lookup %s: %v", account, err)
	}
	return string(out)
}
