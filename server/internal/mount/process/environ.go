package process

import (
	"os"
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

// searchPath adds to path the usual folders that there are.
func searchPath(path string) string {
	folders := filepath.SplitList(path)
	home, _ := os.UserHomeDir()
	for _, folder := range usualFolders(home) {
		if isFolder(folder) && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return strings.Join(folders, string(os.PathListSeparator))
}
