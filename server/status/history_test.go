package status

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func at(minutes int) time.Time { return clock().Add(time.Duration(minutes) * time.Minute) }

// add returns the reasons, with counts, of what is left of events.
func add(events ...Event) (left []string) {
	var h History
	for i := range events {
		h.Add(&events[i])
	}
	for _, ev := range h.Events() {
		left = append(left, fmt.Sprintf("%s %d", ev.Reason, times(&ev)))
	}
	return left
}

func TestRepeats(t *testing.T) {
	refused := func(id string, minutes int, reason string) Event {
		return Event{ID: id, Time: at(minutes), Type: TokenRefused, Reason: reason, Remote: "203.0.113.7"}
	}
	owner := func(minutes int, typ string) Event {
		return Event{Time: at(minutes), ID: fmt.Sprint(minutes), Type: typ, Reason: typ}
	}
	call := func(id string) Event { return Event{ID: id, Time: at(0), Type: ToolCalled, Reason: "echo"} }
	for name, c := range map[string]struct {
		events []Event
		want   string
	}{
		"the same":                        {[]Event{refused("a", 0, "x"), refused("b", 1, "x"), refused("c", 2, "x")}, "[x 3]"},
		"the same with another between":   {[]Event{refused("a", 0, "x"), refused("b", 1, "y"), refused("c", 2, "x")}, "[y 1 x 2]"},
		"one counted already":             {[]Event{refused("a", 0, "x"), {ID: "a", Time: at(1), Type: TokenRefused, Reason: "x", Remote: "203.0.113.7", Count: 2}}, "[x 2]"},
		"the same an hour later":          {[]Event{refused("a", 0, "x"), refused("b", 60, "x")}, "[x 2]"},
		"the same after more":             {[]Event{refused("a", 0, "x"), refused("b", 61, "x"), refused("c", 62, "x")}, "[x 1 x 2]"},
		"a tunnel that comes and goes":    {[]Event{owner(0, TunnelUp), owner(1, TunnelDown), owner(2, TunnelUp), owner(3, TunnelDown)}, "[tunnel.up 1 tunnel.down 1 tunnel.up 1 tunnel.down 1]"},
		"a provider lost again and again": {[]Event{owner(0, ProviderLost), owner(1, ProviderLost)}, "[idp.unreachable 2]"},
		"tool calls, each one":            {[]Event{call("a"), call("b")}, "[echo 1 echo 1]"},
	} {
		if got := fmt.Sprint(add(c.events...)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Whoever has most gives way, and of theirs the oldest.
func TestRoomIsDivided(t *testing.T) {
	limit := Sessions.Limit()
	for _, bobs := range []int{limit - 2, limit - 1, limit, 5 * limit} {
		var events []Event
		sign := func(user string, n int) {
			events = append(events, Event{Type: SigninSucceeded, User: user, Session: fmt.Sprint(n), Reason: fmt.Sprint(user, n)})
		}
		sign("ana", 0)
		for i := range bobs {
			sign("bob", i)
		}
		sign("ana", 1)
		got := add(events...)
		wantBob := min(bobs, limit-2)
		if len(got) != wantBob+2 || got[0] != "ana0 1" || got[1] != fmt.Sprintf("bob%d 1", bobs-wantBob) || got[len(got)-1] != "ana1 1" {
			t.Errorf("%d of bob's: %d are left: %s, %s … %s", bobs, len(got), got[0], got[1], got[len(got)-1])
		}
	}
}

// Whatever comes, a place holds one event, and a history that is restored from
// its places is the same.
func TestPlaces(t *testing.T) {
	types := []string{ToolCalled, TokenRefreshed, ConsentApproved, ClientRefused, SigninSucceeded, SessionRevoked, TunnelUp, TunnelDown}
	r := rand.New(rand.NewPCG(1, 2))
	var h History
	placed := map[Place]*Event{}
	for i := range 30_000 {
		ev := &Event{ID: fmt.Sprint(i), Time: at(i / 100), Type: types[r.IntN(len(types))], User: fmt.Sprint(r.IntN(40)), Reason: fmt.Sprint(r.IntN(300)), Remote: fmt.Sprintf("203.0.%d.1", r.IntN(9))}
		place, kept := h.Add(ev)
		if place.N < 0 || place.N >= place.Class.Limit() || h.At(place) != kept {
			t.Fatalf("event %d stands at %+v", i, place)
		}
		placed[place] = kept
	}
	var again History
	for place, ev := range placed {
		if h.At(place) != ev {
			t.Fatalf("%+v is another", place)
		}
		if !again.Restore(place, ev) || again.Restore(place, ev) {
			t.Fatalf("%+v is not restored, or twice", place)
		}
	}
	if a, b := len(h.Events()), len(again.Events()); a != b || a != len(placed) {
		t.Errorf("%d events, %d restored, %d places", a, b, len(placed))
	}
}
