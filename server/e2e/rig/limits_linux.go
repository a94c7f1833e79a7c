package rig

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TinyDisk mounts a file system of its own, of size bytes, until the test ends.
func TinyDisk(t testing.TB, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("drawbridge-test", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0700,size="+size); err != nil {
		Missing(t, "the right to mount a tmpfs (root; "+err.Error()+")")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Ration changes a limit of the running program.
func (app *App) Ration(t testing.TB, resource int, n uint64) {
	t.Helper()
	var old unix.Rlimit
	pid := app.Program.Script.Cmd.Process.Pid
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: n, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
}

// OpenFiles counts what the running program has open.
func (app *App) OpenFiles(t testing.TB) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", app.Program.Script.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Resident is how much memory the running program holds, and the most it has.
func (app *App) Resident(t testing.TB) (now, peak int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", app.Program.Script.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &now)
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &peak)
	}
	return now << 10, peak << 10
}
