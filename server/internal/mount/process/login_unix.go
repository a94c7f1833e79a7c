//go:build unix

package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// loginTime is what a login shell has to say its PATH.
const loginTime = 3 * time.Second

// loginPath asks the person's login shell for its PATH, once. What it prints is
// taken for a list of folders and nothing else.
var loginPath = sync.OnceValue(func() string { return askLogin(os.Getenv("SHELL"), loginTime) })

func askLogin(shell string, bound time.Duration) string {
	if !filepath.IsAbs(shell) {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	// Interactive, since that is where people write such lines; env prints what a
	// shell of any kind has exported.
	cmd := exec.CommandContext(ctx, shell, "-l", "-i", "-c", "/usr/bin/env")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it has no terminal to wait for
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out limited
	cmd.Stdout = &out
	_ = cmd.Run() // what it printed until then counts
	path := ""
	for line := range strings.SplitSeq(string(out.kept), "\n") {
		if value, ok := strings.CutPrefix(line, "PATH="); ok {
			path = value
		}
	}
	return path
}

// limited keeps the first 256 KiB.
type limited struct{ kept []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p[:min(len(p), 256<<10-len(l.kept))]...)
	return len(p), nil
}
