//go:build unix

package mount

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// TestStartStop starts and stops a server again and again: as often as
// DRAWBRIDGE_TEST_CYCLES says, 20 times without it.
//
//	DRAWBRIDGE_TEST_CYCLES=1000 go test ./server/internal/mount -run TestStartStop -timeout 60m -v
func TestStartStop(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("open files and processes are counted in /proc")
	}
	cycles, err := strconv.Atoi(os.Getenv("DRAWBRIDGE_TEST_CYCLES"))
	if err != nil {
		cycles = 20
	}
	r := newRig(t, quick, Options{})
	cycle := func() {
		r.Apply([]config.Server{own("x")})
		pid := r.pid("ana")
		r.Apply(nil)
		gone(t, pid)
	}
	cycle()
	measure := func() (files, goroutines, processes int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range all {
			if pid, _ := strconv.Atoi(filepath.Base(dir)); parent(pid) == os.Getpid() {
				processes++
			}
		}
		return len(entries), runtime.NumGoroutine(), processes
	}
	r.closing.wait()
	files, goroutines, processes := measure()
	for range cycles {
		cycle()
	}
	eventually(t, "descriptors, goroutines and processes are what they were", func() bool {
		f, g, p := measure()
		return f <= files && g <= goroutines && p <= processes
	})
	f, g, p := measure()
	t.Logf("after %d cycles: %d files (%d before), %d goroutines (%d), %d processes (%d)", cycles, f, files, g, goroutines, p, processes)
}
