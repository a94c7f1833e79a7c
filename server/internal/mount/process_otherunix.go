//go:build unix && !linux

package mount

import "syscall"

func lockThread() {}

func keeperAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
