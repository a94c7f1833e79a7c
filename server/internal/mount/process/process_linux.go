package process

import (
	"runtime"
	"syscall"
)

func lockThread() { runtime.LockOSThread() }

// keeperAttr tells the keeper of our death a second way. The signal is one that
// it can catch, since it has others to end.
func keeperAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
