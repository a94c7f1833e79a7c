package tray

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// How much the menu holds. What is beyond it stands in the console.
const (
	sessionSlots = 10
	blockSlots   = 3
	eventSlots   = 10

	// labelWidth is how many characters a row has: a panel makes its menu as
	// wide as the longest.
	labelWidth = 64
)

// view is all that the menu shows, in plain text: escaping for a system is the
// menu's own work.
type view struct {
	Icon    assets.IconState
	Tooltip string
	Rows    []row
}

// row is one row of the menu.
type row struct {
	Title     string // "": the row is not shown
	does      action // what a click on it does
	grey      bool   // it takes no click
	box       bool   // it is a check box
	checked   bool
	separator bool
	rows      []row // its submenu
}

// switches are what the menu shows that is no part of the server's state.
type switches struct {
	quiet, login, copied bool
	canLogin             bool            // "Start at login" is there
	read                 map[string]bool // the notices that the person has read
}

// painter draws the menu of a snapshot at a time, in a language. Times of day
// are in now's location.
type painter struct {
	*assets.Texts
	status.Snapshot
	now time.Time
	switches
}

// view draws the menu. The number, order and nesting of its rows are always the
// same, and what is not there at the moment is not shown: a panel that has read
// the menu once need only hear what has changed.
func (p painter) view() view {
	st := p.Status
	icon, headline, page := p.headline()
	waiting := ""
	if n := len(p.Approvals); n > 0 {
		waiting = p.Count("tray.waiting", n)
	}
	pause := p.console("overview.pause", "")
	if pause.does.kind = togglePause; st.State == status.Paused {
		pause.Title = p.Say("overview.resume")
	}
	pause.grey = st.State != status.Ready && st.State != status.Paused
	copied := row{Title: p.Say("copy.url"), does: action{kind: copyURL}}
	if p.copied {
		copied.Title = p.Say("tray.copied")
	}
	login := row{does: action{kind: toggleLogin}, box: true, checked: p.login}
	if p.canLogin {
		login.Title = p.Say("tray.login")
	}
	tip := headline
	if waiting != "" {
		tip = waiting
	}
	return view{Icon: icon, Tooltip: label("Drawbridge: " + strings.TrimLeft(tip, "●○◐▲✕‖ ")), Rows: []row{
		{Title: waiting, does: action{kind: openConsole, page: approvalsPage}},
		{Title: headline, does: action{kind: openConsole, page: page}},
		p.cure(),
		p.problem(),
		p.signIn(),
		p.update(),
		{Title: label(st.MCPURL), does: action{kind: copyURL}},
		copied,
		{Title: p.Say("tray.connect"), rows: p.clients()},
		{separator: true},
		{Title: p.Say("sessions.title"), rows: p.sessions()},
		{Title: p.Say("tray.events"), rows: p.events()},
		{separator: true},
		pause,
		p.console("tray.console", "/"),
		p.console("tray.doctor", "/doctor"),
		{Title: p.Say("tray.notifications"), does: action{kind: toggleQuiet}, box: true, checked: !p.quiet},
		login,
		{Title: label("Drawbridge " + st.Version), grey: true},
		{Title: p.Say("tray.quit"), does: action{kind: quit}},
	}}
}

// console is a row that opens a page of the console.
func (p painter) console(key, page string) row {
	return row{Title: p.Say(key), does: action{kind: openConsole, page: page}}
}

// headline says in one line how it goes, and on which page of the console a
// person reads more. The worst comes first.
func (p painter) headline() (icon assets.IconState, line, page string) {
	st := p.Status
	locked := st.State == status.Error && strings.Contains(st.Error, "keychain is locked")
	for _, c := range []struct {
		is    bool
		icon  assets.IconState
		state string
		page  string
	}{
		{unset(st), assets.IconStarting, "unset", "/setup"},
		{locked, assets.IconError, "locked", "/"},
		{st.State == status.Error, assets.IconError, "error", "/"},
		{st.State == status.Starting, assets.IconStarting, "starting", "/"},
		{st.State == status.Paused, assets.IconPaused, "paused", "/"},
		{st.Tunnel.Offered != "", assets.IconTunnel, "offered", "/"},
		{st.Tunnel.State == "up" && st.Tunnel.Error != "", assets.IconTunnel, "elsewhere", "/doctor"},
		{st.Tunnel.State == "down" || st.Tunnel.Error != "", assets.IconTunnel, "down", "/doctor"},
		{st.Tunnel.State == "connecting", assets.IconStarting, "connecting", "/"},
		{st.IDP.State == status.IDPMisconfigured, assets.IconProvider, "refuses", "/doctor"},
		{st.IDP.State == status.IDPUnreachable, assets.IconProvider, "silent", "/doctor"},
	} {
		if c.is {
			return c.icon, p.Say("tray.state." + c.state), c.page
		}
	}
	icon, line = assets.IconReady, "tray.ready"
	if st.Tunnel.State == "up" {
		line = "tray.connected"
	}
	if len(p.Approvals) > 0 {
		icon = assets.IconAsk
	}
	return icon, p.Count(line, len(p.Sessions)), "/"
}

// cure is the row that mends what the headline says, if a click can.
func (p painter) cure() row {
	st := p.Status
	switch {
	case unset(st):
		return p.console("tray.setup", "/setup")
	case st.Tunnel.Offered != "":
		return p.console("overview.accept", "/") // which says what comes of it
	case st.State == status.Error, st.State == status.Ready && st.Tunnel.State == "down":
		return row{Title: p.Say("overview.retry"), does: action{kind: retry}}
	}
	return row{}
}

// problem is the one row for all that does not stand in the way.
func (p painter) problem() row {
	failed, notices := 0, 0
	for _, s := range p.Status.Servers {
		if s.State == "failed" && !s.SignIn.Wanted() {
			failed++
		}
	}
	for _, n := range p.Status.Notes {
		if !p.read[n] {
			notices++
		}
	}
	r := row{does: action{kind: readNotices, page: "/"}}
	switch {
	case failed > 0 && notices > 0:
		r.Title = p.Say("tray.problems", failed+notices)
	case failed > 0:
		r.Title, r.does.page = p.Count("tray.failed", failed), "/servers"
	case notices > 0:
		r.Title = p.Count("tray.notices", notices)
	}
	return r
}

// signIn leads to the servers that wait for the owner's sign-in there.
func (p painter) signIn() row {
	var names []string
	for _, s := range p.Status.Servers {
		if s.SignIn.Wanted() {
			names = append(names, s.Name)
		}
	}
	r := row{does: action{kind: openConsole, page: "/servers"}}
	switch len(names) {
	case 0:
	case 1:
		r.Title, r.does.page = label(p.Say("tray.signin", names[0])), signInPage(names[0])
	default:
		r.Title = p.Say("tray.signins", len(names))
	}
	return r
}

// update leads to the notes of a newer release.
func (p painter) update() row {
	r := row{does: action{kind: openNotes}}
	if v := p.Status.Update.Version; v != "" {
		r.Title = label(p.Say("update.out", v))
	}
	return r
}

// unset reports whether there is no configuration to work with.
func unset(st status.Status) bool {
	return st.State == status.Error && strings.HasPrefix(st.Error, "Drawbridge is not set up: ")
}

func (p painter) clients() []row {
	var list []row
	for i, client := range connections {
		list = append(list, row{Title: client, does: action{kind: connect, slot: i}})
	}
	return append(list, row{Title: p.Say("tray.qr"), does: action{kind: showQR}})
}

func (p painter) sessions() []row {
	var list []row
	for i := range sessionSlots {
		r := row{rows: []row{
			{grey: true},
			p.console("tray.details", "/sessions"),
			{Title: p.Say("sessions.revoke"), does: action{kind: revokeSlot, slot: i}},
		}}
		if i < len(p.Sessions) {
			r.Title, r.rows[0].Title = p.session(p.Sessions[i])
		}
		list = append(list, r)
	}
	for i := range blockSlots {
		r := row{rows: []row{{Title: p.Say("sessions.unblock"), does: action{kind: unblockSlot, slot: sessionSlots + i}}}}
		if i < len(p.Blocked) {
			b := p.Blocked[i]
			r.Title = p.Say("tray.blocked", person(b.User)+" · "+p.client(b.Client))
		}
		list = append(list, r)
	}
	nobody, more := row{grey: true}, row{does: action{kind: openConsole, page: "/sessions"}}
	all := row{rows: []row{{does: action{kind: revokeAll}}}}
	switch n := len(p.Sessions); {
	case n == 0:
		nobody.Title = p.Say("sessions.none")
	case n > sessionSlots:
		more.Title = p.Say("tray.more", n-sessionSlots)
		fallthrough
	default:
		all.Title, all.rows[0].Title = p.Say("sessions.all"), p.Count("sessions.all.yes", n)
	}
	return append(list, nobody, more, all)
}

// session says whose a session is, and what was done with it.
func (p painter) session(s status.Session) (title, use string) {
	who := person(s.User)
	client := p.client(s.Client.Name)
	if s.Label != "" {
		client += " “" + field(s.Label, 20) + "”"
	}
	used := p.Say("tray.used", p.Ago(s.LastUsedAt, p.now))
	if s.Requests == 0 {
		used = p.Say("tray.signedin", p.Ago(s.CreatedAt, p.now))
	}
	use = p.Count("tray.requests", int(s.Requests))
	if s.LastTool != "" {
		use += " · " + field(s.LastTool, 30)
	}
	if how := p.Through(s.Through, field(s.Provider, 30)); how != "" {
		used, use = how, used+" · "+use
	}
	return who + " · " + client + " · " + used, use
}

func person(u status.User) string { return cmp.Or(field(u.Email, 40), field(u.Sub, 40)) }

// client is what a program calls itself, kept from passing for our words.
func (p painter) client(name string) string { return clientName(p.Texts, name) }

// events are the newest events that a person wants to read, newest first. One
// that repeats itself takes one row, so that a stranger who tries again and
// again does not push out the rest.
func (p painter) events() []row {
	list := make([]row, 0, eventSlots+1)
	texts, times := []string{}, []int{}
	for _, e := range slices.Backward(p.Events) {
		text := ""
		if slices.Contains(told, e.Type) {
			text = p.Say("event."+e.Type) + " · " + eventDetail(p.Texts, e)
		}
		last := len(list) - 1
		switch {
		case text == "":
			continue
		case last >= 0 && texts[last] == text:
			times[last] += max(e.Count, 1)
			continue
		case len(list) == eventSlots:
		default:
			texts, times = append(texts, text), append(times, max(e.Count, 1))
			list = append(list, row{Title: p.clock(e.Time) + " " + strings.TrimSuffix(text, " · "), does: action{kind: openConsole, page: "/activity"}})
			continue
		}
		break
	}
	for i, n := range times {
		more := ""
		if n > 1 {
			more = p.Say("tray.times", n)
		}
		list[i].Title = status.Clean(list[i].Title, labelWidth+16-len(more)) + more
	}
	nothing := row{grey: true}
	if len(list) == 0 {
		nothing.Title = p.Say("tray.noevents")
	}
	for len(list) < eventSlots {
		list = append(list, row{does: action{kind: openConsole, page: "/activity"}})
	}
	return append(list, nothing)
}

// clock says when t was: the time today, else the day too.
func (p painter) clock(t time.Time) string {
	t = t.In(p.now.Location())
	if t.Year() == p.now.Year() && t.YearDay() == p.now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format(p.Say("tray.day") + " 15:04")
}
