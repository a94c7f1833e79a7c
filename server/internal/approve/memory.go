package approve

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// tool is one of a server's, as one session may call it.
type tool struct{ session, server, name string }

// denial is how often the owner refused a tool in a row, and until when they are
// not asked again.
type denial struct {
	times int
	until time.Time
}

// pauses are how long a session waits after the first, second… refusal of a tool
// before it can ask again. A client that asks at once, again and again, would
// wear its owner down, or have them click Allow while they mean the row before.
var pauses = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute}

// forgiven is how long after its pause a denial counts.
const forgiven = time.Hour

// deny needs q.mu. Refusals of calls that waited at the same time count once.
func (q *Queue) deny(t tool, now time.Time) {
	maps.DeleteFunc(q.denials, func(_ tool, d denial) bool { return now.Sub(d.until) >= forgiven })
	if d := q.denials[t]; !now.Before(d.until) {
		q.denials[t] = denial{d.times + 1, now.Add(pauses[min(d.times, len(pauses)-1)])}
	}
}

// Leaves returns the tools that sessions may call without asking, by session; of
// each by server and name.
func (q *Queue) Leaves() map[string][]status.Leave {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := map[string][]status.Leave{}
	for t, until := range q.leaves {
		if q.now().Before(until) {
			list[t.session] = append(list[t.session], status.Leave{Server: t.server, Tool: t.name, Until: until})
		}
	}
	for _, of := range list {
		slices.SortFunc(of, func(a, b status.Leave) int { return strings.Compare(a.Server+"\x00"+a.Tool, b.Server+"\x00"+b.Tool) })
	}
	return list
}

// EndLeave has a session ask again about a tool, or returns [ErrUnknown].
func (q *Queue) EndLeave(session, server, name string) error {
	q.mu.Lock()
	t := tool{session, server, name}
	until, ok := q.leaves[t]
	ok = ok && q.now().Before(until)
	delete(q.leaves, t)
	q.mu.Unlock()
	if !ok {
		return ErrUnknown
	}
	q.changed()
	return nil
}

// Forget drops what is kept for sessions that have ended.
func (q *Queue) Forget(over func(session string) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.leaves, func(t tool, _ time.Time) bool { return over(t.session) })
	maps.DeleteFunc(q.denials, func(t tool, _ denial) bool { return over(t.session) })
}
