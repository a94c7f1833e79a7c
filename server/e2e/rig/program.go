package rig

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Program is Drawbridge as a process of its own.
type Program struct {
	Env    []string
	Config string // path of config.toml
	logs   string // folder of stdout and stderr; "" keeps the newest of them only
	Script *Script
}

// StartBinary starts the real program, with a configuration file and its
// secrets in the environment, until the test ends. It can be killed.
func StartBinary(t testing.TB, o AppOptions) *App {
	t.Helper()
	app := &App{T: t}
	app.Prepare(o)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	secret, err := app.Options.Keystore.Get(t.Context(), keystore.IDPClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	app.Config.Listen = fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	app.Program = &Program{
		Env: append(Homeless(t), "DRAWBRIDGE_IDP_CLIENT_SECRET="+secret.Reveal(),
			"DRAWBRIDGE_DATA_KEY="+base64.StdEncoding.EncodeToString(key)),
		logs:   o.LogDir,
		Config: cmp.Or(o.ConfigFile, filepath.Join(t.TempDir(), "config.toml")),
	}
	app.Program.Env = append(app.Program.Env, o.Env...)
	if err := SaveConfig(app.Program.Config, app.Config); err != nil {
		t.Fatal(err)
	}
	app.startProgram()
	return app
}

func (app *App) startProgram() {
	app.T.Helper()
	program := Binary
	if app.Options.Plain {
		program = PlainBinary
	}
	path, err := app.Options.Binary, error(nil)
	if path == "" {
		path, err = program()
	}
	if err != nil {
		app.T.Fatal(err)
	}
	p := app.Program
	run := append([]string{"run", "--headless"}, app.Flags()...)
	if p.logs != "" { // exec: the process that the test sees is Drawbridge itself
		run = append([]string{"-c", `cd "$0" && exec "$@" >>stdout 2>>stderr`, p.logs, path, "--verbose"}, run...)
		path = "/bin/sh"
	}
	p.Script = StartProcess(app.T, p.Env, path, run...)
	app.Log = p.Script.Log
	lines := p.Script.Lines
	go func() { // nobody reads what run says; the pipe must not fill
		for range lines {
		}
	}()
	WaitFor(app.T, "the program to be ready", func() bool {
		c, err := control.Dial(app.Options.DataDir)
		if err != nil {
			return false
		}
		defer c.Close()
		st, err := c.Status(app.T.Context())
		return err == nil && st.State == status.Ready
	})
	app.SetAddress(app.Status(app.T))
	app.stop = func() {
		_ = p.Script.Cmd.Process.Signal(syscall.SIGTERM)
		p.wait()
		app.stop = func() {}
	}
	app.T.Cleanup(func() { app.stop() })
}

// Kill ends the program without warning (kill -9).
func (app *App) Kill() {
	_ = app.Program.Script.Cmd.Process.Kill()
	app.Program.wait()
}

// wait returns the exit code, once the program has ended.
func (p *Program) wait() int {
	_, code := p.Script.Wait()
	return code
}

// Flags are those that lead a command to this instance.
func (app *App) Flags() []string {
	return []string{"--config", app.Program.Config, "--data", app.Options.DataDir, "--keystore", "env"}
}

// Command runs a command of the program against this instance. It returns
// standard output and the exit code.
func (app *App) Command(args ...string) (stdout string, code int) {
	app.T.Helper()
	return runCommand(app.T, app.Program.Env, append(args, app.Flags()...)...)
}

// runCommand runs the program to its end.
func runCommand(t testing.TB, env []string, args ...string) (stdout string, code int) {
	t.Helper()
	path, err := Binary()
	if err != nil {
		t.Fatal(err)
	}
	return StartProcess(t, env, path, args...).Wait()
}

// Homeless is the environment of somebody with an empty home folder and no
// desktop.
func Homeless(t testing.TB) []string {
	home := t.TempDir()
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home + "/config", "XDG_DATA_HOME=" + home + "/data",
		"DISPLAY=", "WAYLAND_DISPLAY=", "DBUS_SESSION_BUS_ADDRESS="}
}

// CommandJSON runs a command that must succeed and decodes what it prints.
func (app *App) CommandJSON(t *testing.T, v any, args ...string) {
	t.Helper()
	out, code := app.Command(args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d", args, code)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v: %v: %s", args, err, Clip(out))
	}
}

// WaitForState asks `drawbridge status` until the program is in this state.
func (app *App) WaitForState(t *testing.T, place []string, want status.State) (st status.Status) {
	t.Helper()
	WaitFor(t, "state "+string(want), func() bool {
		out, code := runCommand(t, nil, append([]string{"status", "--json"}, place...)...)
		return code == 0 && json.Unmarshal([]byte(out), &st) == nil && st.State == want
	})
	return st
}

// TryRun starts a server that may refuse, and returns why. It does not wait
// for one that runs.
func TryRun(t testing.TB, app *App, keys keystore.Store) error {
	t.Helper()
	srv, err := server.New(server.Options{Config: app.Config, DataDir: app.Options.DataDir, Keystore: keys, Version: "e2e"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err = srv.Run(ctx); err == nil {
		err = errors.New("it ran")
	}
	return err
}

// SaveConfig writes c over what is at path, whatever that is.
func SaveConfig(path string, c config.Config) error {
	draft, err := config.Stage(path, c)
	if err != nil {
		return err
	}
	return draft.Commit()
}
