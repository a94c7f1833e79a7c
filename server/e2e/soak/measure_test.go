//go:build linux

package soak

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// sample is what the app holds at one moment. Figures that can't be known from
// where the test stands are 0.
type sample struct {
	at                 time.Duration
	fds, threads, kids int
	goroutines         int
	rss, heap, disk    int64 // KiB
	sessions, events   int
}

// procWatch looks at a process and all below it, from outside.
type procWatch struct {
	t    *testing.T
	pid  int
	end  context.CancelFunc
	over chan struct{}

	mu   sync.Mutex // guards seen
	seen map[string]sighting
}

// sighting is the arguments or the environment of a process.
type sighting struct {
	pid  int
	file string // "cmdline" or "environ"
	text string
}

func (s *soak) watchProcesses(pid int) *procWatch {
	ctx, cancel := context.WithCancel(context.Background())
	p := &procWatch{t: s.t, pid: pid, end: cancel, over: make(chan struct{}), seen: map[string]sighting{}}
	go func() {
		defer close(p.over)
		for ctx.Err() == nil {
			if !s.inside { // where the environment is not the test's own
				p.lookAtAll()
			}
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return p
}

func (p *procWatch) stop() {
	p.end()
	<-p.over
}

// lookAtAll notes what the arguments and the environment of each process hold.
// A child that has not yet become its own program still has those of the app.
func (p *procWatch) lookAtAll() {
	read := func(pid int, file string) string {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		return string(text)
	}
	app := [2]string{read(p.pid, "cmdline"), read(p.pid, "environ")}
	for _, pid := range append(rig.Descendants(p.pid), p.pid) {
		environ, cmdline := read(pid, "environ"), read(pid, "cmdline")
		if pid != p.pid && environ == app[1] && cmdline == app[0] {
			continue
		}
		p.mu.Lock()
		p.seen[fmt.Sprint(pid, environ)] = sighting{pid, "environ", environ}
		p.seen[fmt.Sprint(pid, cmdline)] = sighting{pid, "cmdline", cmdline}
		p.mu.Unlock()
	}
}

// measure takes one sample.
func (s *soak) measure(p *procWatch) sample {
	m := sample{kids: len(rig.Descendants(p.pid))}
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	m.fds = len(fds)
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "VmRSS":
			m.rss = int64(n)
		case "Threads":
			m.threads = n
		}
	}
	_ = filepath.WalkDir(s.Options.DataDir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				m.disk += info.Size() >> 10
			}
		}
		return nil
	})
	if s.inside {
		runtime.GC()
		var heap runtime.MemStats
		runtime.ReadMemStats(&heap)
		m.heap, m.goroutines = int64(heap.HeapAlloc>>10), runtime.NumGoroutine()
	}
	_ = rig.Softly(s.t, func(t testing.TB) {
		snap := s.Snapshot(t)
		m.sessions, m.events = len(snap.Sessions), len(snap.Events)
	})
	return m
}

// sampleUntil takes a sample every ten seconds until ctx ends.
func (p *procWatch) sampleUntil(ctx context.Context, began time.Time, s *soak) (all []sample) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return all
		case <-time.After(time.Until(began.Add(time.Duration(n) * 10 * time.Second))):
		}
		m := s.measure(p)
		m.at = time.Since(began)
		all = append(all, m)
		if n%6 == 0 {
			p.note(fmt.Sprintf("minute %d", n/6), m)
		}
		if s.inside && n%60 == 0 {
			s.profileHeap(n / 6)
		}
	}
}

func (p *procWatch) note(when string, m sample) {
	p.t.Logf("%-12s fds %4d  threads %3d  children %2d  goroutines %5d  rss %6d KiB  heap %6d KiB  disk %5d KiB  sessions %4d  events %5d",
		when, m.fds, m.threads, m.kids, m.goroutines, m.rss, m.heap, m.disk, m.sessions, m.events)
}

// profileHeap leaves a picture of the heap in out/: two of them, compared by
// `go tool pprof -base`, say what has grown.
func (s *soak) profileHeap(minute int) {
	_ = os.MkdirAll("out", 0o755)
	f, err := os.Create(fmt.Sprintf("out/soak-heap-%02d.pprof", minute))
	if err != nil {
		s.t.Error(err)
		return
	}
	defer f.Close()
	if err := pprof.WriteHeapProfile(f); err != nil {
		s.t.Error(err)
	}
}
