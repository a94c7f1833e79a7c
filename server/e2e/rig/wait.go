package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// The ports that FreePort gives: the system gives none of them to connections,
// which would take one away from who is about to listen there, or does so again
// after a restart.
const firstPort, somePorts = 20_000, 12_000

var nextPort atomic.Int64

func init() { nextPort.Store(rand.Int64N(somePorts)) }

// FreePort returns a loopback port on which nobody listens, another each time.
func FreePort(t testing.TB) int {
	t.Helper()
	for range somePorts {
		port := firstPort + int(nextPort.Add(1)%somePorts)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// patience is how long is waited for what comes at once on a quiet machine.
const patience = 3 * time.Minute

// WaitFor calls cond until it is true, for some minutes.
func WaitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("waited %v for %s", patience, what)
}

// Within is how long something may take here that takes at most d on a machine
// with nothing else to do: longer by the queue for its processors.
func Within(d time.Duration) time.Duration {
	var load float64
	data, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(data), &load)
	}
	if err != nil {
		return 4 * d // not Linux
	}
	return time.Duration(float64(d) * (1 + 2*load/float64(runtime.NumCPU())))
}

// The long runs of the tests that try to break Drawbridge are asked for by
// DRAWBRIDGE_LONG=1; README.md says what each then does.
func Long() bool { return os.Getenv("DRAWBRIDGE_LONG") != "" }

// Seed is one for chance: another each time in the long runs, which look for
// faults, and always the same where a change is judged, which has not made them.
func Seed() uint64 {
	if Long() {
		return rand.Uint64()
	}
	return 1
}

func HeapSize() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// OrFail is attempt, whose error fails the test: for goroutines, which may not
// end it.
func OrFail(t *testing.T, do func(t testing.TB)) {
	if err := Softly(t, do); err != nil {
		t.Error(err)
	}
}
