// Package tray is the menu beside the clock: how Drawbridge does, who is
// signed in, and what its owner can do about it with one click.
//
// It holds no state of its own: what it shows comes from a [Backend] and is
// drawn anew at each change. Text that clients chose reaches no shell, no
// script and no markup.
//
// Start at [Serve]; ask [Available] first.
package tray

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Backend is Drawbridge as the menu shows and commands it. Errors are
// sentences for its owner.
type Backend interface {
	Snapshot() status.Snapshot
	// Watch returns a channel that holds one wake whenever a new Snapshot
	// differs from the last, until ctx ends.
	Watch(ctx context.Context) <-chan struct{}

	Revoke(ctx context.Context, id string) error
	RevokeAll(ctx context.Context) (int, error)
	// Unblock lets the person of a [status.Block] come back.
	Unblock(ctx context.Context, id string) error
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// ConsoleLink is an address of a page of the console ("/approvals") that
	// works once: other users of this computer can read what a browser is
	// started with.
	ConsoleLink(page string) string
	// Answer allows a call that waits for the owner's word, or refuses it.
	Answer(ctx context.Context, id string, allow bool) error
	// Retry tries the keychain or the tunnel again.
	Retry()
	// Quiet reports whether the owner wants no notifications.
	Quiet() bool
	SetQuiet(ctx context.Context, quiet bool) error
}

// Options is what else a tray needs.
type Options struct {
	// Arguments start Drawbridge again as it was started, at login; nil hides
	// "Start at login".
	Arguments []string
	Log       *slog.Logger // nil: none
}

// Serve runs a server with its menu: the menu has the calling goroutine, which
// macOS and Windows want to be main's, and run has one of its own. Quit ends
// run's context, and so does the end of ctx; the menu goes when run has
// returned. Serve returns run's error.
func Serve(ctx context.Context, b Backend, o Options, run func(context.Context) error) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	up, down := context.WithCancel(context.Background())
	var err error
	go func() {
		defer down()
		err = run(ctx)
	}()
	show(up, b, o, quit)
	if up.Err() == nil && ctx.Err() == nil { // a window that was closed, or the end of the desktop session
		o.Log.Warn("the tray icon is gone, so Drawbridge ends: start it again, or run it with --headless")
		quit()
	}
	<-up.Done()
	return err
}

// pace is the least time between two drawings, so that a burst of changes is
// drawn a few times, not each time.
const pace = 250 * time.Millisecond

// justMoved is how long a row does not take clicks after it came to show
// another session: the person may have aimed at the one before.
const justMoved = time.Second

// action is one click.
type action struct {
	kind kind
	slot int    // the row's number
	id   string // of a session or a call, where a notification was clicked
	page string // of the console
}

type kind int

const (
	nothing kind = iota
	retry
	copyURL
	connect // slot: of connections
	showQR
	revokeSlot // slot
	unblockSlot
	revokeID // id
	revokeAll
	togglePause
	toggleQuiet
	toggleLogin
	openNotes   // of the newer release
	openConsole // page
	readNotices // page
	allowCall   // id
	refuseCall  // id
	quit
)

// canvas is the menu as the loop draws on it.
type canvas interface{ draw(v view) }

// desktop is what the tray does outside its menu.
type desktop interface {
	copyText(text string) error
	// open hands an address, or the path of a file, to whatever opens it here.
	open(ctx context.Context, address string) error
	notify(ctx context.Context, n note) error
	// withdraw takes the note of this name away, if it is still there.
	withdraw(ctx context.Context, name string) error
	loginEnabled() bool
	setLogin(enabled bool) error
}

// tray is the event loop and what it knows. Only the loop touches its fields.
type tray struct {
	backend Backend
	options Options
	texts   *assets.Texts
	canvas  canvas
	desktop desktop
	quit    func()
	clicks  chan action
	opened  <-chan struct{} // the menu has been opened

	snap     status.Snapshot                 // as last drawn
	rows     [sessionSlots + blockSlots]slot // of sessions, then of blocks
	notifier notifier
	asker    asker
	places   switches
	work     chan func() // what takes time: done one after another, beside the loop
	qrFile   string
}

// slot is which session or block a row of the menu stands for, and since when.
type slot struct {
	id    string
	since time.Time // when it took the place of another session
}

func newTray(b Backend, o Options, quit func()) *tray {
	texts := assets.TextsForSystem()
	return &tray{backend: b, options: o, texts: texts, quit: quit, clicks: make(chan action, 64), work: make(chan func(), 16),
		notifier: notifier{texts: texts}, asker: asker{texts: texts, told: map[string]bool{}}}
}

// run draws on c, and does what is clicked, until ctx or the server ends.
func (t *tray) run(ctx context.Context, c canvas, opened <-chan struct{}) {
	ctx, stop := context.WithCancel(ctx)
	system := newDesktop(t.options, t.texts, t.click)
	defer system.close()
	defer t.removeQR()
	t.canvas, t.opened, t.desktop = c, opened, system
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	working.Go(func() { t.labour(ctx) })
	t.loop(ctx)
}

// click hands an action to the loop. It never waits: whoever clicks faster
// than the loop works sees no more than 64 of them done.
func (t *tray) click(a action) {
	select {
	case t.clicks <- a:
	default:
	}
}

// loop draws and obeys until ctx ends.
func (t *tray) loop(ctx context.Context) {
	changes := t.backend.Watch(ctx)
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	due := time.NewTimer(0) // fires when the menu has to be drawn
	defer due.Stop()
	var again <-chan time.Time // when the notifier wants to look again
	var uncopied <-chan time.Time
	drawn := time.Time{}
	waiting := true // due is running
	t.places = switches{canLogin: t.options.Arguments != nil, login: t.desktop.loginEnabled(), read: map[string]bool{}}
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-changes:
			if !ok {
				return
			}
			if !waiting {
				waiting = true
				due.Reset(max(0, pace-time.Since(drawn)))
			}
			continue
		case <-due.C:
			waiting = false
		case <-again:
		case <-uncopied:
			t.places.copied, uncopied = false, nil
		case <-minute.C:
			t.places.login = t.desktop.loginEnabled()
		case <-t.opened:
			t.places.login = t.desktop.loginEnabled()
		case a := <-t.clicks:
			if t.act(ctx, a) {
				uncopied = time.After(3 * time.Second)
			}
		}
		again = t.draw(ctx)
		drawn = time.Now()
	}
}

// draw shows the server's state as it is now, and tells what is worth a note.
// It returns when to do so again, if need be.
func (t *tray) draw(ctx context.Context) <-chan time.Time {
	now := time.Now()
	t.snap = t.backend.Snapshot()
	for i := range t.rows {
		id := ""
		if i < min(len(t.snap.Sessions), sessionSlots) {
			id = t.snap.Sessions[i].ID
		} else if i >= sessionSlots && i-sessionSlots < len(t.snap.Blocked) {
			id = t.snap.Blocked[i-sessionSlots].ID
		}
		if t.rows[i].id != id {
			if t.rows[i].id != "" {
				t.rows[i].since = now
			}
			t.rows[i].id = id
		}
	}
	t.places.quiet = t.backend.Quiet()
	t.canvas.draw(painter{t.texts, t.snap, now, t.places}.view())
	notes, wait := t.notifier.look(t.snap, now)
	waiting := t.snap.Approvals
	if t.places.quiet {
		notes, waiting = nil, nil
	}
	asks, soon := t.asker.look(waiting, now)
	for _, n := range append(notes, asks...) {
		t.tell(ctx, n)
	}
	for _, name := range t.asker.gone(waiting) {
		if t.withdraw(ctx, name) {
			t.asker.forget(name)
		}
	}
	if wait == 0 || soon > 0 && soon < wait {
		wait = soon
	}
	if wait == 0 {
		return nil
	}
	return time.After(wait)
}

// later does what takes time after what waits already, unless too much does:
// then it reports false.
func (t *tray) later(do func()) bool {
	select {
	case t.work <- do:
		return true
	default:
		t.options.Log.Warn("tray: the desktop is too slow, something was left out")
		return false
	}
}

// labour does the work of later until ctx ends.
func (t *tray) labour(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case do := <-t.work:
			do()
		}
	}
}
