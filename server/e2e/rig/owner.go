package rig

import (
	"errors"
	"slices"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// What the owner of Drawbridge sees and does, whether it runs in this process
// or as a program.

// Status returns what `drawbridge status` shows.
func (app *App) Status(t testing.TB) status.Status {
	t.Helper()
	if app.Srv != nil {
		return app.Srv.Status()
	}
	c := app.Control(t)
	defer c.Close()
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Sessions returns the live sessions, newest first.
func (app *App) Sessions(t testing.TB) []status.Session {
	t.Helper()
	return app.Snapshot(t).Sessions
}

// Events returns the history of these types, oldest first; of all without any.
func (app *App) Events(t testing.TB, types ...string) []status.Event {
	t.Helper()
	var out []status.Event
	for _, e := range app.Snapshot(t).Events {
		if len(types) == 0 || slices.Contains(types, e.Type) {
			out = append(out, e)
		}
	}
	return out
}

// CountEvents returns how often what an event type tells of has happened.
func (app *App) CountEvents(t testing.TB, kind string) int {
	t.Helper()
	n := 0
	for _, e := range app.Events(t, kind) {
		n += max(e.Count, 1)
	}
	return n
}

// RevokeSession ends a session as a click on Revoke does.
func (app *App) RevokeSession(t testing.TB, id string) {
	t.Helper()
	c := app.Control(t)
	defer c.Close()
	if err := c.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func (app *App) Snapshot(t testing.TB) status.Snapshot {
	t.Helper()
	if app.Srv != nil {
		return app.Srv.Snapshot()
	}
	c := app.Control(t)
	defer c.Close()
	st, err := c.Status(t.Context())
	sessions, sessionsErr := c.Sessions(t.Context())
	events, eventsErr := c.Events(t.Context())
	if err := errors.Join(err, sessionsErr, eventsErr); err != nil {
		t.Fatal(err)
	}
	return status.Snapshot{Status: st, Sessions: sessions, Events: events}
}

// Control reaches the loopback API, as the command line does.
func (app *App) Control(t testing.TB) *control.Client {
	t.Helper()
	c, err := control.Dial(app.Options.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// BeginSignIn begins the owner's sign-in at a mounted server, and returns the
// address to open.
func (app *App) BeginSignIn(t testing.TB, server string) string {
	t.Helper()
	c := app.Control(t)
	defer c.Close()
	url, err := c.SignIn(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	return url
}
