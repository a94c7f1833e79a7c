// Package approve has tool calls wait for the owner's click.
//
// It knows nothing of servers or clients, draws no window and keeps nothing: a
// call that waits when Drawbridge ends is refused. Start at [NewQueue].
package approve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	// DefaultWait is how long a call waits: as long as a person at the computer
	// needs, and shorter than clients wait for an answer.
	DefaultWait = 2 * time.Minute

	// maxWaiting bounds the calls that wait, in all and of one session, so that
	// a client that runs wild can't bury the one that matters.
	maxWaiting        = 32
	maxWaitingSession = 8

	maxArguments = 4000 // runes that are shown
)

// A Refusal is why a call was not allowed. Its text is a sentence that the
// client may read.
type Refusal struct {
	Kind     Kind
	sentence string
}

// Kind is what became of a call that was not allowed.
type Kind int

// The kinds of refusals.
const (
	Denied  Kind = iota // the owner said no
	Expired             // nobody answered
	Crowded             // too many wait already
	Ended               // the client gave up, or its session ended
)

func (r *Refusal) Error() string { return r.sentence }

// ErrUnknown is what Answer returns for a call that does not wait (any more).
var ErrUnknown = errors.New("this call waits no longer: it was answered, given up or timed out")

// Queue holds the calls that wait. It is safe for concurrent use.
type Queue struct {
	now     func() time.Time
	changed func()
	wait    time.Duration

	mu      sync.Mutex // guards waiting
	waiting []*call    // oldest first
}

// call is one that waits. Who takes it out of the queue settles it.
type call struct {
	status.Approval
	answer chan bool // holds the answer
}

// NewQueue returns an empty queue. changed hears that Pending is another now; it
// must not block. now is time.Now outside of tests.
func NewQueue(now func() time.Time, changed func()) *Queue {
	if changed == nil {
		changed = func() {}
	}
	return &Queue{now: now, changed: changed, wait: DefaultWait}
}

// SetWait sets how long calls wait that come from now on; not above 0 means
// [DefaultWait].
func (q *Queue) SetWait(wait time.Duration) {
	if wait <= 0 {
		wait = DefaultWait
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wait = wait
}

// Ask returns nil once the owner has allowed the call a, and a [*Refusal] when
// they have denied it, when nobody has answered in time, when too many calls
// wait already, or when ctx ends, which is that of the call and of its grant.
// ID, Time and Expires of a are given here; its texts are cleaned and cut.
func (q *Queue) Ask(ctx context.Context, a status.Approval) error {
	if ctx.Err() != nil {
		return ended()
	}
	c, wait, err := q.put(a)
	if err != nil {
		return err
	}
	q.changed()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var refusal *Refusal
	select {
	case allow := <-c.answer:
		return c.verdict(ctx, allow)
	case <-timer.C:
		refusal = &Refusal{Expired, fmt.Sprintf("Nobody allowed this call of %s within %s. Ask the owner of this computer to look at Drawbridge, then try again.", c.Tool, inWords(wait))}
	case <-ctx.Done():
		refusal = ended()
	}
	if !q.take(c.ID) { // an answer came in the same moment, and it counts
		return c.verdict(ctx, <-c.answer)
	}
	q.changed()
	return refusal
}

// verdict is what an answer means. An answer for a call whose session ended is
// no leave to make it.
func (c *call) verdict(ctx context.Context, allow bool) error {
	switch {
	case !allow:
		return &Refusal{Denied, fmt.Sprintf("The owner of this computer did not allow this call of %s. Don't try it again unless they ask for it.", c.Tool)}
	case ctx.Err() != nil:
		return ended()
	}
	return nil
}

func ended() *Refusal {
	return &Refusal{Ended, "The call was given up, or its session ended, before the owner of this computer answered."}
}

// put appends a call.
func (q *Queue) put(a status.Approval) (*call, time.Duration, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	same := 0
	for _, c := range q.waiting {
		if c.Session == a.Session {
			same++
		}
	}
	if len(q.waiting) >= maxWaiting || same >= maxWaitingSession {
		return nil, 0, &Refusal{Crowded, "Too many calls wait for the owner of this computer already. Wait until they are answered, then try again."}
	}
	a.ID, a.Time = rand.Text(), q.now().UTC()
	a.Expires = a.Time.Add(q.wait)
	a.User, a.Client = status.Clean(a.User, 254), status.Clean(a.Client, 80)
	a.Server, a.Tool = status.Clean(a.Server, 64), status.Clean(a.Tool, 128)
	a.Arguments = status.CleanLines(a.Arguments, maxArguments)
	c := &call{Approval: a, answer: make(chan bool, 1)}
	q.waiting = append(q.waiting, c)
	return c, q.wait, nil
}

// Answer allows or denies a call that waits, or returns [ErrUnknown].
func (q *Queue) Answer(id string, allow bool) error {
	q.mu.Lock()
	i := q.find(id)
	if i < 0 {
		q.mu.Unlock()
		return ErrUnknown
	}
	q.waiting[i].answer <- allow // has room: who finds a call takes it away
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.mu.Unlock()
	q.changed()
	return nil
}

// Pending returns the calls that wait, oldest first, never nil.
func (q *Queue) Pending() []status.Approval {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]status.Approval, len(q.waiting))
	for i, c := range q.waiting {
		all[i] = c.Approval
	}
	return all
}

// take removes a call, and reports whether it was there.
func (q *Queue) take(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.find(id)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// find needs q.mu.
func (q *Queue) find(id string) int {
	return slices.IndexFunc(q.waiting, func(c *call) bool { return c.ID == id })
}

// inWords is a duration as a person says it.
func inWords(d time.Duration) string {
	if d >= 2*time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
