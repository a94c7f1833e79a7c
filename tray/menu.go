//go:build !darwin || cgo

package tray

import (
	"context"
	"io"
	"log"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"fyne.io/systray"

	"github.com/drawbridge-app/drawbridge/assets"
)

// show shows the menu until ctx ends. The library under it can be used once in
// a process, and would panic without a session bus.
func show(ctx context.Context, b Backend, o Options, quit func()) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// The library prints through the one global logger.
	log.SetFlags(0)
	log.SetOutput(libraryLog{o.Log})
	defer log.SetOutput(io.Discard)
	if !awaitPanel(ctx, o.Log) {
		return
	}
	t := &tray{backend: b, options: o, quit: quit, clicks: make(chan action, 64), opened: systray.TrayOpenedCh, panel: panels(ctx), work: make(chan func(), 16)}
	system := newDesktop(o, t.click)
	defer system.close()
	defer t.removeQR()
	t.desktop = system
	var running sync.WaitGroup
	ready := func() {
		t.canvas = newMenu(t.click, o.Arguments != nil)
		running.Go(func() { t.labour(ctx) })
		running.Go(func() {
			defer stop()
			survive(o.Log, func() { t.loop(ctx) })
		})
	}
	context.AfterFunc(ctx, systray.Quit)
	survive(o.Log, func() {
		systray.SetTitle("Drawbridge")
		systray.Run(ready, nil)
	})
	stop()
	running.Wait()
}

// survive runs what uses the library, which panics where the bus goes away under
// it: while it starts, and while it is told of a change. The menu is over then,
// and Drawbridge is not.
func survive(log *slog.Logger, use func()) {
	defer func() {
		if r := recover(); r != nil {
			log.Warn("the tray ended badly", "cause", r)
		}
	}()
	use()
}

// libraryLog takes what the library prints: mostly that there is no panel yet,
// which awaitPanel has said already.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Write(p []byte) (int, error) {
	l.log.Debug("tray library", "says", strings.TrimSpace(string(p)))
	return len(p), nil
}

// menu is the menu in the panel. All its rows are made once and then only
// shown, hidden and named anew: a panel draws a menu wrongly that grows while
// it is open, and a removed row looks as if it had been clicked.
type menu struct {
	click     func(action)
	canLogin  bool // "Start at login" is there
	icon      assets.IconState
	light     bool
	tooltip   string
	waiting   *item
	headline  *item
	reasons   [reasonSlots]*item
	cure      *item
	url       *item
	copy      *item
	sessions  *item
	slots     [sessionSlots]slotItems
	nobody    *item
	more      *item
	revokeAll *item
	yesAll    *item
	events    [eventSlots]*item
	noEvents  *item
	pause     *item
	quiet     *item
	login     *item
	about     [4]*item
}

type slotItems struct {
	session *item
	facts   [3]*item
}

// newMenu makes the rows; click is told of each click on one.
func newMenu(click func(action), canLogin bool) *menu {
	m := &menu{click: click, canLogin: canLogin}
	on := m.on
	m.waiting = on(top("-").hide(), action{kind: openConsole, page: approvalsPage})
	m.headline = on(top("Drawbridge"), action{kind: cure})
	for i := range m.reasons {
		m.reasons[i] = on(top("-").hide(), action{kind: cure})
	}
	m.cure = on(top("-").hide(), action{kind: cure})
	m.url = on(top("-"), action{kind: copyURL})
	m.copy = on(top(copyTitle), action{kind: copyURL})
	clients := top("Connect a client")
	for i, c := range connections {
		on(clients.sub(c.Client), action{kind: connect, slot: i})
	}
	on(clients.sub("Show QR code"), action{kind: showQR})
	systray.AddSeparator()

	m.sessions = top("Sessions")
	for i := range m.slots {
		m.slots[i].session = m.sessions.sub("-")
	}
	m.nobody = m.sessions.sub("Nobody is signed in").disable()
	m.more = on(m.sessions.sub("-").hide(), action{kind: openConsole, page: "/sessions"})
	m.revokeAll = m.sessions.sub("Revoke all sessions…")
	if runtime.GOOS != "linux" {
		m.deepen() // Windows gives no submenu to a row that is hidden
	}
	for _, s := range m.slots {
		s.session.hide()
	}
	m.revokeAll.hide()
	events := top("Recent events")
	for i := range m.events {
		m.events[i] = on(events.sub("-").hide(), action{kind: openConsole, page: "/activity"})
	}
	m.noEvents = events.sub("Nothing yet").disable()
	systray.AddSeparator()

	m.pause = on(top("Pause").disable(), action{kind: togglePause})
	on(top("Open console…"), action{kind: openConsole, page: "/"})
	on(top("Check setup…"), action{kind: openConsole, page: "/doctor"})
	m.quiet = on(topCheckbox("Notifications"), action{kind: toggleQuiet})
	m.login = on(topCheckbox("Start at login"), action{kind: toggleLogin})
	m.login.show(canLogin)
	about := top("About")
	for i := range m.about {
		m.about[i] = about.sub("-").disable()
	}
	on(top("Quit"), action{kind: quit})
	return m
}

// on has each click on i tell a.
func (m *menu) on(i *item, a action) *item {
	go func() {
		for range i.ClickedCh { // until renew closes it
			m.click(a)
		}
	}()
	return i
}

// deepen adds the submenus of submenus, once a panel knows the rest.
func (m *menu) deepen() {
	if m.yesAll != nil {
		return
	}
	for i, s := range m.slots {
		for f := range s.facts {
			m.slots[i].facts[f] = s.session.sub("-").disable()
		}
		m.on(s.session.sub("Details…"), action{kind: openConsole, page: "/sessions"})
		m.on(s.session.sub("Revoke"), action{kind: revokeSlot, slot: i})
	}
	m.yesAll = m.on(m.revokeAll.sub("-"), action{kind: revokeAll})
}

// renew makes all rows anew, while nobody can click on them.
func (m *menu) renew() {
	systray.ResetMenu()
	*m = *newMenu(m.click, m.canLogin)
}

const copyTitle = "Copy MCP URL"

func (m *menu) draw(v view, s switches) {
	if m.icon != v.Icon || m.light != s.lightPanel {
		m.icon, m.light = v.Icon, s.lightPanel
		systray.SetTemplateIcon(assets.TemplateIcon(v.Icon), assets.Icon(v.Icon, s.lightPanel))
	}
	if m.tooltip != v.Tooltip {
		m.tooltip = v.Tooltip
		systray.SetTooltip(v.Tooltip)
	}
	m.waiting.set(v.Waiting)
	m.headline.set(v.Headline)
	for i, r := range m.reasons {
		r.set(at(v.Reasons, i))
	}
	m.cure.set(v.Cure)
	m.url.set(v.URL)
	for i, slot := range m.slots {
		var s sessionView
		if i < len(v.Sessions) {
			s = v.Sessions[i]
			for f, fact := range slot.facts {
				fact.set(at(s.Facts, f))
			}
		}
		slot.session.set(s.Label)
	}
	m.nobody.show(len(v.Sessions) == 0)
	m.more.set(v.MoreSessions)
	m.yesAll.set(v.RevokeAll)
	m.revokeAll.show(v.RevokeAll != "")
	for i, e := range m.events {
		e.set(at(v.Events, i))
	}
	m.noEvents.show(len(v.Events) == 0)
	m.pause.set(v.Pause)
	m.pause.enable(v.CanPause)
	m.quiet.check(!s.quiet)
	m.login.check(s.login)
	for i, a := range m.about {
		a.set(at(v.About, i))
	}
}

func (m *menu) confirm(copied bool) {
	if copied {
		m.copy.set("✓ Copied")
	} else {
		m.copy.set(copyTitle)
	}
}
