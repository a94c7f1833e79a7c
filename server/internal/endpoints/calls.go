package endpoints

import (
	"cmp"
	"errors"
	"net/http"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/internal/approve"
	"github.com/drawbridge-app/drawbridge/server/internal/hub"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// called makes an event of each tool call.
func (e *Endpoints) called(who *oauth.Caller, server, tool string, err error) {
	if server != hub.Own {
		tool = server + "/" + tool
	}
	e.o.Grants.UsedTool(who.Session, tool)
	e.o.Timeline.CalledTool(who.Session)
	ev := status.Event{Type: status.ToolCalled, Outcome: status.OK, User: cmp.Or(who.User.Email, who.User.Sub), Client: who.Client.Name,
		Session: who.Session, Tool: tool, Reason: tool, Remote: who.Remote}
	switch why := refusal(err); {
	case why != "":
		ev.Outcome, ev.Reason = status.Refused, tool+": "+why
	case err != nil:
		ev.Outcome = status.Failed
	}
	e.o.Journal.Record(ev)
}

// refusal says in the owner's words why a call never reached its server; "" if
// it did.
func refusal(err error) string {
	var r *approve.Refusal
	switch {
	case errors.Is(err, hub.ErrHeld), errors.Is(err, hub.ErrTooMany):
		return err.Error()
	case !errors.As(err, &r):
		return ""
	case r.Kind == approve.Denied:
		return "the owner said no"
	case r.Kind == approve.Expired:
		return "nobody answered in time"
	case r.Kind == approve.TooLong:
		return "its arguments are too long to be read"
	case r.Kind == approve.TooSoon:
		return "the owner has just said no to this tool"
	}
	return "too many calls wait for an answer"
}

// Pending returns the calls that wait for the owner's word, oldest first.
func (e *Endpoints) Pending() []status.Approval { return e.queue.Pending() }

// Answer lets a waiting call go on, or refuses it.
func (e *Endpoints) Answer(id string, allow bool) error { return e.queue.Answer(id, allow) }

// Gone returns the calls that have just stopped waiting.
func (e *Endpoints) Gone() []status.Approval { return e.queue.Gone() }

// AllowTool lets a waiting call go on, and its session call the tool for a while.
func (e *Endpoints) AllowTool(id string) error { return e.queue.AllowTool(id) }

// Leaves returns the tools that sessions may call without asking, by session.
func (e *Endpoints) Leaves() map[string][]status.Leave { return e.queue.Leaves() }

// EndLeave has a session ask about each call of a tool again.
func (e *Endpoints) EndLeave(session, server, tool string) error {
	return e.queue.EndLeave(session, server, tool)
}

// sessions remembers whose each session is that was used, so that the last one
// of a person is known when it ends, whatever the number of others.
type sessions struct {
	mu     sync.Mutex        // guards all below
	person map[string]string // by session
	count  map[string]int    // sessions of each person
}

// noting notes who comes by.
func (s *sessions) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := oauth.CallerOf(r.Context()); who != nil {
			s.note(who.Session, who.User.Sub)
		}
		next.ServeHTTP(w, r)
	})
}

func (s *sessions) note(session, person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.person[session]; known {
		return
	}
	if s.person == nil {
		s.person, s.count = map[string]string{}, map[string]int{}
	}
	s.person[session] = person
	s.count[person]++
}

// ended forgets a session, and reports whether it was its person's last.
func (s *sessions) ended(session string) (person string, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	person, known := s.person[session]
	if !known {
		return "", false
	}
	delete(s.person, session)
	if s.count[person]--; s.count[person] > 0 {
		return person, false
	}
	delete(s.count, person)
	return person, true
}
