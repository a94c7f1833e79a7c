package tray

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// note is one desktop notification, in plain text.
type note struct {
	Title, Body string
	Urgent      bool
	Page        string   // of the console, which a click on the note opens; "" for none
	Buttons     []button // where the desktop has buttons
	Otherwise   string   // what to do where it has none
	Name        string   // by which it is withdrawn; "" if it never is
}

// button is one of a note, and what it does.
type button struct {
	Label string
	Does  action
}

// text is the body on a desktop with buttons, or without. There, what to do
// stands first: some cut the end off.
func (n note) text(buttons bool) string {
	if buttons || n.Otherwise == "" {
		return n.Body
	}
	return n.Otherwise + "\n" + n.Body
}

// tunnelGrace is how long the tunnel may be away before a person hears of it.
const tunnelGrace = time.Minute

// pause is the least time between two notes of one kind, where strangers or
// servers can cause them.
const pause = time.Minute

// paced is what is told once a pause, with what came since, and the page of the
// console that says more.
var paced = map[string]string{status.SigninRefused: "/activity", status.ServerFailed: "/servers", status.ServerChanged: "/servers", serverSignIn: "/servers"}

// serverSignIn is a [status.ServerFailed] that the owner's sign-in there cures; its
// Tool is the server.
const serverSignIn = "server.signin"

// signInPage is where the owner signs in at a server.
func signInPage(server string) string { return "/servers?server=" + url.QueryEscape(server) }

// curable makes of a server's failure a [serverSignIn], if it is one.
func curable(e status.Event, servers []status.Server) status.Event {
	for _, s := range servers {
		if e.Type == status.ServerFailed && s.SignIn.Wanted() && strings.HasPrefix(e.Reason, s.Name+" ") {
			e.Type, e.Tool = serverSignIn, s.Name
		}
	}
	return e
}

// notifier decides what is worth a note: a sign-in of a client that the person
// has no session with, a refused one, a replayed token, a server that failed or
// whose tools changed, and a tunnel lost for over a minute and its return. It
// starts with what is there already as known.
type notifier struct {
	texts    *assets.Texts
	seen     map[moment]bool      // the events at the last look; nil before the first
	told     map[string]time.Time // when each paced type was last told
	untold   map[string]int       // how many came since
	downAt   time.Time            // since when the tunnel is away; zero: it is not
	toldDown bool
}

// look returns the notes that a snapshot gives rise to, and after what time to
// look again though nothing changes; 0 for no need.
func (n *notifier) look(snap status.Snapshot, now time.Time) (notes []note, again time.Duration) {
	fresh := n.fresh(snap.Events)
	for i, e := range fresh {
		fresh[i] = curable(e, snap.Status.Servers)
	}
	for i, e := range fresh {
		if _, is := paced[e.Type]; is {
			notes = append(notes, n.paced(e, fresh[i+1:], now)...)
			continue
		}
		switch e.Type {
		case status.TokenIssued: // a sign-in is a session once its code was redeemed
			if newClient(snap.Sessions, e.Session) {
				notes = append(notes, n.signedIn(snap.Sessions, e))
			}
		case status.TokenReused:
			notes = append(notes, note{Title: n.texts.Say("tray.reused"), Urgent: true, Page: "/activity",
				Body: n.texts.Say("tray.reused.body", field(e.User, 40), clientName(n.texts, e.Client))})
		}
	}
	told, again := n.tunnel(snap.Status.Tunnel, now)
	return append(notes, told...), again
}

// paced tells e as the last of its type for now, unless others come after it
// or one was told a moment ago.
func (n *notifier) paced(e status.Event, after []status.Event, now time.Time) []note {
	if n.told == nil {
		n.told, n.untold = map[string]time.Time{}, map[string]int{}
	}
	n.untold[e.Type]++
	same := func(other status.Event) bool { return other.Type == e.Type }
	if now.Sub(n.told[e.Type]) < pause || slices.ContainsFunc(after, same) {
		return nil
	}
	what := note{Title: n.texts.Say("paced." + e.Type), Body: eventDetail(n.texts, e), Page: paced[e.Type]}
	more := n.untold[e.Type] - 1
	if more > 0 {
		what.Body += n.texts.Say("tray.since", more)
	}
	if e.Type == serverSignIn {
		if what.Otherwise = n.texts.Say("tray.signin.otherwise"); more == 0 {
			what.Page = signInPage(e.Tool)
		}
	}
	n.told[e.Type], n.untold[e.Type] = now, 0
	return []note{what}
}

// fresh returns the events that were not there at the last look.
func (n *notifier) fresh(events []status.Event) (fresh []status.Event) {
	seen := make(map[moment]bool, len(events))
	for _, e := range events {
		m := moment{e.ID, e.Time.UnixMilli()}
		if seen[m] = true; n.seen != nil && !n.seen[m] {
			fresh = append(fresh, e)
		}
	}
	n.seen = seen
	return fresh
}

// moment is an event, or one more time that it happened.
type moment struct {
	id   string
	time int64
}

func (n *notifier) tunnel(t status.Tunnel, now time.Time) (notes []note, again time.Duration) {
	if t.State == "up" || t.State == "off" {
		if n.toldDown && t.State == "up" {
			notes = []note{{Title: n.texts.Say("tray.up"), Page: "/", Body: n.texts.Say("tray.up.body")}}
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
	return []note{{Title: n.texts.Say("tray.down"), Page: "/doctor", Body: n.texts.Say("tray.down.body")}}, 0
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

func (n *notifier) signedIn(sessions []status.Session, e status.Event) note {
	user, client := field(e.User, 40), clientName(n.texts, e.Client)
	body := n.texts.Say("tray.who", user, client)
	if s := find(sessions, e.Session); s != nil && s.Client.RedirectHost != "" {
		body = n.texts.Say("tray.through", user, client, field(s.Client.RedirectHost, 48))
	}
	return note{Title: n.texts.Say("tray.signin.new"), Body: body, Page: "/sessions", Buttons: []button{{n.texts.Say("sessions.revoke"), action{kind: revokeID, id: e.Session}}}}
}

func find(sessions []status.Session, id string) *status.Session {
	for i := range sessions {
		if sessions[i].ID == id {
			return &sessions[i]
		}
	}
	return nil
}
