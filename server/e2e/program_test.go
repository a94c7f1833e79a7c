package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestMain(m *testing.M) {
	server.ChildMain()
	if tools, err := strconv.Atoi(os.Getenv(stdioEnv)); err == nil {
		serveStdio(tools)
		return
	}
	if os.Getenv(bareEnv) != "" {
		serveBare()
		return
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else each command lingers for a second
	code := m.Run()
	_ = os.RemoveAll(binDir)
	os.Exit(code)
}

var binDir string

// binary builds the real program, once a test run, with the race detector if
// the tests have it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "drawbridge-e2e")
	if err != nil {
		return "", err
	}
	binDir = dir
	args := []string{"build", "-o", filepath.Join(dir, "drawbridge")}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(dir, "drawbridge"), nil
})

// program is Drawbridge as a process of its own.
type program struct {
	env    []string
	config string // path of config.toml
	logs   string // folder of stdout and stderr; "" keeps the newest of them only
	script *Script
}

// StartBinary starts the real program, with a configuration file and its
// secrets in the environment, until the test ends. It can be killed.
func StartBinary(t testing.TB, o AppOptions) *App {
	t.Helper()
	app := &App{t: t}
	app.prepare(o)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	secret, err := app.Options.Keystore.Get(t.Context(), keystore.IDPClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	app.config.Listen = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	app.program = &program{
		env: append(homeless(t), "DRAWBRIDGE_IDP_CLIENT_SECRET="+secret.Reveal(),
			"DRAWBRIDGE_DATA_KEY="+base64.StdEncoding.EncodeToString(key)),
		logs:   o.LogDir,
		config: filepath.Join(t.TempDir(), "config.toml"),
	}
	app.program.env = append(app.program.env, o.Env...)
	if err := config.Save(app.program.config, app.config); err != nil {
		t.Fatal(err)
	}
	app.startProgram()
	return app
}

func (app *App) startProgram() {
	app.t.Helper()
	path, err := binary()
	if err != nil {
		app.t.Fatal(err)
	}
	p := app.program
	run := append([]string{"run", "--headless"}, app.flags()...)
	if p.logs != "" { // exec: the process that the test sees is Drawbridge itself
		run = append([]string{"-c", `cd "$0" && exec "$@" >>stdout 2>>stderr`, p.logs, path, "--verbose"}, run...)
		path = "/bin/sh"
	}
	p.script = startProcess(app.t, p.env, path, run...)
	app.Log = p.script.log
	lines := p.script.lines
	go func() { // nobody reads what run says; the pipe must not fill
		for range lines {
		}
	}()
	waitFor(app.t, "the program to be ready", func() bool {
		c, err := control.Dial(app.Options.DataDir)
		if err != nil {
			return false
		}
		defer c.Close()
		st, err := c.Status(app.t.Context())
		return err == nil && st.State == status.Ready
	})
	app.setAddress(app.Status(app.t))
	app.stop = func() {
		_ = p.script.cmd.Process.Signal(syscall.SIGTERM)
		p.wait()
		app.stop = func() {}
	}
	app.t.Cleanup(func() { app.stop() })
}

// Kill ends the program without warning (kill -9).
func (app *App) Kill() {
	_ = app.program.script.cmd.Process.Kill()
	app.program.wait()
}

// wait returns the exit code, once the program has ended.
func (p *program) wait() int {
	_, code := p.script.Wait()
	return code
}

// flags are those that lead a command to this instance.
func (app *App) flags() []string {
	return []string{"--config", app.program.config, "--data", app.Options.DataDir, "--keystore", "env"}
}

// Command runs a command of the program against this instance. It returns
// standard output and the exit code.
func (app *App) Command(args ...string) (stdout string, code int) {
	app.t.Helper()
	return runCommand(app.t, app.program.env, append(args, app.flags()...)...)
}

// runCommand runs the program to its end.
func runCommand(t testing.TB, env []string, args ...string) (stdout string, code int) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startProcess(t, env, path, args...).Wait()
}

// homeless is the environment of somebody with an empty home folder and no
// desktop.
func homeless(t testing.TB) []string {
	home := t.TempDir()
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home + "/config", "XDG_DATA_HOME=" + home + "/data",
		"DISPLAY=", "WAYLAND_DISPLAY=", "DBUS_SESSION_BUS_ADDRESS="}
}
