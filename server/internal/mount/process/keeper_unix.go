//go:build unix

package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// passLifeline hands the lifeline's reading end to the keeper, and keeps the
// signals of our terminal from it. It is told of our death a second way, by a
// signal that it can catch, since it has others to end.
func passLifeline(cmd *exec.Cmd, lifeline *os.File) (handle string) {
	cmd.ExtraFiles = []*os.File{lifeline}
	cmd.SysProcAttr = ownGroup(syscall.SIGTERM)
	return "3"
}

// keep runs a server in a process group of its own and returns its exit
// status. What is left of the group when the server ends is ended with it; on
// Linux so are processes that left the group (double fork, setsid), elsewhere
// those live on: no system call finds them.
func keep(lifeline *os.File, argv []string) int {
	syscall.CloseOnExec(int(lifeline.Fd()))
	told := orders(lifeline)
	// A terminal's and the system's signals mean the end, too.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	adopt()
	attr := &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Env: os.Environ(), Sys: ownGroup(syscall.SIGKILL)}
	process, err := os.StartProcess(argv[0], argv, attr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "drawbridge could not start it: %v\n", err)
		return notStarted
	}
	group := process.Pid
	// The ends of the pipes must be the server's alone, so that each peer
	// learns when the other closes one.
	for _, f := range attr.Files {
		_ = f.Close()
	}
	ended := make(chan syscall.WaitStatus, 1)
	reaped := make(chan struct{})
	go reap(group, ended, reaped)
	for {
		select {
		case status := <-ended:
			killAll(group, reaped)
			if status.Signaled() {
				return 128 + int(status.Signal()) // as shells say it
			}
			return status.ExitStatus()
		case order := <-told:
			if order == orderKill {
				killAll(group, reaped)
				return 128 + int(syscall.SIGKILL)
			}
			_ = syscall.Kill(-group, syscall.SIGTERM)
		case <-signals:
			_ = syscall.Kill(-group, syscall.SIGTERM)
			time.AfterFunc(exitGrace, func() { _ = syscall.Kill(-group, syscall.SIGKILL) })
		}
	}
}

// reap collects every child: the server, and on Linux the orphans that come to
// the keeper. It closes reaped once there is none.
func reap(server int, ended chan<- syscall.WaitStatus, reaped chan<- struct{}) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			close(reaped)
			return
		case pid == server:
			ended <- status
		}
	}
}

// killAll ends the group, and what else there is of the server, until nothing
// is left or nothing helps.
func killAll(group int, reaped <-chan struct{}) {
	giveUp := time.After(5 * time.Second)
	for {
		_ = syscall.Kill(-group, syscall.SIGKILL)
		for _, pid := range descendants() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-reaped:
			return
		case <-giveUp: // one that runs as somebody else, or hangs in the kernel
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}
