//go:build unix

package keystore

import (
	"os"
	"os/exec"
	"syscall"
)

// detach puts the child into a process group of its own, which ends with it:
// on macOS it starts another program, whose window would else stay behind.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// endChild ends this child and what it has started.
func endChild() {
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
	os.Exit(1)
}
