package timeline

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Bounds of one attempt. What is seen twice in a row is one step, so forty tell
// more than anybody reads.
const (
	maxSteps = 40
	keep     = 10 // of the first steps, when the middle has to go
	maxKeys  = 24
)

// attempt is one try of a client to connect.
type attempt struct {
	id      string
	started time.Time
	last    time.Time
	class   class
	steps   []step
	keys    []key // under which it is found, oldest first

	clientID uint64 // hash; 0 while it is not known
	client   string
	user     string
	remote   string
	agent    string
	session  string
	browser  bool   // remote and agent are those of a browser
	flow     bool   // has an authorization request
	again    bool   // of a source that is connected already
	ended    bool   // its session is over
	after    bool   // of a source whose session is over
	why      string // that session is over; "" where that is not known
	server   string // the one mounted server that it is for; "" is all of them
	calls    *tally
}

// step is one thing seen, n times in a row.
type step struct {
	at   time.Time
	what What
	args map[string]string // never changed
	n    int
}

// add takes a step in, in the order of time.
func (a *attempt) add(s step) {
	if n := len(a.steps); n > 0 && a.steps[n-1].what == s.what && maps.Equal(a.steps[n-1].args, s.args) {
		a.steps[n-1].n += s.n
		a.steps[n-1].at = s.at
	} else {
		a.steps = append(a.steps, s)
	}
	if len(a.steps) > maxSteps {
		a.steps = slices.Delete(a.steps, keep, keep+1)
	}
	if s.at.After(a.last) {
		a.last = s.at
	}
}

// learn takes over what f says of who it is about.
func (a *attempt) learn(f Facts) {
	a.client = cmp.Or(status.Clean(f.Client, 80), a.client)
	a.user = cmp.Or(status.Clean(f.User, 254), a.user)
	a.session = cmp.Or(status.Clean(f.Session, 64), a.session)
	a.server = cmp.Or(plain(f.Server, 64), a.server)
	switch f.What {
	case SessionEnded, CallEnded, RefreshEnded, RefreshExpired, RefreshPerson, TokenReplayed, TokenTwice:
		a.ended = true
		if f.What == SessionEnded { // others only find out
			a.why = status.Clean(f.Reason, 300)
		}
	case Issued, Vouched, Refreshed, Called:
		a.ended, a.why = false, ""
	}
}

// absorb takes the steps of b, which turned out to be the same attempt.
func (a *attempt) absorb(b *attempt) {
	steps := append(slices.Clone(a.steps), b.steps...)
	slices.SortStableFunc(steps, func(x, y step) int { return x.at.Compare(y.at) })
	a.steps = nil
	for _, s := range steps {
		a.add(s)
	}
	if b.started.Before(a.started) {
		a.started = b.started
	}
	if a.browser && !b.browser {
		a.remote, a.agent, a.browser = b.remote, b.agent, false
	}
}

// tell returns a as it is shown at now.
func (a *attempt) tell(now time.Time, w Situation) status.Attempt {
	v := newView(a, now, w)
	outcome, name, args := judge(v)
	out := status.Attempt{ID: a.id, Started: a.started, Last: a.last, Client: a.client, User: a.user, Remote: a.remote,
		Agent: a.agent, Session: a.session, Server: a.server, Calls: v.calls, Steps: make([]status.Step, 0, len(a.steps)),
		Outcome: outcome, Verdict: Sentence("en", "verdict."+name, args), VerdictKey: name, Args: args}
	for _, s := range a.steps {
		line := status.Step{Time: s.at, Kind: s.what.kind(), Outcome: s.what.Outcome(), Key: string(s.what), Args: s.args,
			Text: Sentence("en", "step."+string(s.what), s.args)}
		if s.n > 1 {
			line.Times = s.n
		}
		out.Steps = append(out.Steps, line)
	}
	return out
}
