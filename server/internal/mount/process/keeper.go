package process

import (
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

// A server is not started by the app itself but by a keeper: this program
// again, in a mode that does nothing else. The keeper hands its own stdin,
// stdout and stderr to the server, ends the server and what that started when
// it is told to, and above all when the app is no more, however that ended.
//
// Told it is on a pipe, the lifeline: orderTerm, orderKill, or the pipe's end.

// keeperArg is the first argument of a keeper: what `ps` shows to a person who
// wonders what the second drawbridge is.
const keeperArg = "mount-child"

// What the app may write on the lifeline.
const (
	orderTerm = 't' // ask the server to end
	orderKill = 'k' // end it
)

// exitGrace is what a server has to end itself once the app is gone.
const exitGrace = 500 * time.Millisecond

// notStarted is the exit status of a keeper whose server could not start;
// why is on stderr. Shells use it for the same.
const notStarted = 126

// keeperReady is set once KeeperMain has had its turn. Starting a copy of a
// program that doesn't call it would start the whole program again.
var keeperReady atomic.Bool

// KeeperMain must be called first in main, and in the TestMain of packages that
// start servers. It returns at once, unless this process is a keeper that
// [Start] has started: then it runs the server and exits as that does.
func KeeperMain() {
	if len(os.Args) < 4 || os.Args[1] != keeperArg {
		keeperReady.Store(true)
		return
	}
	handle, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		os.Exit(2) // a person typed the command
	}
	// The parent's death is told to the thread that made the child, so this
	// one must not end before the process does.
	runtime.LockOSThread()
	os.Exit(keep(os.NewFile(uintptr(handle), "lifeline"), os.Args[3:]))
}

// orders reads the lifeline: a byte an order, orderTerm and soon after
// orderKill at its end.
func orders(lifeline *os.File) <-chan byte {
	out := make(chan byte, 4)
	go func() {
		b := make([]byte, 1)
		for {
			if _, err := lifeline.Read(b); err != nil {
				break
			}
			out <- b[0]
		}
		out <- orderTerm
		time.Sleep(exitGrace)
		out <- orderKill
	}()
	return out
}
