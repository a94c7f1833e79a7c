package rig

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Missing says that this machine lacks something a test needs: a skip with the
// reason, or a failure where everything has to run (test.sh sees to that).
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("DRAWBRIDGE_TEST_ALL") != "" {
		t.Fatalf("%s is missing, and DRAWBRIDGE_TEST_ALL says that nothing may be left out", what)
	}
	t.Skipf("needs %s: bash server/e2e/test.sh installs it", what)
}

// NeedNode returns a Node that can run the npm packages: the one that comes
// with them, since most systems have an older one.
func NeedNode(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat("node_modules/oidc-provider"); err != nil {
		Missing(t, "server/e2e/node_modules")
	}
	own, _ := filepath.Glob("node_modules/node-linux-*/bin/node")
	if len(own) > 0 {
		path, err := filepath.Abs(own[0])
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "Node 22")
	}
	return path
}

// Script is a Node program that talks JSON, one object a line.
type Script struct {
	t     testing.TB
	name  string
	Cmd   *exec.Cmd
	Stdin io.WriteCloser
	Lines chan string
	exit  chan error
	Log   *Tail
}

// StartScript runs a script of this folder until the test ends. env holds more
// variables as "NAME=value".
func StartScript(t testing.TB, env []string, script string, args ...string) *Script {
	t.Helper()
	return StartProcess(t, env, NeedNode(t), append([]string{script}, args...)...)
}

// StartProcess runs a program until the test ends, its standard output read by
// the line.
func StartProcess(t testing.TB, env []string, program string, args ...string) *Script {
	t.Helper()
	s := &Script{t: t, name: filepath.Base(program) + " " + strings.Join(args, " "), Lines: make(chan string, 64), exit: make(chan error, 1), Log: &Tail{}}
	s.Cmd = exec.Command(program, args...)
	s.Cmd.Env = append(os.Environ(), env...)
	s.Cmd.Stderr = s.Log
	stdin, err := s.Cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Stdin = stdin
	stdout, err := s.Cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(stdout)
	t.Cleanup(s.stop)
	return s
}

func (s *Script) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		s.Lines <- lines.Text()
	}
	close(s.Lines)
	s.exit <- s.Cmd.Wait()
}

// Line returns the next line of standard output, or fails after some minutes.
func (s *Script) Line() string {
	s.t.Helper()
	select {
	case line, ok := <-s.Lines:
		if !ok {
			s.t.Fatalf("%s ended early:\n%s", s.name, s.Log)
		}
		return line
	case <-time.After(patience):
		s.t.Fatalf("%s said nothing for %v:\n%s", s.name, patience, s.Log)
	}
	return ""
}

// Read decodes the next line into v.
func (s *Script) Read(v any) {
	s.t.Helper()
	line := s.Line()
	if err := json.Unmarshal([]byte(line), v); err != nil {
		s.t.Fatalf("%s: not JSON: %s\n%s", s.name, Clip(line), s.Log)
	}
}

// Write sends v as one line of JSON.
func (s *Script) Write(v any) {
	s.t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Stdin.Write(append(line, '\n')); err != nil {
		s.t.Fatalf("%s: %v\n%s", s.name, err, s.Log)
	}
}

// stop closes standard input, which every script takes as its end, and kills
// what does not listen.
func (s *Script) stop() {
	_ = s.Stdin.Close()
	deadline := time.AfterFunc(5*time.Second, func() { _ = s.Cmd.Process.Kill() })
	defer deadline.Stop()
	for range s.Lines { // let the reader come to the end
	}
	<-s.exit
	if s.t.Failed() && s.Log.String() != "" {
		s.t.Logf("%s wrote:\n%s", s.name, s.Log)
	}
}

// Logged waits until standard error has text that matches re, and returns what
// its first group holds. It fails after some minutes.
func (s *Script) Logged(re *regexp.Regexp) string {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(s.Log.String()); m != nil {
			return m[1]
		}
	}
	s.t.Fatalf("%s did not write %v within %v:\n%s", s.name, re, patience, s.Log)
	return ""
}

// Wait reads standard output to its end and returns it with the exit code.
func (s *Script) Wait() (stdout string, code int) {
	s.t.Helper()
	var out []string
	for line := range s.Lines {
		out = append(out, line)
	}
	err := <-s.exit
	s.exit <- err // for stop
	return strings.Join(out, "\n"), s.Cmd.ProcessState.ExitCode()
}
