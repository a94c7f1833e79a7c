//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
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
	for _, pid := range append(p.below(), p.pid) {
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

// below returns the descendants of the process.
func (p *procWatch) below() (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents := map[int]int{}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // the name may hold anything
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parents[pid], _ = strconv.Atoi(fields[1])
	}
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == p.pid {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// measure takes one sample.
func (s *soak) measure(p *procWatch) sample {
	m := sample{kids: len(p.below())}
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
	_ = attempt(s.t, func(t testing.TB) {
		snap := s.snapshot(t)
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
	}
}

func (p *procWatch) note(when string, m sample) {
	p.t.Logf("%-12s fds %4d  threads %3d  children %2d  goroutines %5d  rss %6d KiB  heap %6d KiB  disk %5d KiB  sessions %4d  events %5d",
		when, m.fds, m.threads, m.kids, m.goroutines, m.rss, m.heap, m.disk, m.sessions, m.events)
}

// figures are those that must not grow: with what is allowed for noise, in
// hundredths and in units.
var figures = []struct {
	name        string
	of          func(sample) int64
	share, unit int64
}{
	{"fds", func(m sample) int64 { return int64(m.fds) }, 10, 10},
	{"threads", func(m sample) int64 { return int64(m.threads) }, 10, 4},
	{"children", func(m sample) int64 { return int64(m.kids) }, 0, 1},
	{"goroutines", func(m sample) int64 { return int64(m.goroutines) }, 10, 20},
	{"rss", func(m sample) int64 { return m.rss }, 10, 4 << 10},
	{"heap", func(m sample) int64 { return m.heap }, 10, 2 << 10},
	{"disk", func(m sample) int64 { return m.disk }, 10, 256},
}

// judge compares the second window of the load with its last one, and the quiet
// after it with the quiet before.
func (s *soak) judge(all []sample, before, after sample, load, window time.Duration) {
	grew := func(what, name string, from, to, share, unit int64) {
		if to > from+from*share/100+unit {
			s.t.Errorf("%s: %s grew from %d to %d, allowed are %d%% and %d", what, name, from, to, share, unit)
		}
	}
	for _, f := range figures[:4] { // memory and disk grow up to their bounds at first
		if f.name == "threads" {
			continue
		}
		grew("the quiet after, against before", f.name, f.of(before), f.of(after), 0, f.unit)
	}
	if window == 0 {
		return
	}
	for _, f := range figures {
		var row []int64
		for at := time.Duration(0); at+window <= load+time.Second; at += window {
			var values []int64
			for _, m := range all {
				if m.at > at && m.at <= at+window {
					values = append(values, f.of(m))
				}
			}
			row = append(row, median(values))
		}
		s.t.Logf("%-10s before %6d | medians by %v: %6d | after %6d", f.name, f.of(before), window, row, f.of(after))
		grew("the last window, against the second", f.name, row[1], row[len(row)-1], f.share, f.unit)
	}
}

func median(values []int64) int64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// warmUp uses everything once, so that what is opened once is open.
func (s *soak) warmUp() {
	s.ctx = s.t.Context()
	for n := range s.pool {
		for _, c := range s.pool[n] {
			g := s.began(c)
			tokens := s.SignIn(s.t, s.browser(s.t), c, []string{"alice", "bob"}[n%2])
			s.is(g, "live")
			s.keepTokens(tokens)
			s.call(tokens, n)
			s.listen(s.t, tokens)
		}
	}
	s.console(s.t)
	s.follow(s.t)
	s.rude(s.t)
}

// quiet waits until nothing is going on, and measures.
func (s *soak) quiet(p *procWatch) sample {
	plainHTTP.CloseIdleConnections()
	s.waitForServers(s.t)
	waitFor(s.t, "the tunnel", func() bool { return s.Status(s.t).Tunnel.State == "up" })
	var best sample
	for n := range 20 { // what closes does so a moment later; the least counts
		time.Sleep(250 * time.Millisecond)
		plainHTTP.CloseIdleConnections()
		if m := s.measure(p); n == 0 || m.fds+m.goroutines < best.fds+best.goroutines {
			best = m
		}
	}
	return best
}

// reckon holds the sessions and clients that there are against the model.
func (s *soak) reckon() {
	live, doubt := map[string]int{}, map[string]int{}
	known := map[string]bool{}
	s.mu.Lock()
	for _, g := range s.grants {
		known[g.client] = true
		left := soakRefresh - time.Since(g.used)
		switch {
		case g.state == "over" || left < -5*time.Second:
		case g.state == "live" && left > 5*time.Second:
			live[g.client]++
		default:
			doubt[g.client]++
		}
	}
	s.mu.Unlock()
	there, total := map[string]int{}, 0
	for _, session := range s.Sessions(s.t) {
		there[session.Client.ID]++
		total++
	}
	for c := range known {
		if n := there[c]; n < live[c] || n > live[c]+doubt[c] {
			s.t.Errorf("%d sessions of client %.12s…, the model says %d and %d in doubt", n, c, live[c], doubt[c])
		}
	}
	s.t.Logf("%d sessions of %d sign-ins", total, len(s.grants))
	why := map[string]int{}
	for _, e := range s.Events(s.t, status.SessionRevoked, status.SessionExpired) {
		why[e.Type+": "+e.Reason]++
	}
	s.t.Log("how sessions ended, lately: ", why)
	ctl := s.control(s.t)
	defer ctl.Close()
	clients, err := ctl.Clients(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if len(clients) != len(known) {
		s.t.Errorf("%d clients, %d have signed in", len(clients), len(known))
	}
	if _, err := ctl.RevokeAll(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if n := len(s.Sessions(s.t)); n != 0 {
		s.t.Errorf("%d sessions after all were ended", n)
	}
}
