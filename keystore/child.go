package keystore

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// childArg is the whole command line of a child: what `ps` shows to a person
// who wonders what the second drawbridge is.
const childArg = "keystore-child"

// maxLine bounds one message: a secret in base64 and the words around it.
const maxLine = 16 << 10

// ChildMain must be the first call in main, and in the TestMain of packages
// that use [OS]. It returns at once, unless this process is a child that
// [OS] has started: then it does what the parent asks and exits.
func ChildMain() {
	if len(os.Args) != 2 || os.Args[1] != childArg {
		childReady.Store(true)
		return
	}
	in := bufio.NewReaderSize(os.Stdin, maxLine)
	line, err := in.ReadSlice('\n')
	var r request
	if err != nil || json.Unmarshal(line, &r) != nil {
		os.Exit(2) // a person typed the command
	}
	// The parent keeps the pipe open as long as it lives. Without it nobody
	// wants the answer, and a window of the keychain must not stay behind.
	go func() {
		_, _ = io.Copy(io.Discard, in)
		endChild()
	}()
	if json.NewEncoder(os.Stdout).Encode(perform(r)) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// runChild does r in a child process, until ctx ends.
func runChild(ctx context.Context, r request) reply {
	path, err := self()
	if err != nil {
		return unavailable("find this program: " + err.Error())
	}
	line, err := json.Marshal(r)
	if err != nil {
		return unavailable("write the request")
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = []string{os.Args[0], childArg}
	detach(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return unavailable("start a process: " + err.Error())
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return unavailable("start a process: " + err.Error())
	}
	if err := cmd.Start(); err != nil {
		return unavailable("start a process: " + err.Error())
	}
	var answer reply
	_, writeErr := in.Write(append(line, '\n'))
	readErr := json.NewDecoder(io.LimitReader(out, maxLine)).Decode(&answer)
	_ = in.Close()
	_ = cmd.Wait()
	switch {
	case ctx.Err() != nil && readErr != nil:
		return reply{Class: classLocked, Detail: "no answer from the keychain"}
	case writeErr != nil || readErr != nil:
		return unavailable("the process that asks the keychain ended without an answer")
	}
	return answer
}

// self is the path of this program. On Linux it is the very file that runs,
// even if an update has put another in its place.
func self() (string, error) {
	const running = "/proc/self/exe"
	if runtime.GOOS == "linux" {
		if _, err := os.Stat(running); err == nil {
			return running, nil
		}
	}
	return os.Executable()
}
