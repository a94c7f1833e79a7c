//go:build linux

package soak

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A site that another configuration takes the place of leaves nothing behind:
// no connection, no goroutine, none of its memory. Who was signed in still is.
func TestSoakSites(t *testing.T) {
	times, long := 8, rig.Long()
	if long {
		times = 100
	}
	s := newSoak(t, true)
	s.ctx = t.Context()
	p := s.watchProcesses(os.Getpid())
	defer p.stop()
	s.Config.Tokens.Access, s.Config.Tokens.Refresh = time.Hour, 2*time.Hour
	if err := rig.SaveConfig(s.file, s.Config); err != nil {
		t.Fatal(err)
	}
	var tokens rig.Tokens
	rig.WaitFor(t, "tokens that last", func() bool {
		return rig.Softly(t, func(t testing.TB) { tokens = s.SignIn(t, s.browser(t), s.pool[1][0], "alice") }) == nil && tokens.ExpiresIn > 3000
	})
	s.rebuild(t, tokens, true)
	before := s.quiet(p)
	p.note("before", before)
	for n := range times {
		s.rebuild(t, tokens, n%4 == 0)
	}
	// A goroutine of each site watches over the session for a minute more, and
	// with it the site stays in memory.
	watching, memory := times, int64(times)*400
	if long {
		watching, memory = 0, 2048
		time.Sleep(3 * time.Minute)
	}
	after := s.quiet(p)
	p.note("after", after)
	if after.fds > before.fds+5 || after.goroutines > before.goroutines+watching+10 || after.heap > before.heap+memory {
		t.Errorf("%d sites later: %d files, %d goroutines, %d KiB of heap; before %d, %d, %d", times,
			after.fds, after.goroutines, after.heap, before.fds, before.goroutines, before.heap)
	}
}

// rebuild has the app put up a new site, and pauses and resumes it, perhaps in
// the middle of a session's stream.
func (s *soak) rebuild(t testing.TB, tokens rig.Tokens, streaming bool) {
	ended := make(<-chan struct{})
	if streaming {
		rig.WaitFor(t, "a stream", func() bool {
			return rig.Softly(t, func(t testing.TB) { ended = s.MCP(t, tokens.Access).Stream() }) == nil
		})
	}
	earlier := s.lastReady()
	s.Config.Tokens.Refresh += time.Second
	if err := rig.SaveConfig(s.file, s.Config); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the next site", func() bool { return s.lastReady() != earlier })
	if streaming {
		rig.MustClose(t, "the stream of the site before", ended)
	}
	s.works(t, tokens)
	ctl := s.Control(t)
	defer ctl.Close()
	if err := ctl.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ctl.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.works(t, tokens)
}

// works waits until a session can use all servers again.
func (s *soak) works(t testing.TB, tokens rig.Tokens) {
	for _, name := range []string{"whoami", "files__test_simple_text", "web__test_simple_text"} {
		rig.WaitFor(t, name+" to work again", func() bool {
			return rig.Softly(t, func(t testing.TB) { s.MCP(t, tokens.Access).CallTool(name, map[string]any{}) }) == nil
		})
	}
}

// lastReady is the newest line of the log that says that a site is up.
func (s *soak) lastReady() string {
	log := s.Log.String()
	at := strings.LastIndex(log, "msg=ready")
	if at < 0 {
		return ""
	}
	return log[strings.LastIndex(log[:at], "\n")+1 : at]
}
