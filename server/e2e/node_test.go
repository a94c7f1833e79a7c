package e2e

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

// missing says that this machine lacks something a test needs: a skip with the
// reason, or a failure where everything has to run (test.sh sees to that).
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("DRAWBRIDGE_TEST_ALL") != "" {
		t.Fatalf("%s is missing, and DRAWBRIDGE_TEST_ALL says that nothing may be left out", what)
	}
	t.Skipf("needs %s: bash server/e2e/test.sh installs it", what)
}

// needNode returns a Node that can run the npm packages: the one that comes
// with them, since most systems have an older one.
func needNode(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat("node_modules/oidc-provider"); err != nil {
		missing(t, "server/e2e/node_modules")
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
		missing(t, "Node 22")
	}
	return path
}

// Script is a Node program that talks JSON, one object a line.
type Script struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
	exit  chan error
	log   *tail
}

// StartScript runs a script of this folder until the test ends. env holds more
// variables as "NAME=value".
func StartScript(t testing.TB, env []string, script string, args ...string) *Script {
	t.Helper()
	return startProcess(t, env, needNode(t), append([]string{script}, args...)...)
}

// startProcess runs a program until the test ends, its standard output read by
// the line.
func startProcess(t testing.TB, env []string, program string, args ...string) *Script {
	t.Helper()
	s := &Script{t: t, name: filepath.Base(program) + " " + strings.Join(args, " "), lines: make(chan string, 64), exit: make(chan error, 1), log: &tail{}}
	s.cmd = exec.Command(program, args...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stderr = s.log
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdin = stdin
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
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
		s.lines <- lines.Text()
	}
	close(s.lines)
	s.exit <- s.cmd.Wait()
}

// Line returns the next line of standard output, or fails after a minute.
func (s *Script) Line() string {
	s.t.Helper()
	select {
	case line, ok := <-s.lines:
		if !ok {
			s.t.Fatalf("%s ended early:\n%s", s.name, s.log)
		}
		return line
	case <-time.After(time.Minute):
		s.t.Fatalf("%s said nothing for a minute:\n%s", s.name, s.log)
	}
	return ""
}

// Read decodes the next line into v.
func (s *Script) Read(v any) {
	s.t.Helper()
	line := s.Line()
	if err := json.Unmarshal([]byte(line), v); err != nil {
		s.t.Fatalf("%s: not JSON: %s\n%s", s.name, clip(line), s.log)
	}
}

// Write sends v as one line of JSON.
func (s *Script) Write(v any) {
	s.t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.stdin.Write(append(line, '\n')); err != nil {
		s.t.Fatalf("%s: %v\n%s", s.name, err, s.log)
	}
}

// stop closes standard input, which every script takes as its end, and kills
// what does not listen.
func (s *Script) stop() {
	_ = s.stdin.Close()
	deadline := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer deadline.Stop()
	for range s.lines { // let the reader come to the end
	}
	<-s.exit
	if s.t.Failed() && s.log.String() != "" {
		s.t.Logf("%s wrote:\n%s", s.name, s.log)
	}
}

// Logged waits until standard error has text that matches re, and returns what
// its first group holds. It fails after a minute.
func (s *Script) Logged(re *regexp.Regexp) string {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(s.log.String()); m != nil {
			return m[1]
		}
	}
	s.t.Fatalf("%s did not write %v within a minute:\n%s", s.name, re, s.log)
	return ""
}

// Wait reads standard output to its end and returns it with the exit code.
func (s *Script) Wait() (stdout string, code int) {
	s.t.Helper()
	var out []string
	for line := range s.lines {
		out = append(out, line)
	}
	err := <-s.exit
	s.exit <- err // for stop
	return strings.Join(out, "\n"), s.cmd.ProcessState.ExitCode()
}
