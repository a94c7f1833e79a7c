package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// inherited is what a server sees of Drawbridge's own environment: the set of
// the MCP SDKs. Nothing else is passed on, since a server is somebody else's
// program and the rest may hold secrets.
func inherited() []string {
	if runtime.GOOS == "windows" {
		return []string{"APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE",
			"SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE", "PROGRAMFILES", "COMSPEC", "WINDIR"}
	}
	return []string{"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER"}
}

// Environ returns the environment of a server, with its own settings on top.
func Environ(own map[string]string) []string {
	vars := make(map[string]string)
	for _, name := range inherited() {
		// A value that starts with "()" is a function of an old shell.
		if value, ok := os.LookupEnv(name); ok && !strings.HasPrefix(value, "()") {
			vars[name] = value
		}
	}
	vars["PATH"] = searchPath(vars["PATH"])
	for name, value := range own {
		if runtime.GOOS == "windows" {
			name = strings.ToUpper(name) // there names are the same in any case
		}
		vars[name] = value
	}
	env := make([]string, 0, len(vars))
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// searchPath adds to path the folders where package managers put programs. A
// program launched from a desktop knows little of what the person's shell does.
func searchPath(path string) string {
	folders := filepath.SplitList(path)
	home, _ := os.UserHomeDir()
	for _, folder := range usualFolders(home) {
		if info, err := os.Stat(folder); err == nil && info.IsDir() && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return strings.Join(folders, string(os.PathListSeparator))
}

func usualFolders(home string) []string {
	var folders []string
	if home != "" {
		for _, sub := range []string{".local/bin", "bin", ".cargo/bin", ".bun/bin", ".deno/bin", ".volta/bin", "go/bin",
			".asdf/shims", ".local/share/mise/shims", ".npm-global/bin", ".pyenv/shims", ".nvm/current/bin"} {
			folders = append(folders, filepath.Join(home, filepath.FromSlash(sub)))
		}
		folders = append(folders, newestNode(home)...)
	}
	switch runtime.GOOS {
	case "windows":
		return append(folders, filepath.Join(os.Getenv("ProgramFiles"), "nodejs"), filepath.Join(os.Getenv("APPDATA"), "npm"))
	case "darwin":
		folders = append(folders, "/opt/homebrew/bin", "/opt/local/bin")
	case "linux":
		folders = append(folders, "/home/linuxbrew/.linuxbrew/bin", "/snap/bin")
	}
	return append(folders, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
}

// newestNode returns the folder of nvm's newest Node.js, which only a login
// shell knows.
func newestNode(home string) []string {
	found, _ := filepath.Glob(filepath.Join(home, ".nvm", "versions", "node", "v*", "bin"))
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b string) int {
		if len(a) != len(b) { // v9 before v20
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return found[len(found)-1:]
}

// Find returns the absolute path of command, looked up as the server's
// own shell would: in the PATH of env, or from dir.
func Find(command, dir string, env []string) (string, error) {
	if strings.ContainsAny(command, `/\`) || filepath.IsAbs(command) {
		if !filepath.IsAbs(command) {
			command = filepath.Join(dir, command)
		}
		return exec.LookPath(command)
	}
	var path string
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			continue // what "." means depends on who asks
		}
		if found, err := exec.LookPath(filepath.Join(folder, command)); err == nil {
			return found, nil
		}
	}
	return "", exec.ErrNotFound
}
