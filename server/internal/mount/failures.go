package mount

import (
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// crashLoop is how many crashes in a row make a server a failed one.
const crashLoop = 3

// failed notes that the server could not be started, or ended by itself.
func (s *server) failed(f *failure) {
	var event *status.Event
	s.change(func() {
		if s.ctx.Err() != nil {
			return
		}
		s.failures++
		pause := s.set.tune.pause(s.failures)
		s.failedAt = s.set.o.Now()
		s.retryAt = s.failedAt.Add(pause)
		s.problem, s.detail = s.name+" "+f.text, f.detail
		s.refusal = s.problem // stays when another conversation of the server opens meanwhile
		s.state = stateStarting
		if f.kind != crashed || s.failures >= crashLoop {
			s.state = stateFailed
		}
		if s.state == stateFailed && !s.told {
			s.told = true
			event = &status.Event{Type: status.ServerFailed, Outcome: status.Failed, Reason: s.problem}
		}
		if f.kind != lasting {
			if s.retry != nil {
				s.retry.Stop()
			}
			s.retry = time.AfterFunc(pause, s.revive)
		}
	})
	s.log.say("It %s", strings.TrimSpace(f.text+" "+f.detail))
	s.set.o.Log.Warn("mounted server failed", "server", s.name, "error", f.text, "cause", f.cause)
	if event != nil {
		s.set.o.Record(*event)
	}
}

// revive starts the server again after a failure, for the catalog and for
// those who watch a resource.
func (s *server) revive() {
	s.lists.read(false)
	s.watchAgain()
}

// recovered notes that a conversation is open, or has been for long.
func (s *server) recovered(stable bool) {
	s.change(func() {
		if stable || s.failures < crashLoop {
			if s.catalog != nil {
				s.state = stateOK
			} else {
				s.state = stateStarting
			}
			s.problem = ""
		}
		if stable {
			s.failures, s.told = 0, false
		}
	})
}

// survived reports whether c says that the server is well: it was opened after
// the last failure and has lasted, or there is no attempt that could fail. It
// needs mu.
func (s *server) survived(c *conversation, now time.Time) bool {
	tune := s.set.tune
	return c.opened.After(s.failedAt) && now.Sub(c.opened) >= tune.stable || now.Sub(s.failedAt) >= tune.maxPause+tune.stable
}
