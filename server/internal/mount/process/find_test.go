//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// place makes an executable file.
func place(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// atHome has the person's home be an empty folder, as for a program that a
// desktop has started.
func atHome(t *testing.T) string {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", "/usr/bin:/bin")
	for _, name := range []string{"NVM_DIR", "FNM_DIR", "PNPM_HOME", "VOLTA_HOME", "ASDF_DATA_DIR", "MISE_DATA_DIR", "PYENV_ROOT", "NODENV_ROOT", "N_PREFIX", "SHELL"} {
		t.Setenv(name, "")
	}
	return home
}

// TestNvm has what nvm's own alias says, then the newest by number.
func TestNvm(t *testing.T) {
	versions := []string{"v18.20.8", "v22.9.0", "v22.10.0", "v9.11.2", "v20.0.1"}
	for _, c := range []struct {
		aliases map[string]string
		want    string
	}{
		{nil, "v22.10.0"},
		{map[string]string{"default": "v18.20.8\n"}, "v18.20.8"},
		{map[string]string{"default": "18"}, "v18.20.8"},
		{map[string]string{"default": "22"}, "v22.10.0"},
		{map[string]string{"default": "22.9"}, "v22.9.0"},
		{map[string]string{"default": "node"}, "v22.10.0"},
		{map[string]string{"default": "stable"}, "v22.10.0"},
		{map[string]string{"default": "lts/*", "lts/*": "lts/iron", "lts/iron": "v20.0.1"}, "v20.0.1"},
		{map[string]string{"default": "mine", "mine": "9"}, "v9.11.2"},
		{map[string]string{"default": "mine", "mine": "default"}, "v22.10.0"}, // a circle
		{map[string]string{"default": "v99.0.0"}, "v22.10.0"},
		{map[string]string{"default": "../../../etc/passwd"}, "v22.10.0"},
		{map[string]string{"default": ""}, "v22.10.0"},
	} {
		home := atHome(t)
		for _, v := range versions {
			place(t, filepath.Join(home, ".nvm/versions/node", v, "bin/server-of-mine"))
		}
		for name, text := range c.aliases {
			write(t, filepath.Join(home, ".nvm/alias", name), text)
		}
		p := Program{Env: Environ(nil)}
		if err := p.Find("server-of-mine"); err != nil || p.Path != filepath.Join(home, ".nvm/versions/node", c.want, "bin/server-of-mine") {
			t.Errorf("%v: %s, %v, want %s", c.aliases, p.Path, err, c.want)
		}
	}
}

// TestManagers has each manager's own folder, as its documentation names it.
func TestManagers(t *testing.T) {
	for _, folder := range []string{".local/share/fnm/node-versions/v22.9.0/installation/bin", ".fnm/node-versions/v9.0.0/installation/bin", ".local/share/fnm/aliases/default/bin", ".local/share/pnpm", "Library/pnpm",
		".volta/bin", ".asdf/shims", ".local/share/mise/shims", ".nodenv/shims", "n/bin", ".bun/bin", ".deno/bin", ".cargo/bin", ".local/bin", ".pyenv/shims", "miniconda3/bin", "miniforge3/condabin",
		".pixi/bin", ".nix-profile/bin", ".npm-global/bin", ".yarn/bin", ".nodebrew/current/bin", ".nvm/current/bin", ".proto/shims", "go/bin", ".rye/shims"} {
		home := atHome(t)
		want := place(t, filepath.Join(home, folder, "server-of-mine"))
		p := Program{Env: Environ(nil)}
		if err := p.Find("server-of-mine"); err != nil || p.Path != want {
			t.Errorf("%s: %s, %v", folder, p.Path, err)
			continue
		}
		if path := value(p.Env, "PATH"); !strings.HasPrefix(path, filepath.Dir(want)+":") || strings.Count(path, filepath.Dir(want)+":") != 1 || !strings.Contains(path, "/usr/bin:/bin") {
			t.Errorf("%s: the server's PATH is %s", folder, path)
		}
	}
	home := atHome(t)
	want := place(t, filepath.Join(home, ".config/nvm/versions/node/v20.1.0/bin/server-of-mine"))
	p := Program{Env: Environ(nil)}
	if err := p.Find("server-of-mine"); err != nil || p.Path != want {
		t.Errorf("nvm in .config: %s, %v", p.Path, err)
	}
	for variable, sub := range map[string]string{"NVM_DIR": "versions/node/v20.1.0/bin", "FNM_DIR": "aliases/default/bin", "PNPM_HOME": "", "VOLTA_HOME": "bin", "N_PREFIX": "bin", "ASDF_DATA_DIR": "shims"} {
		atHome(t)
		elsewhere := t.TempDir()
		t.Setenv(variable, elsewhere)
		want := place(t, filepath.Join(elsewhere, sub, "server-of-mine"))
		p := Program{Env: Environ(nil)}
		if err := p.Find("server-of-mine"); err != nil || p.Path != want {
			t.Errorf("%s: %s, %v", variable, p.Path, err)
		}
	}
}

func value(env []string, name string) string {
	for _, v := range env {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			return text
		}
	}
	return ""
}

func TestNotFound(t *testing.T) {
	home := atHome(t)
	place(t, filepath.Join(home, ".volta/bin/other"))
	p := Program{Env: Environ(map[string]string{"PATH": "/usr/bin:relative:" + home})}
	err := p.Find("server-of-mine")
	var e *NotFoundError
	if !errors.As(err, &e) || !slices.Equal(e.Folders, []string{"/usr/bin", "relative", home}) {
		t.Errorf("with a PATH of its own: %v", err)
	}
	p = Program{Env: Environ(nil)}
	if err := p.Find("server-of-mine"); !errors.As(err, &e) || !slices.Contains(e.Folders, filepath.Join(home, ".volta/bin")) || !slices.Contains(e.Folders, "/usr/bin") {
		t.Errorf("with Drawbridge's: %v", err)
	}
	for command, want := range map[string]bool{"npx -y server": true, "npx": false, "uvx mcp": true, "/usr/bin/env node": true} {
		if HasArguments(command) != want {
			t.Errorf("%q: %v", command, !want)
		}
	}
	spaced := place(t, filepath.Join(home, "My Programs/x"))
	if HasArguments(spaced) {
		t.Error("a path with a space")
	}
}

// TestLoginShell has shells that say what their files set, and some that misbehave.
func TestLoginShell(t *testing.T) {
	home := atHome(t)
	for name, c := range map[string]struct{ script, want string }{
		"says":    {"echo Welcome\necho PATH=/a:/b\n", "/a:/b"},
		"env":     {"export PATH=/from/profile:$PATH\n\"$@\" 2>/dev/null || exec /usr/bin/env\n", "/from/profile:/usr/bin:/bin"},
		"nothing": {"exit 3\n", ""},
		"noise":   {"yes | head -c 1000000\necho PATH=/late\n", ""},
	} {
		shell := filepath.Join(home, "sh-"+name)
		write(t, shell, "#!/bin/sh\n"+c.script)
		if err := os.Chmod(shell, 0o700); err != nil {
			t.Fatal(err)
		}
		if got := askLogin(shell, time.Minute); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	shell := filepath.Join(home, "hangs")
	write(t, shell, "#!/bin/sh\necho PATH=/early\nsleep 600 & echo $! >"+home+"/pid; wait\n")
	if err := os.Chmod(shell, 0o700); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if got := askLogin(shell, time.Second); got != "/early" || time.Since(start) > 30*time.Second {
		t.Errorf("one that hangs: %q after %v", got, time.Since(start))
	}
	pid, _ := os.ReadFile(home + "/pid")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what it started lives on")
		}
	}
	if got := askLogin("sh", time.Second); got != "" {
		t.Errorf("a shell by its name: %q", got)
	}
}

func FuzzVersion(f *testing.F) {
	f.Add("v18.20.8")
	f.Add("v")
	f.Fuzz(func(t *testing.T, text string) { _ = fmt.Sprint(versionIn("/a/" + text + "/bin")) })
}
