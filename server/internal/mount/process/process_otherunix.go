//go:build unix && !linux

package process

import "syscall"

func lockThread() {}

func keeperAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
