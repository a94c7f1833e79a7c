package rig

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// tapEnv tells the test binary to stand before a server on stdin and stdout: the
// server's command line is its own, and each message is noted in a file.
const tapEnv = "DRAWBRIDGE_TEST_TAP"

// Tapped is one message between a program and the server behind a tap.
type Tapped struct {
	Process  int             // of the tap: one for each start of the server
	ToServer bool            // else to whoever started it
	Message  json.RawMessage // as it was
}

// Tap puts a tap before a server of mcp.json; file is where [ReadTap] finds what
// passed.
func Tap(t testing.TB, s MCPServer, file string) MCPServer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{tapEnv: file}
	for name, value := range s.Env {
		env[name] = value
	}
	return MCPServer{Command: self, Args: append([]string{s.Command}, s.Args...), Env: env}
}

// ReadTap returns what passed so far, in order.
func ReadTap(t testing.TB, file string) (passed []Tapped) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var m Tapped
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%s: %v", Clip(line), err)
		}
		passed = append(passed, m)
	}
	return passed
}

// serveTap runs the server and ends with it.
func serveTap(file string, command []string) {
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex // guards log
	pass := func(from io.Reader, to io.WriteCloser, toServer bool) {
		defer to.Close()
		for lines := bufio.NewReader(from); ; {
			line, err := lines.ReadBytes('\n')
			if json.Valid(line) {
				note, _ := json.Marshal(Tapped{os.Getpid(), toServer, line})
				mu.Lock()
				_, _ = log.Write(append(note, '\n')) // in one write, so that processes don't mix
				mu.Unlock()
			}
			if _, err2 := to.Write(line); err != nil || err2 != nil {
				return
			}
		}
	}
	server := exec.Command(command[0], command[1:]...)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		panic(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := server.Start(); err != nil {
		panic(err)
	}
	go pass(os.Stdin, stdin, true)
	pass(stdout, os.Stdout, false)
	_ = server.Wait()
}
