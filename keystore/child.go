package keystore

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// childArg is the whole command line of a child: what `ps` shows to a person
// who wonders what the second drawbridge is.
const childArg = "keystore-child"

// maxLine bounds one message: a secret in base64 and the words around it.
const maxLine = 16 << 10

// endTime is what a child has to take its window away and end.
const endTime = time.Second

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
	// The parent keeps the pipe open as long as it lives and wants the
	// answer. After that a window of the keychain must not stay behind.
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
		time.Sleep(endTime / 2)
		endChild()
	}()
	if json.NewEncoder(os.Stdout).Encode(perform(ctx, r)) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// runChild does r in a child process, until ctx ends.
func runChild(ctx context.Context, r request) reply {
	path, err := Executable()
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
	cmd.WaitDelay = endTime
	in, err := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err = cmp.Or(err, outErr); err == nil {
		cmd.Cancel = in.Close // and if that doesn't end it in time, it is killed
		err = cmd.Start()
	}
	if err != nil {
		return unavailable("start a process: " + err.Error())
	}
	var answer reply
	_, writeErr := in.Write(append(line, '\n'))
	readErr := json.NewDecoder(io.LimitReader(out, maxLine)).Decode(&answer)
	_ = in.Close()
	if readErr == nil {
		_ = cmd.Process.Kill() // it has done its work; don't wait for its farewell
	}
	_ = cmd.Wait()
	switch {
	case ctx.Err() != nil && readErr != nil:
		return reply{Class: classLocked, Detail: "no answer from the keychain"}
	case writeErr != nil || readErr != nil:
		return unavailable("the process that asks the keychain ended without an answer")
	}
	return answer
}

// Executable is the path of this program, for whoever starts it once more. On
// Linux it is the very file that runs, even if an update has put another in its
// place.
func Executable() (string, error) {
	const running = "/proc/self/exe"
	if runtime.GOOS == "linux" {
		if _, err := os.Stat(running); err == nil {
			return running, nil
		}
	}
	return os.Executable()
}
