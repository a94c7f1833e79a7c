package tray

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// act does what a click asks for. A row's state may have changed since the
// menu showed it, so it is looked up again. It reports whether a text was
// copied.
func (t *tray) act(ctx context.Context, a action) (copied bool) {
	var err error
	switch a.kind {
	case retry:
		t.backend.Retry()
	case readNotices:
		for _, n := range t.snap.Status.Notes {
			t.places.read[n] = true
		}
		t.openPage(ctx, a.page)
	case copyURL, connect, showQR:
		return t.share(ctx, a)
	case openConsole:
		t.openPage(ctx, a.page)
	case openNotes:
		if notes := t.snap.Status.Update.URL; strings.HasPrefix(notes, "https://") {
			t.open(ctx, notes)
		}
	case allowCall, refuseCall:
		err = t.answer(ctx, a.id, a.kind == allowCall)
	case revokeSlot, unblockSlot:
		r := t.rows[a.slot]
		if time.Since(r.since) < justMoved {
			t.tell(ctx, note{Title: t.texts.Say("tray.moved"), Body: t.texts.Say("tray.moved.body")})
			return false
		}
		switch {
		case a.kind == revokeSlot:
			err = t.revoke(ctx, r.id)
		case r.id != "":
			err = t.backend.Unblock(ctx, r.id)
		}
	case revokeID:
		err = t.revoke(ctx, a.id)
	case revokeAll:
		_, err = t.backend.RevokeAll(ctx)
	case togglePause:
		if t.backend.Snapshot().Status.State == status.Paused {
			err = t.backend.Resume(ctx)
		} else {
			err = t.backend.Pause(ctx)
		}
	case toggleQuiet:
		err = t.backend.SetQuiet(ctx, !t.backend.Quiet())
	case toggleLogin:
		err = t.desktop.setLogin(!t.desktop.loginEnabled())
		t.places.login = t.desktop.loginEnabled()
	case quit:
		t.quit()
	}
	if err != nil {
		t.fail(ctx, "tray.failure", err)
	}
	return false
}

func (t *tray) revoke(ctx context.Context, id string) error {
	if id == "" || find(t.backend.Snapshot().Sessions, id) == nil {
		return nil // it has ended already
	}
	return t.backend.Revoke(ctx, id)
}

// answer does nothing for a call that waits no longer.
func (t *tray) answer(ctx context.Context, id string, allow bool) error {
	waits := func(c status.Approval) bool { return c.ID == id }
	if !slices.ContainsFunc(t.backend.Snapshot().Approvals, waits) {
		return nil
	}
	return t.backend.Answer(ctx, id, allow)
}

// share hands out the MCP URL in one of the ways that clients take it.
func (t *tray) share(ctx context.Context, a action) (copied bool) {
	mcpURL := t.snap.Status.MCPURL
	if mcpURL == "" {
		why := "tray.address.tunnel"
		if unset(t.snap.Status) {
			why = "tray.address.setup"
		}
		t.fail(ctx, "tray.failure.address", errors.New(t.texts.Say(why)))
		return false
	}
	switch a.kind {
	case connect:
		return t.connect(ctx, assets.ConnectionOf(connections[a.slot]))
	case showQR:
		t.showQR(ctx)
		return false
	}
	return t.copy(ctx, mcpURL, t.texts.Say("copy.done"), mcpURL)
}

// connections are the clients of the menu, in its order.
var connections = []string{"Claude", "Claude Code", "ChatGPT", "Cursor", "VS Code", "Gemini CLI"}

func (t *tray) connect(ctx context.Context, c assets.Connection) (copied bool) {
	text, address := c.Command(t.snap.Status.MCPURL), c.Open(t.snap.Status.MCPURL)
	if strings.HasPrefix(address, "https:") { // a page to paste the URL into
		text = t.snap.Status.MCPURL
	}
	if text != "" {
		if copied = t.copy(ctx, text, c.Client, t.texts.Say("tray.then."+c.Client)); !copied {
			return false
		}
	}
	if address != "" {
		t.open(ctx, address)
	}
	return copied
}

// copy copies text and says so.
func (t *tray) copy(ctx context.Context, text, title, body string) bool {
	if err := t.desktop.copyText(text); err != nil {
		t.fail(ctx, "tray.failure.copy", err)
		return false
	}
	t.places.copied = true
	if !t.places.quiet {
		t.tell(ctx, note{Title: title, Body: body})
	}
	return true
}

// openPage opens a page of the console.
func (t *tray) openPage(ctx context.Context, page string) {
	t.open(ctx, t.backend.ConsoleLink(page))
}

func (t *tray) open(ctx context.Context, address string) {
	t.later(func() {
		if err := t.desktop.open(ctx, address); err != nil {
			t.complain(ctx, "tray.failure.open", err)
		}
	})
}

// tell shows a note beside the loop: a desktop may take its time.
func (t *tray) tell(ctx context.Context, n note) {
	t.later(func() {
		if err := t.desktop.notify(ctx, n); err != nil {
			t.options.Log.Debug("no notification", "cause", err)
		}
	})
}

// withdraw takes a note away, beside the loop.
func (t *tray) withdraw(ctx context.Context, name string) bool {
	return t.later(func() {
		if err := t.desktop.withdraw(ctx, name); err != nil {
			t.options.Log.Debug("a notification stays", "cause", err)
		}
	})
}

// fail tells the person, and the log, what did not work; key is that of a title.
func (t *tray) fail(ctx context.Context, key string, err error) {
	t.later(func() { t.complain(ctx, key, err) })
}

// complain is fail for what runs beside the loop already.
func (t *tray) complain(ctx context.Context, key string, err error) {
	t.options.Log.Warn("what was clicked failed", "what", key, "cause", err)
	_ = t.desktop.notify(ctx, note{Title: t.texts.Say(key), Body: status.Clean(assets.Translate(t.texts.Lang, err.Error()), 200)})
}
