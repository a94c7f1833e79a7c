//go:build unix && !linux

package process

import "syscall"

func adopt() {}

func ownGroup(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func descendants() []int { return nil }
