// Package timeline tells why a client does not connect: it gathers what is
// seen of one sign-in attempt (discovery, registration, authorization, consent,
// provider, token, first call) and ends it in one plain sentence.
//
// It decides about nothing and refuses nobody. No token, code, state, verifier
// or query string ever enters it: handlers say what happened in the words of
// [Facts]. It keeps a bounded number of attempts in memory and none on disk:
// an attempt is of interest while somebody tries again.
//
// Start at [Recorder]. What is seen is listed in what.go, what it means in
// rules.go, and the sentences are in catalogue/.
package timeline

import (
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Situation is what a verdict has to know beside the attempt itself.
type Situation struct {
	MCPURL      string // what a person pastes
	RedirectURI string // what a person enters at the provider
	TunnelDown  string // why the tunnel is down; "" while it is up, or there is none
	Warning     bool   // a browser sees the tunnel's own warning page first
}

// Recorder holds the attempts. Its methods may be called from several goroutines.
type Recorder struct {
	now  func() time.Time
	seed maphash.Seed

	live sync.Map // session → *tally, of those whose calls need no look any more

	situation func() Situation // see Tell
	wake      func()

	mu      sync.Mutex // guards all below
	byKey   map[key]*attempt
	classes [classes][]*attempt // oldest first
	refused map[string]int      // requests that did not go well, by [What]
	probes  *attempt            // the one of all bare probes; nil until there was one
	last    time.Time           // of the latest change that a stranger caused and that woke somebody
}

// New returns an empty recorder.
func New(now func() time.Time) *Recorder {
	return &Recorder{now: now, seed: maphash.MakeSeed(), byKey: map[key]*attempt{}, refused: map[string]int{},
		situation: func() Situation { return Situation{} }, wake: func() {}}
}

// Refusals is how many requests did not go well, by what was seen, a [What].
func (rec *Recorder) Refusals() map[string]int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return maps.Clone(rec.refused)
}

// Tell sets where a verdict learns about the situation, and who is woken when the
// attempts have changed. It is called once, before the first request.
func (rec *Recorder) Tell(situation func() Situation, wake func()) {
	rec.situation, rec.wake = situation, wake
}

// Attempts returns the attempts, newest first, with what is to be said of each
// at this moment.
func (rec *Recorder) Attempts() []status.Attempt {
	list := []status.Attempt{}
	w := rec.situation() // which may ask anybody, so not under our lock
	rec.mu.Lock()
	defer rec.mu.Unlock()
	now := rec.now()
	for _, a := range rec.newestFirst() {
		list = append(list, a.tell(now, w))
	}
	return list
}

// wakeGap is the least time between two wakes for what strangers can cause
// without an end.
const wakeGap = time.Second

// changed wakes whoever watches. The caller holds mu, and calls what is
// returned after letting go of it.
func (rec *Recorder) changed(a *attempt, now time.Time) func() {
	if a.class == bare {
		if now.Sub(rec.last) < wakeGap {
			return func() {}
		}
		rec.last = now
	}
	return rec.wake
}
