// Package approve has tool calls wait for the owner's click.
//
// It knows nothing of servers or clients, draws no window and keeps nothing: a
// call that waits when Drawbridge ends is refused. Start at [NewQueue].
package approve

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
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

	// MaxArguments is how much of arguments a person can be asked to read, in
	// bytes as they are shown. Nothing is allowed that was not shown whole, so a
	// call with more is refused.
	MaxArguments = 64 << 10
	maxTool      = 200 // of a tool's name, likewise

	// LeaveTime is how long [Queue.AllowTool] allows a tool.
	LeaveTime = 10 * time.Minute

	// goneTime is how long a call that waits no longer keeps its place on the
	// screen, so that no other one's button comes under the pointer.
	goneTime = 2 * time.Second
)

// A Refusal is why a call was not allowed. Its text is a sentence that the
// client may read.
type Refusal struct {
	Why      string // in the owner's words, for the history
	sentence string
}

func (r *Refusal) Error() string { return r.sentence }

// ErrUnknown is what Answer returns for a call that does not wait (any more).
var ErrUnknown = errors.New("this call waits no longer: it was answered, given up or timed out")

// Queue holds the calls that wait, and what the owner's answers mean for those to
// come. It is safe for concurrent use.
type Queue struct {
	now     func() time.Time
	changed func()
	wait    time.Duration

	mu      sync.Mutex // guards all below
	waiting []*call    // oldest first
	gone    []gone     // in the last goneTime
	leaves  map[tool]time.Time
	denials map[tool]denial
}

// call is one that waits. Who takes it out of the queue settles it.
type call struct {
	status.Approval
	tool   tool
	answer chan bool // holds the answer
}

type gone struct {
	status.Approval
	at time.Time
}

// NewQueue returns an empty queue, in which calls wait for wait; 0 means
// [DefaultWait]. changed hears that Pending is another now; it must not block.
// now is time.Now outside of tests.
func NewQueue(wait time.Duration, now func() time.Time, changed func()) *Queue {
	return &Queue{now: now, changed: changed, wait: cmp.Or(wait, DefaultWait), leaves: map[tool]time.Time{}, denials: map[tool]denial{}}
}

// Ask returns nil once the owner has allowed the call a, or if they allow its
// tool for a time, and a [*Refusal] when they have denied it or just denied the
// same, when nobody has answered in time, when too many calls wait already, when
// it is too long to be read, or when ctx ends, which is that of the call and of
// its grant. ID, Time and Expires of a are given here, and its texts are written
// so that nothing in them hides.
func (q *Queue) Ask(ctx context.Context, a status.Approval) error {
	if ctx.Err() != nil {
		return ended()
	}
	c, err := q.put(a)
	if c == nil {
		return err
	}
	q.changed()
	timer := time.NewTimer(q.wait)
	defer timer.Stop()
	var refusal *Refusal
	select {
	case allow := <-c.answer:
		return c.verdict(ctx, allow)
	case <-timer.C:
		refusal = &Refusal{"nobody answered in time", fmt.Sprintf("Nobody allowed this call of %s within %s. Ask the owner of this computer to look at Drawbridge, then try again.", c.Tool, inWords(q.wait))}
	case <-ctx.Done():
		refusal = ended()
	}
	q.mu.Lock()
	if q.find(c.ID) == nil { // an answer came in the same moment, and it counts
		q.mu.Unlock()
		return c.verdict(ctx, <-c.answer)
	}
	q.remove(c, q.now().UTC())
	q.mu.Unlock()
	q.changed()
	return refusal
}

// verdict is what an answer means. An answer for a call whose session ended is
// no leave to make it.
func (c *call) verdict(ctx context.Context, allow bool) error {
	switch {
	case !allow:
		return &Refusal{"the owner said no", fmt.Sprintf("The owner of this computer did not allow this call of %s. Don't try it again unless they ask for it.", c.Tool)}
	case ctx.Err() != nil:
		return ended()
	}
	return nil
}

func ended() *Refusal {
	return &Refusal{"it was given up, or its session ended", "The call was given up, or its session ended, before the owner of this computer answered."}
}

// put appends a call. It returns none if there is nothing to ask.
func (q *Queue) put(a status.Approval) (*call, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t, now := tool{a.Session, a.Server, a.Tool}, q.now().UTC()
	if now.Before(q.leaves[t]) {
		return nil, nil
	}
	if left := q.denials[t].until.Sub(now); left > 0 {
		return nil, &Refusal{"the owner has just said no to this tool", fmt.Sprintf("The owner of this computer has just refused a call of %s. They can be asked about it again in %d seconds.", status.Clean(a.Tool, maxTool), int(math.Ceil(left.Seconds())))}
	}
	q.gone = slices.DeleteFunc(q.gone, func(g gone) bool { return now.Sub(g.at) >= goneTime })
	waiting, seen := 0, 0
	for _, c := range q.waiting {
		if c.Session == a.Session {
			waiting++
		}
	}
	for _, g := range q.gone {
		if g.Session == a.Session {
			seen++
		}
	}
	// Who asks and gives up at once fills the screen as well.
	if len(q.waiting) >= maxWaiting || waiting >= maxWaitingSession || len(q.waiting)+len(q.gone) >= 2*maxWaiting || waiting+seen >= 2*maxWaitingSession {
		return nil, &Refusal{"too many calls wait for an answer", "Too many calls wait for the owner of this computer already. Wait until they are answered, then try again."}
	}
	a.ID, a.Time = rand.Text(), now
	a.Expires = a.Time.Add(q.wait)
	a.User, a.Client, a.Server = status.Clean(a.User, 254), status.Clean(a.Client, 80), status.Clean(a.Server, 64)
	a.Tool, a.Arguments = status.Spell(a.Tool), status.Spell(a.Arguments)
	if len(a.Arguments) > MaxArguments || len(a.Tool) > maxTool {
		return nil, &Refusal{"its arguments are too long to be read", fmt.Sprintf("The owner of this computer is asked about each call of %s, and the arguments of this one are too long to be read. Send at most %d KiB at a time.", status.Clean(a.Tool, maxTool), MaxArguments>>10)}
	}
	c := &call{Approval: a, tool: t, answer: make(chan bool, 1)}
	q.waiting = append(q.waiting, c)
	return c, nil
}

// Answer allows or denies a call that waits, or returns [ErrUnknown].
func (q *Queue) Answer(id string, allow bool) error {
	return q.settle(id, allow, func(t tool, now time.Time) {
		if allow {
			delete(q.denials, t)
		} else {
			q.deny(t, now)
		}
	})
}

// AllowTool allows a call that waits, with the others of its session that wait
// for the same tool, and what they call of it for [LeaveTime]; or it returns
// [ErrUnknown].
func (q *Queue) AllowTool(id string) error {
	err := q.settle(id, true, func(t tool, now time.Time) {
		delete(q.denials, t)
		q.leaves[t] = now.Add(LeaveTime)
		for _, c := range slices.Clone(q.waiting) {
			if c.tool == t {
				q.remove(c, now)
				c.answer <- true
			}
		}
	})
	if err == nil {
		time.AfterFunc(LeaveTime, q.changed) // it is shown no longer
	}
	return err
}

func (q *Queue) settle(id string, allow bool, also func(tool, time.Time)) error {
	q.mu.Lock()
	c, now := q.find(id), q.now().UTC()
	if c == nil {
		q.mu.Unlock()
		return ErrUnknown
	}
	q.remove(c, now)
	c.answer <- allow // has room: who finds a call takes it away
	also(c.tool, now)
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

// Gone returns the calls that have just stopped waiting, whyever, never nil.
func (q *Queue) Gone() []status.Approval {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := []status.Approval{}
	for _, g := range q.gone {
		if q.now().Sub(g.at) < goneTime {
			all = append(all, g.Approval)
		}
	}
	return all
}

// remove needs q.mu.
func (q *Queue) remove(c *call, now time.Time) {
	q.waiting = slices.DeleteFunc(q.waiting, func(other *call) bool { return other == c })
	q.gone = append(q.gone, gone{c.Approval, now})
	time.AfterFunc(goneTime, q.changed)
}

// find needs q.mu.
func (q *Queue) find(id string) *call {
	for _, c := range q.waiting {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func inWords(d time.Duration) string {
	if d >= 2*time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
