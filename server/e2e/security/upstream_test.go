package security

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// T9, fastmcp #3492: it handles a provider that grants less than was asked for,
// at sign-in and later.
func TestSecFewerScopes(t *testing.T) {
	idp := rig.NewSpy(t)
	idp.Scope = "openid email admin"
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "")
	if got := strings.Fields(tokens.Scope); !slices.Equal(got, []string{"openid", "email"}) {
		t.Errorf("scope %q", tokens.Scope)
	}
	if got := app.Sessions(t)[0].Scopes; !slices.Equal(got, []string{"openid", "email"}) {
		t.Errorf("the session has %v", got)
	}
	idp.Mu.Lock()
	idp.Scope = "openid"
	idp.Mu.Unlock()
	tokens = app.MustRefresh(t, c, tokens.Refresh)
	if tokens.Scope != "openid" {
		t.Errorf("scope after the refresh %q", tokens.Scope)
	}
	app.Refresh(t, c, tokens.Refresh, "scope", "openid email").Want(t, http.StatusBadRequest, "invalid_scope")
	app.MustWorkWith(t, tokens.Access)
}

// It handles the provider's own tokens: none of them opens anything here.
func TestSecUpstreamTokenPassedThrough(t *testing.T) {
	idp := rig.NewSpy(t)
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	c := app.Register(t, rig.ClientURI)
	app.SignIn(t, rig.NewBrowser(t), c, "")
	for _, secret := range idp.Secrets() {
		app.MustNotOpen(t, secret)
		app.Refresh(t, c, secret).Want(t, http.StatusBadRequest, "invalid_grant")
	}
}

// It handles a refresh that the provider answers for another person.
func TestSecRefreshAnswersAnotherPerson(t *testing.T) {
	idp := rig.NewSpy(t)
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "")
	idp.Spoil(func(claims map[string]any) { claims["sub"] = "mallory" })
	app.Refresh(t, c, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustBeDead(t, c, tokens)
}
