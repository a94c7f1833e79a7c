//go:build linux

package soak

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// soak is a Drawbridge behind a tunnel, with two mounted servers, that is used
// for long in every way there is, also by people who are rude and while what it
// needs comes and goes. Nothing of it may grow, and no secret may come to light.
type soak struct {
	*rig.App
	t       *testing.T
	edge    *edge.Edge
	idp     *rig.WatchedProvider
	file    string // config.toml
	temp    string // the program's TMPDIR
	servers map[string]rig.MCPServer
	secrets *secretBook
	inside  bool // in this process
	cimd    *rig.Metadata
	keyed   *keyedClient

	ctx     context.Context // ends with the load
	workers sync.WaitGroup
	work    map[string]func(testing.TB) // what they do
	editing sync.Mutex                  // held while a file of the owner's is changed

	mu     sync.Mutex // guards all below
	done   map[string]*tally
	grants []*soakGrant
	stray  string // a refresh token that is sent where it does not belong
	pool   [soakPeople][]rig.Client
}

// tally is how often something was tried and how it went.
type tally struct {
	ok, failed int
	last       string // error
}

const (
	soakPeople  = 4
	soakRefresh = 2 * time.Minute // lifetime of a session that nobody uses
)

// soakTime is how long the load lasts, and the part of it that is compared.
func soakTime(t *testing.T) (load, window time.Duration) {
	if !rig.Long() {
		return 10 * time.Second, 0
	}
	load = time.Hour
	if d, err := time.ParseDuration(os.Getenv("DRAWBRIDGE_SOAK")); err == nil {
		load = d
	}
	return load, load / 6
}

// The real program holds what it held at first, by the system's account, and
// gives no secret away, through an hour of use (a short form without
// DRAWBRIDGE_LONG).
func TestSoakProgram(t *testing.T) {
	t.Parallel() // what is measured is another process
	load, window := soakTime(t)
	s := newSoak(t, false)
	p := s.watchProcesses(s.Program.Script.Cmd.Process.Pid)
	s.run(p, load, window)
	p.stop()
	s.searchProgram(p)
}

// The same in this process, where goroutines and the heap can be counted. No
// goroutine of the app is left when it has stopped.
func TestSoakInside(t *testing.T) {
	load, window := soakTime(t)
	s := newSoak(t, true)
	p := s.watchProcesses(os.Getpid())
	s.run(p, load, window)
	p.stop()
	s.searchInside()
	left := goroutinesOfTheApp()
	for deadline := time.Now().Add(10 * time.Second); len(left) > 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left = goroutinesOfTheApp()
	}
	for _, stack := range left {
		t.Errorf("a goroutine is left:\n%s", stack)
	}
}

// run is the load between two times of quiet, and what came of it.
func (s *soak) run(p *procWatch, load, window time.Duration) {
	s.warmUp()
	before := s.quiet(p)
	p.note("before", before)
	ctx, cancel := context.WithTimeout(s.t.Context(), load)
	defer cancel()
	s.ctx = ctx
	began := time.Now()
	s.start()
	samples := p.sampleUntil(ctx, began, s)
	s.workers.Wait()
	s.catchUp()
	s.report()
	s.reckon()
	s.endAll()
	after := s.quiet(p)
	p.note("after", after)
	s.judge(samples, before, after, load, window)
}

// start lets everybody in. All of them leave when ctx ends.
func (s *soak) start() {
	for n := range soakPeople {
		s.worker(fmt.Sprintf("person %d", n), 300*time.Millisecond, func(t testing.TB) { s.visit(t, n) })
	}
	s.worker("registrations", 2*time.Second, s.strangers)
	if s.inside { // the real program fetches documents from public addresses only
		s.worker("private_key_jwt", 3*time.Second, s.prove)
	}
	s.worker("console", time.Second, s.console)
	s.worker("control", time.Second, s.follow)
	s.worker("edit tools", 7*time.Second, s.editTools)
	s.worker("edit rules", 11*time.Second, s.editRules)
	s.worker("edit servers", 17*time.Second, s.editServers)
	s.worker("crash", 19*time.Second, s.crash)
	s.worker("drop the tunnel", 23*time.Second, s.dropTunnel)
	s.worker("provider away", 29*time.Second, s.provideNothing)
	s.worker("refused requests", 400*time.Millisecond, s.rude)
}

// worker does one thing again and again, with pauses of about this length.
func (s *soak) worker(what string, pause time.Duration, do func(testing.TB)) {
	if !rig.Long() && pause > 5*time.Second {
		pause /= 4 // else it might not happen at all
	}
	s.work[what] = do
	s.workers.Go(func() {
		for s.rest(pause/2 + rand.N(pause)) {
			s.try(what, do)
		}
	})
}

// rest waits, and reports whether the load goes on.
func (s *soak) rest(d time.Duration) bool {
	select {
	case <-s.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// try does what may fail, since much is taken away meanwhile, and counts.
func (s *soak) try(what string, do func(testing.TB)) bool {
	err := rig.Softly(s.t, do)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.done[what]
	if c == nil {
		c = &tally{}
		s.done[what] = c
	}
	if err != nil {
		c.failed++
		c.last = rig.Clip(strings.ReplaceAll(err.Error(), "\n", " "))
		return false
	}
	c.ok++
	return true
}

// soakParts are the parts of people's stories, which chance chooses.
var soakParts = []string{"consent denied", "signed in as a registered client", "refresh", "refresh, doubled", "refresh, replayed",
	"revoked by RFC 7009", "revoked by the control API", "revoked by the console", "server restarted",
	"stream " + rig.LegacyVersion, "stream " + rig.ModernVersion, "transport session ended",
	"call add " + rig.LegacyVersion, "call add " + rig.ModernVersion, "call files__test_simple_text " + rig.LegacyVersion, "call files__test_simple_text " + rig.ModernVersion,
	"call web__test_simple_text " + rig.LegacyVersion, "call web__test_simple_text " + rig.ModernVersion}

// catchUp does, now that nothing is taken away any more, what did not go well
// once during a short load.
func (s *soak) catchUp() {
	s.ctx = s.t.Context()
	well := func(what string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.done[what] != nil && s.done[what].ok > 0
	}
	for what, do := range s.work {
		for n := 0; n < 5 && !well(what); n++ {
			s.try(what, do)
		}
	}
	parts := soakParts
	if s.inside {
		parts = append(parts, "signed in as a metadata document")
	}
	for _, what := range parts {
		for n := 0; n < 100 && !well(what); n++ {
			s.try("person 0", s.work["person 0"])
		}
		if !well(what) {
			s.t.Errorf("it never came to this: %s", what)
		}
	}
}

// report fails the test for what never went well: then it was not tested.
func (s *soak) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(s.done)) {
		c := s.done[what]
		s.t.Logf("%-28s %6d done %5d not; %.120s", what, c.ok, c.failed, c.last)
		if c.ok == 0 {
			s.t.Errorf("%s never went well: %s", what, c.last)
		}
	}
}
