package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// program is what a process is started with.
type program struct {
	path string // absolute
	args []string
	env  []string
	dir  string
}

// process is a running server behind its keeper.
type process struct {
	stdin, stdout, stderr *os.File // our ends
	lifeline              *os.File
	done                  chan struct{} // closed when the keeper has ended, and all that it kept
	status                string        // how it ended; set before done is closed
	stopping              sync.Once
}

// grace is what a server has to end after each request to do so.
type grace struct {
	eof  time.Duration // after its stdin has closed
	term time.Duration // after SIGTERM
}

// starter starts keepers from one thread that lives as long as the program: on
// Linux a keeper gets a signal when the thread that started it ends.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		lockThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func startProcess(p program) (*process, error) {
	if !childReady.Load() {
		return nil, errors.New("this program does not call mount.ChildMain")
	}
	path, err := self()
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
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	handle := passLifeline(cmd, theirs[3])
	cmd.Args = append([]string{os.Args[0], childArg, handle, p.path}, p.args...)
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	err = <-started
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return nil, err
	}
	proc := &process{stdin: ours[0], stdout: ours[1], stderr: ours[2], lifeline: ours[3], done: make(chan struct{})}
	go proc.wait(cmd)
	return proc, nil
}

// wait collects the keeper. Somebody who got away may still hold the other ends
// of the pipes, so reading from them ends soon.
func (p *process) wait(cmd *exec.Cmd) {
	_ = cmd.Wait()
	p.status = cmd.ProcessState.String()
	if code := cmd.ProcessState.ExitCode(); code > 128 && code < 128+65 {
		p.status = fmt.Sprintf("signal %d", code-128)
	}
	soon := time.Now().Add(500 * time.Millisecond)
	_ = p.stdout.SetReadDeadline(soon)
	_ = p.stderr.SetReadDeadline(soon)
	_ = p.stdin.Close()
	_ = p.lifeline.Close()
	close(p.done)
}

// stop ends the process: end of stdin, then SIGTERM to its group, then SIGKILL
// to all that is left (MCP 2026-07-28, stdio, "Shutdown"). It returns when it
// has ended.
func (p *process) stop(g grace) {
	p.stopping.Do(func() {
		_ = p.stdin.Close()
		if p.endsIn(g.eof) {
			return
		}
		_, _ = p.lifeline.Write([]byte{orderTerm})
		if p.endsIn(g.term) {
			return
		}
		_, _ = p.lifeline.Write([]byte{orderKill})
	})
	<-p.done
}

func (p *process) endsIn(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}
