package security

import (
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Nobody pushes out of the history what somebody else did: not a stranger who
// answers one consent page 2,100 times, not a person whose client refreshes 300
// times. What repeats is one event with a count, after a restart too.
func TestSecHistoryIsDivided(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	ended := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "bob")
	app.RevokeSession(t, app.Sessions(t)[0].ID)
	app.MustNotOpen(t, ended.Access)

	b := rig.NewBrowser(t)
	page, form := flowInHand(t, b, app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app))
	approve := maps.Clone(form.Values)
	approve.Set("action", "approve")
	for i := range 2100 {
		if i%250 == 0 { // the rate limit is by address
			b.HTTP = fromAddress(t, fmt.Sprintf("127.0.7.%d", 1+i/250))
		}
		b.Hop(rig.Navigation{Method: http.MethodPost, URL: page.URL.ResolveReference(b.Parse(form.Action)), Form: approve, From: page}, "same-origin")
	}
	for range 300 {
		tokens = app.MustRefresh(t, c, tokens.Refresh)
	}
	for _, when := range []string{"at once", "after a restart"} {
		if n := app.CountEvents(t, "consent.approved"); n < 2100 {
			t.Errorf("%s: %d approvals are counted", when, n)
		}
		if n, list := app.CountEvents(t, "token.refreshed"), app.Events(t, "token.refreshed"); n != 300 || len(list) != 1 {
			t.Errorf("%s: %d refreshes in %d events", when, n, len(list))
		}
		if signins, ends := app.Events(t, "signin.succeeded"), app.Events(t, "session.revoked"); len(signins) != 2 || len(ends) != 1 {
			t.Errorf("%s: %d sign-ins and %d revocations are left of 2 and 1", when, len(signins), len(ends))
		}
		if n := len(app.Events(t)); n > 30 {
			t.Errorf("%s: the history has %d lines", when, n)
		}
		app.Stop()
		app.Start()
	}
}
