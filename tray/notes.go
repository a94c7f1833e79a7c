package tray

import (
	"fmt"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// note is one desktop notification, in plain text.
type note struct {
	Title, Body string
	Revoke      string // session that its Revoke button ends; "" for no button
	Urgent      bool
}

// tunnelGrace is how long the tunnel may be away before a person hears of it.
const tunnelGrace = time.Minute

// refusalPause is the least time between two notes of refused sign-ins, which
// strangers can cause.
const refusalPause = time.Minute

// notifier decides what is worth a note: a sign-in of a client that the person
// has no session with, a refused one, a replayed token, and a tunnel lost for
// over a minute and its return. It starts with what is there already as known.
type notifier struct {
	started  bool
	last     time.Time       // of the newest event seen
	lastIDs  map[string]bool // the events of that moment
	refused  time.Time       // when a refusal was last told
	untold   int             // refusals since
	downAt   time.Time       // since when the tunnel is away; zero: it is not
	toldDown bool
}

// look returns the notes that a snapshot gives rise to, and after what time to
// look again though nothing changes; 0 for no need.
func (n *notifier) look(snap status.Snapshot, now time.Time) (notes []note, again time.Duration) {
	for _, e := range n.fresh(snap.Events) {
		switch e.Type {
		case status.SigninSucceeded:
			if newClient(snap.Sessions, e.Session) {
				notes = append(notes, signedIn(snap.Sessions, e))
			}
		case status.SigninRefused:
			if n.untold++; now.Sub(n.refused) < refusalPause {
				continue
			}
			body := eventText(e)
			if n.untold > 1 {
				body += fmt.Sprintf(" (and %d more)", n.untold-1)
			}
			notes = append(notes, note{Title: "A sign-in was refused", Body: body})
			n.refused, n.untold = now, 0
		case status.TokenReused:
			notes = append(notes, note{Title: "A token was used twice", Urgent: true,
				Body: field(e.User, 40) + " with " + clientName(e.Client) + " was signed out: somebody may have copied the token."})
		}
	}
	told, again := n.tunnel(snap.Status.Tunnel, now)
	return append(notes, told...), again
}

// fresh returns the events that were not there at the last look.
func (n *notifier) fresh(events []status.Event) []status.Event {
	var fresh []status.Event
	last, ids := n.last, n.lastIDs
	for _, e := range events {
		if e.Time.Before(n.last) || e.Time.Equal(n.last) && n.lastIDs[e.ID] {
			continue
		}
		fresh = append(fresh, e)
		if !e.Time.Equal(last) || ids == nil {
			ids = map[string]bool{}
		}
		if e.Time.After(last) {
			last = e.Time
		}
		ids[e.ID] = true
	}
	n.last, n.lastIDs = last, ids
	if !n.started {
		n.started = true
		return nil
	}
	return fresh
}

func (n *notifier) tunnel(t status.Tunnel, now time.Time) (notes []note, again time.Duration) {
	if t.State == "up" || t.State == "off" {
		if n.toldDown && t.State == "up" {
			notes = []note{{Title: "The tunnel is back", Body: "Clients can reach Drawbridge again."}}
		}
		n.downAt, n.toldDown = time.Time{}, false
		return notes, 0
	}
	if t.State == "" || n.toldDown {
		return nil, 0
	}
	if n.downAt.IsZero() {
		n.downAt = now
	}
	if left := tunnelGrace - now.Sub(n.downAt); left > 0 {
		return nil, left
	}
	n.toldDown = true
	body := "Nobody can reach Drawbridge for a minute now."
	if t.Error != "" {
		body += " " + status.Clean(t.Error, 200)
	}
	return []note{{Title: "The tunnel is down", Body: body}}, 0
}

// newClient reports whether no older session has the person and the client of
// this one.
func newClient(sessions []status.Session, id string) bool {
	this := find(sessions, id)
	if this == nil {
		return false // it has ended already
	}
	for _, s := range sessions {
		if s.ID != id && s.User.Sub == this.User.Sub && s.Client.ID == this.Client.ID && !s.CreatedAt.After(this.CreatedAt) {
			return false
		}
	}
	return true
}

func signedIn(sessions []status.Session, e status.Event) note {
	body := field(e.User, 40) + " with " + clientName(e.Client)
	if s := find(sessions, e.Session); s != nil && s.Client.RedirectHost != "" {
		body += ", through " + field(s.Client.RedirectHost, 48)
	}
	return note{Title: "A new client signed in", Body: body, Revoke: e.Session}
}

func find(sessions []status.Session, id string) *status.Session {
	for i := range sessions {
		if sessions[i].ID == id {
			return &sessions[i]
		}
	}
	return nil
}
