//go:build unix && !linux

package process

import "syscall"

func adopt() {}

func serverAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func descendants() []int { return nil }
