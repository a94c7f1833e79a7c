package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// NotFoundError says that a program is nowhere.
type NotFoundError struct{ Folders []string } // where it was looked for

func (e *NotFoundError) Error() string { return "not found in " + strings.Join(e.Folders, ", ") }

// Find sets the path of p to that of command, looked up as the server's own shell
// would: in the PATH of p.Env, then in that of the person's login shell, or from
// p.Dir. What is found behind the PATH that Drawbridge has itself comes first in
// the server's: npx starts the node that stands beside it, not an older one of
// the system. The error is a [NotFoundError] or the file's.
func (p *Program) Find(command string) error {
	if strings.ContainsAny(command, `/\`) || filepath.IsAbs(command) {
		if !filepath.IsAbs(command) {
			command = filepath.Join(p.Dir, command)
		}
		var err error
		p.Path, err = exec.LookPath(command)
		return err
	}
	at := slices.IndexFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	if at < 0 {
		return &NotFoundError{}
	}
	folders := filepath.SplitList(strings.TrimPrefix(p.Env[at], "PATH="))
	if !p.look(command, folders) {
		added := folders
		for _, folder := range filepath.SplitList(loginPath()) {
			if filepath.IsAbs(folder) && !slices.Contains(added, folder) && isFolder(folder) {
				added = append(added, folder)
			}
		}
		if !p.look(command, added[len(folders):]) {
			return &NotFoundError{added}
		}
		folders = added
	}
	if folder := filepath.Dir(p.Path); !slices.Contains(filepath.SplitList(os.Getenv("PATH")), folder) {
		folders = append([]string{folder}, slices.DeleteFunc(slices.Clone(folders), func(f string) bool { return f == folder })...)
	}
	p.Env = slices.Clone(p.Env)
	p.Env[at] = "PATH=" + strings.Join(folders, string(os.PathListSeparator))
	return nil
}

// look sets the path of p to that of command in the first of folders that has it.
func (p *Program) look(command string, folders []string) bool {
	for _, folder := range folders {
		if !filepath.IsAbs(folder) {
			continue // what "." means depends on who asks
		}
		if found, err := exec.LookPath(filepath.Join(folder, command)); err == nil {
			p.Path = found
			return true
		}
	}
	return false
}

// HasArguments reports whether command looks like a whole command line.
func HasArguments(command string) bool {
	first, _, ok := strings.Cut(command, " ")
	_, err := os.Stat(command)
	return ok && errors.Is(err, os.ErrNotExist) && (!strings.ContainsAny(first, `/\`) || runtime.GOOS != "windows")
}
