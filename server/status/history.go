package status

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
)

// Class groups the types of events by who can cause them. Each class has room
// of its own, which is divided among those who cause its events: a flood pushes
// out nothing but what came of the same flood.
type Class int

// The classes of events. Their numbers stand in the state file.
const (
	Calls     Class = iota // what a session does all day
	Strangers              // what anybody on the internet can cause without a sign-in
	Sessions               // how people's sessions begin and end
	Owner                  // the rest: what happens to Drawbridge itself
	Classes                // how many classes there are
)

// ClassOf returns the class of an event's type.
func ClassOf(eventType string) Class {
	switch eventType {
	case ToolCalled, TokenRefreshed:
		return Calls
	case ClientRegistered, ClientRefused, ConsentShown, ConsentApproved, ConsentDenied, TokenRefused, SigninRefused:
		return Strangers
	case SigninSucceeded, TokenIssued, TokenReused, SessionRevoked, SessionExpired:
		return Sessions
	}
	return Owner
}

// Limit is how many events of the class are kept.
func (c Class) Limit() int {
	if c == Sessions {
		return 2000
	}
	return 1000
}

// actorOf is who caused an event: the network of a stranger, as the rate limit
// sees it; else the person.
func actorOf(ev *Event) string {
	switch ClassOf(ev.Type) {
	case Strangers:
		return limit.Actor(ev.Remote).String()
	case Owner:
		return ""
	}
	return cmp.Or(ev.User, ev.Session)
}

// repeatTime is how long after an event another that says the same is one with
// it: longer than an access token lives, so that a session that refreshes all
// day leaves one line.
const repeatTime = time.Hour

// History is the events that are kept. It is not safe for concurrent use.
type History struct {
	seq   uint64
	rooms [Classes]room
}

// Place is where an event is kept. One that comes later takes the place of the
// one that gave way to it, or that it repeats.
type Place struct {
	Class Class
	N     int // less than the class's limit
}

// room holds the events of one class.
type room struct {
	entries []*entry // by place; nil: free
	count   int
	actors  map[string]*actor
	most    byCount
	said    map[Event]*entry // the newest that said this, but for tool calls
}

type entry struct {
	event       *Event
	seq         uint64
	place       int
	actor       *actor
	older, next *entry // of the same actor
}

// actor is one who causes events, with those that are kept.
type actor struct {
	name           string
	count          int
	oldest, newest *entry
	index          int // in most
}

// Add keeps ev, which is never changed again, and returns where, and as what: a
// repetition is one event with what it repeats, under its ID, with a count. An
// event with the ID of the one it repeats is that very one, counted already.
func (h *History) Add(ev *Event) (Place, *Event) {
	h.seq++
	class := ClassOf(ev.Type)
	r := &h.rooms[class]
	if e := r.repeated(ev); e != nil {
		if e.event.ID != ev.ID {
			all := *ev
			all.ID, all.Count = e.event.ID, times(e.event)+times(ev)
			ev = &all
		}
		r.unlink(e)
		e.event, e.seq = ev, h.seq
		r.link(e, e.actor)
		return Place{class, e.place}, ev
	}
	e := r.vacate(class.Limit())
	e.event, e.seq = ev, h.seq
	r.put(e, actorOf(ev))
	return Place{class, e.place}, ev
}

// Restore keeps ev where an earlier run did, and reports whether it can: not if
// the place is another class's, or taken.
func (h *History) Restore(at Place, ev *Event) bool {
	if at.Class != ClassOf(ev.Type) || at.N < 0 || at.N >= at.Class.Limit() {
		return false
	}
	r := &h.rooms[at.Class]
	for len(r.entries) <= at.N {
		r.entries = append(r.entries, nil)
	}
	if r.entries[at.N] != nil {
		return false
	}
	h.seq++
	r.count++
	r.entries[at.N] = &entry{event: ev, seq: h.seq, place: at.N}
	r.put(r.entries[at.N], actorOf(ev))
	return true
}

// At returns the event at a place, or nil.
func (h *History) At(p Place) *Event {
	if entries := h.rooms[p.Class].entries; p.N < len(entries) && entries[p.N] != nil {
		return entries[p.N].event
	}
	return nil
}

// Events returns the events that are kept, oldest first, never nil.
func (h *History) Events() []Event {
	var all []*entry
	for i := range h.rooms {
		for _, e := range h.rooms[i].entries {
			if e != nil {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	events := make([]Event, len(all))
	for i, e := range all {
		events[i] = *e.event
	}
	return events
}

// repeated returns the event that ev repeats, or nil. What happens to Drawbridge
// itself is told in order: there only the very last one counts.
func (r *room) repeated(ev *Event) *entry {
	e := r.said[said(ev)]
	if e == nil || ev.Type == ToolCalled || ClassOf(ev.Type) == Owner && e.actor.newest != e || ev.Time.Sub(e.event.Time) > repeatTime {
		return nil
	}
	return e
}

// said is what an event says, whenever it does.
func said(ev *Event) Event {
	what := *ev
	what.ID, what.Time, what.Count = "", time.Time{}, 0
	return what
}

// times is how often an event happened.
func times(ev *Event) int { return max(ev.Count, 1) }

// vacate returns a free entry: that of the oldest event of whoever has most of
// them, once there are limit.
func (r *room) vacate(limit int) *entry {
	if r.count < limit {
		place := slices.Index(r.entries, nil)
		if place < 0 {
			place = len(r.entries)
			r.entries = append(r.entries, nil)
		}
		r.count++
		r.entries[place] = &entry{place: place}
		return r.entries[place]
	}
	e := r.most[0].oldest
	r.unlink(e)
	if e.actor.count == 0 {
		heap.Remove(&r.most, e.actor.index)
		delete(r.actors, e.actor.name)
	}
	if what := said(e.event); r.said[what] == e {
		delete(r.said, what)
	}
	return e
}

// put makes e the newest of an actor's.
func (r *room) put(e *entry, name string) {
	if r.actors == nil {
		r.actors, r.said = map[string]*actor{}, map[Event]*entry{}
	}
	a := r.actors[name]
	if a == nil {
		a = &actor{name: name}
		r.actors[name] = a
		heap.Push(&r.most, a)
	}
	if e.event.Type != ToolCalled {
		r.said[said(e.event)] = e
	}
	r.link(e, a)
}

func (r *room) link(e *entry, a *actor) {
	e.actor, e.older, e.next = a, a.newest, nil
	if a.newest != nil {
		a.newest.next = e
	} else {
		a.oldest = e
	}
	a.newest = e
	a.count++
	heap.Fix(&r.most, a.index)
}

func (r *room) unlink(e *entry) {
	a := e.actor
	if e.older != nil {
		e.older.next = e.next
	} else {
		a.oldest = e.next
	}
	if e.next != nil {
		e.next.older = e.older
	} else {
		a.newest = e.older
	}
	a.count--
	heap.Fix(&r.most, a.index)
}

// byCount is a heap: who has most events comes first, and of those who have as
// many, the one with the oldest.
type byCount []*actor

func (h byCount) Len() int { return len(h) }

func (h byCount) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.count != b.count || a.count == 0 {
		return a.count > b.count
	}
	return a.oldest.seq < b.oldest.seq
}

func (h byCount) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *byCount) Push(x any) {
	a := x.(*actor)
	a.index = len(*h)
	*h = append(*h, a)
}

// Pop is for package heap.
func (h *byCount) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	*h = (*h)[:last]
	return a
}
