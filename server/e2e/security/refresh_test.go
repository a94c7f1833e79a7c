package security

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// T37, RFC 9700 §4.14: it handles a refresh token older than the previous one,
// at once and after a restart: the whole grant ends.
func TestSecRefreshReplay(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(map[bool]string{false: "at once", true: "after a restart"}[restart], func(t *testing.T) {
			app, c, first := rig.StartSignedIn(t, rig.AppOptions{})
			second := app.MustRefresh(t, c, first.Refresh)
			third := app.MustRefresh(t, c, second.Refresh)
			app.MustWorkWith(t, first.Access) // access tokens live on until they expire
			if restart {
				app.Stop()
				app.Start()
			}
			app.Refresh(t, c, first.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
			app.MustBeDead(t, c, third)
			app.MustNotOpen(t, first.Access)
			if app.CountEvents(t, "token.reused") != 1 || len(app.Sessions(t)) != 0 {
				t.Errorf("%d token.reused events, %d sessions", app.CountEvents(t, "token.reused"), len(app.Sessions(t)))
			}
			rig.WaitFor(t, "the provider's token to be revoked", func() bool { return app.Demo.Provider.Grants("alice") == 0 })
		})
	}
}

// T38, claude-code #65408: it handles refreshes of one token that cross. All
// are answered with the same successor, and the person is asked about once.
func TestSecParallelRefresh(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	answers := make([]rig.Tokens, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			_ = rig.Softly(t, func(t testing.TB) { answers[i] = app.MustRefresh(t, c, tokens.Refresh) })
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.Refresh == "" || a.Refresh != answers[0].Refresh || a.Refresh == tokens.Refresh {
			t.Fatal("not all got the same new refresh token")
		}
		app.MustWorkWith(t, a.Access)
	}
	if n := app.CountEvents(t, "token.refreshed"); n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
	app.MustRefresh(t, c, answers[0].Refresh)
}

// T38, fastmcp #4265: it handles a refresh whose answer was lost, retried soon,
// late, after a restart, and when the successor is in use already.
func TestSecLostRefresh(t *testing.T) {
	clock := &rig.MovedClock{}
	app, c, first := rig.StartSignedIn(t, rig.AppOptions{Now: clock.Now})
	second := app.MustRefresh(t, c, first.Refresh)
	same := func(t *testing.T, when string) {
		t.Helper()
		if again := app.MustRefresh(t, c, first.Refresh); again.Refresh != second.Refresh {
			t.Fatalf("%s: another successor", when)
		}
	}
	same(t, "at once")
	clock.Advance(5 * time.Minute)
	same(t, "late, the successor never used")
	app.Stop()
	app.Start()
	same(t, "after a restart")
	clock.Advance(10 * time.Minute)
	same(t, "later still")

	third := app.MustRefresh(t, c, second.Refresh)
	app.MustWorkWith(t, third.Access)
	clock.Advance(59 * time.Second)
	if again := app.MustRefresh(t, c, second.Refresh); again.Refresh != third.Refresh {
		t.Fatal("within a minute: another successor")
	}
	clock.Advance(2 * time.Second)
	app.Refresh(t, c, second.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustBeDead(t, c, third)
}

// T38: it handles a restart that forgets nothing of the rule: the use of a
// successor before it counts after it.
func TestSecUseSurvivesRestart(t *testing.T) {
	clock := &rig.MovedClock{}
	app, c, first := rig.StartSignedIn(t, rig.AppOptions{Now: clock.Now})
	second := app.MustRefresh(t, c, first.Refresh)
	app.MustWorkWith(t, second.Access)
	app.Stop()
	clock.Advance(2 * time.Minute)
	app.Start()
	app.Refresh(t, c, first.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustBeDead(t, c, second)
}

// It handles tokens that are past their time, also when they are old enough to
// be a replay, and a clock that jumps back.
func TestSecExpiredTokens(t *testing.T) {
	clock := &rig.MovedClock{}
	app, c, first := rig.StartSignedIn(t, rig.AppOptions{Now: clock.Now, Access: time.Minute, Refresh: 20 * time.Minute})
	second := app.MustRefresh(t, c, first.Refresh)
	clock.Advance(61 * time.Second)
	app.MustNotOpen(t, second.Access)
	third := app.MustRefresh(t, c, second.Refresh)
	clock.Advance(21 * time.Minute)
	app.MustBeDead(t, c, third)
	rig.WaitFor(t, "the session to end", func() bool { return len(app.Sessions(t)) == 0 })
	clock.Advance(-22 * time.Minute)
	rig.WaitFor(t, "the expired grant to be gone for good", func() bool {
		return app.Refresh(t, c, third.Refresh).Status == http.StatusBadRequest || len(app.Sessions(t)) == 1
	})
}
