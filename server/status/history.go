package status

import (
	"cmp"
	"maps"
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
	kept   []*kept        // oldest first
	places []*Event       // nil: free
	count  map[string]int // of kept, by actor
}

type kept struct {
	event *Event
	seq   uint64
	actor string
	place int
}

// Add keeps ev, which is never changed again, and returns where, and as what: a
// repetition is one event with what it repeats, under its ID, with a count. An
// event with the ID of the one it repeats is that very one, counted already.
func (h *History) Add(ev *Event) (Place, *Event) {
	class := ClassOf(ev.Type)
	r := &h.rooms[class]
	var place int
	switch i := r.repeated(ev); {
	case i >= 0:
		was := r.remove(i)
		if was.event.ID != ev.ID {
			all := *ev
			all.ID, all.Count = was.event.ID, times(was.event)+times(ev)
			ev = &all
		}
		place = was.place
	case len(r.kept) == class.Limit():
		place = r.remove(r.oldestOfMost()).place
	default:
		place = r.free()
	}
	h.put(Place{class, place}, ev)
	return Place{class, place}, ev
}

// Restore keeps ev where an earlier run did, and reports whether it can: not if
// the place is another class's, or taken.
func (h *History) Restore(at Place, ev *Event) bool {
	if at.Class != ClassOf(ev.Type) || at.N < 0 || at.N >= at.Class.Limit() || h.At(at) != nil {
		return false
	}
	r := &h.rooms[at.Class]
	r.places = append(r.places, make([]*Event, max(0, at.N+1-len(r.places)))...)
	h.put(at, ev)
	return true
}

func (h *History) put(at Place, ev *Event) {
	r, actor := &h.rooms[at.Class], actorOf(ev)
	if r.count == nil {
		r.count = map[string]int{}
	}
	h.seq++
	r.kept = append(r.kept, &kept{ev, h.seq, actor, at.N})
	r.places[at.N] = ev
	r.count[actor]++
}

// At returns the event at a place, or nil.
func (h *History) At(p Place) *Event {
	if places := h.rooms[p.Class].places; p.N < len(places) {
		return places[p.N]
	}
	return nil
}

// Events returns the events that are kept, oldest first, never nil.
func (h *History) Events() []Event {
	var all []*kept
	for _, r := range h.rooms {
		all = append(all, r.kept...)
	}
	slices.SortFunc(all, func(a, b *kept) int { return cmp.Compare(a.seq, b.seq) })
	events := make([]Event, len(all))
	for i, k := range all {
		events[i] = *k.event
	}
	return events
}

// repeated returns which event ev repeats, or -1. What happens to Drawbridge
// itself is told in order: there only the very last one counts. Tool calls are
// told one by one.
func (r *room) repeated(ev *Event) int {
	if ev.Type == ToolCalled || r.count[actorOf(ev)] == 0 { // most of a flood is new here
		return -1
	}
	what := said(ev)
	for i, k := range slices.Backward(r.kept) {
		if k.event.Type == ev.Type && k.event.Reason == ev.Reason && said(k.event) == what && ev.Time.Sub(k.event.Time) <= repeatTime {
			return i
		}
		if ClassOf(ev.Type) == Owner {
			break
		}
	}
	return -1
}

// said is what an event says, whenever it does.
func said(ev *Event) Event {
	what := *ev
	what.ID, what.Time, what.Count = "", time.Time{}, 0
	return what
}

// times is how often an event happened.
func times(ev *Event) int { return max(ev.Count, 1) }

// oldestOfMost returns which event gives way: the oldest of whoever has most.
func (r *room) oldestOfMost() int {
	most := slices.Max(slices.Collect(maps.Values(r.count)))
	return slices.IndexFunc(r.kept, func(k *kept) bool { return r.count[k.actor] == most })
}

func (r *room) remove(i int) *kept {
	k := r.kept[i]
	if i == 0 {
		r.kept = r.kept[1:] // as nearly always: moves nothing
	} else {
		r.kept = slices.Delete(r.kept, i, i+1)
	}
	if r.count[k.actor]--; r.count[k.actor] == 0 {
		delete(r.count, k.actor)
	}
	return k
}

// free returns a place that is free.
func (r *room) free() int {
	place := slices.Index(r.places, nil)
	if place < 0 {
		place = len(r.places)
		r.places = append(r.places, nil)
	}
	return place
}
