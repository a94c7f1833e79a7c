// Package process starts the programs of mounted servers, each behind a keeper
// that ends it and all that it started, however Drawbridge itself ends; it
// knows their environment, and where programs are.
//
// It reads no message of theirs and no configuration. Start at [Start].
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
)

// Program is what a process is started with.
type Program struct {
	Path string // absolute
	Args []string
	Env  []string
	Dir  string
}

// Process is a running server behind its keeper.
type Process struct {
	Stdin, Stdout, Stderr *os.File      // our ends
	Done                  chan struct{} // closed when the keeper has ended, and all that it kept
	Status                string        // how it ended; set before Done is closed
	NotStarted            bool          // the program could not be run, as stderr says; set before Done is closed

	lifeline *os.File
	stopping sync.Once
}

// Grace is what a server has to end after each request to do so.
type Grace struct {
	EOF  time.Duration // after its stdin has closed
	Term time.Duration // after SIGTERM
}

// starter starts keepers from one thread that lives as long as the program: on
// Linux a keeper gets a signal when the thread that started it ends.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// Start starts p. The caller reads Stdout and Stderr to their ends, and calls
// Stop unless the process ended by itself.
func Start(p Program) (*Process, error) {
	if !keeperReady.Load() {
		return nil, errors.New("this program does not call process.KeeperMain")
	}
	path, err := keystore.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	var theirs, ours [4]*os.File // stdin, stdout, stderr, lifeline
	closeAll := func(files [4]*os.File) {
		for _, f := range files {
			_ = f.Close() // no error for nil but ErrInvalid
		}
	}
	for i := range theirs {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(theirs)
			closeAll(ours)
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		theirs[i], ours[i] = r, w
		if i == 1 || i == 2 {
			theirs[i], ours[i] = w, r
		}
	}
	cmd := exec.Command(path)
	cmd.Dir, cmd.Env = p.Dir, p.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	handle := passLifeline(cmd, theirs[3])
	cmd.Args = append([]string{os.Args[0], keeperArg, handle, p.Path}, p.Args...)
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	err = <-started
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return nil, err
	}
	proc := &Process{Stdin: ours[0], Stdout: ours[1], Stderr: ours[2], lifeline: ours[3], Done: make(chan struct{})}
	go proc.wait(cmd)
	return proc, nil
}

// wait collects the keeper. Somebody who got away may still hold the other ends
// of the pipes, so reading from them ends soon.
func (p *Process) wait(cmd *exec.Cmd) {
	_ = cmd.Wait()
	p.Status = cmd.ProcessState.String()
	code := cmd.ProcessState.ExitCode()
	p.NotStarted = code == notStarted
	if code > 128 && code < 128+65 {
		p.Status = fmt.Sprintf("signal %d", code-128)
	}
	soon := time.Now().Add(500 * time.Millisecond)
	_ = p.Stdout.SetReadDeadline(soon)
	_ = p.Stderr.SetReadDeadline(soon)
	_ = p.Stdin.Close()
	_ = p.lifeline.Close()
	close(p.Done)
}

// Stop ends the process: end of stdin, then SIGTERM to its group, then SIGKILL
// to all that is left (MCP 2026-07-28, stdio, "Shutdown"). It returns when it
// has ended.
func (p *Process) Stop(g Grace) {
	p.stopping.Do(func() {
		_ = p.Stdin.Close()
		if p.EndsIn(g.EOF) {
			return
		}
		_, _ = p.lifeline.Write([]byte{orderTerm})
		if p.EndsIn(g.Term) {
			return
		}
		_, _ = p.lifeline.Write([]byte{orderKill})
	})
	<-p.Done
}

// EndsIn waits until the process has ended, at most d, and reports whether it has.
func (p *Process) EndsIn(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.Done:
		return true
	case <-t.C:
		return false
	}
}
