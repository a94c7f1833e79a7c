//go:build linux

package soak

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// figures are those that must not grow: with what is allowed for noise, in
// hundredths and in units. A server that has just been asked what it offers is
// two processes, and some five files.
var figures = []struct {
	name        string
	of          func(sample) int64
	share, unit int64
}{
	{"fds", func(m sample) int64 { return int64(m.fds) }, 10, 15},
	{"threads", func(m sample) int64 { return int64(m.threads) }, 10, 4},
	{"children", func(m sample) int64 { return int64(m.kids) }, 0, 4},
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

// goroutinesOfTheApp are the stacks of those that run its code, not the tests'
// or their provider's.
func goroutinesOfTheApp() (left []string) {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	const ours = "github.com/drawbridge-app/drawbridge/"
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(stack, "mount/process.init.") { // starts children, and stays: they are told when its thread ends
			continue
		}
		if strings.Contains(stack, ours) && !strings.Contains(stack, ours+"server/e2e") && !strings.Contains(stack, ours+"server/internal/idp/demo") {
			left = append(left, stack)
		}
	}
	return left
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
		}
	}
	s.console(s.t)
	s.follow(s.t)
	s.rude(s.t)
	s.endAll()
}

// endAll signs everybody out.
func (s *soak) endAll() {
	ctl := s.Control(s.t)
	defer ctl.Close()
	if _, err := ctl.RevokeAll(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if n := len(s.Sessions(s.t)); n != 0 {
		s.t.Errorf("%d sessions after all were ended", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		g.state = "over"
	}
}

// quiet waits until nothing is going on, and measures.
func (s *soak) quiet(p *procWatch) sample {
	rig.PlainHTTP.CloseIdleConnections()
	s.WaitForServers(s.t)
	rig.WaitFor(s.t, "the tunnel", func() bool { return s.Status(s.t).Tunnel.State == "up" })
	var best sample
	for n := range 12 { // what closes does so a moment later; the least counts
		time.Sleep(250 * time.Millisecond)
		rig.PlainHTTP.CloseIdleConnections()
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
		if session.Leaving.IsZero() { // else it was revoked in the console, where that can be undone for a moment
			there[session.Client.ID]++
			total++
		}
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
	ctl := s.Control(s.t)
	defer ctl.Close()
	clients, err := ctl.Clients(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if len(clients) != len(known) {
		s.t.Errorf("%d clients, %d have signed in", len(clients), len(known))
	}
}
