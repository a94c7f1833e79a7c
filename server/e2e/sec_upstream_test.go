package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// T9, fastmcp #3492: it handles a provider that grants less than was asked for,
// at sign-in and later.
func TestSecFewerScopes(t *testing.T) {
	idp := newSpy(t)
	idp.scope = "openid email admin"
	app := StartApp(t, AppOptions{Issuer: idp.URL})
	c := app.Register(t, clientURI)
	tokens := app.SignIn(t, NewBrowser(t), c, "")
	if got := strings.Fields(tokens.Scope); !slices.Equal(got, []string{"openid", "email"}) {
		t.Errorf("scope %q", tokens.Scope)
	}
	if got := app.Sessions(t)[0].Scopes; !slices.Equal(got, []string{"openid", "email"}) {
		t.Errorf("the session has %v", got)
	}
	idp.mu.Lock()
	idp.scope = "openid"
	idp.mu.Unlock()
	tokens = app.MustRefresh(t, c, tokens.Refresh)
	if tokens.Scope != "openid" {
		t.Errorf("scope after the refresh %q", tokens.Scope)
	}
	app.Refresh(t, c, tokens.Refresh, "scope", "openid email").want(t, http.StatusBadRequest, "invalid_scope")
	app.mustWorkWith(t, tokens.Access)
}

// It handles the provider's own tokens: none of them opens anything here.
func TestSecUpstreamTokenPassedThrough(t *testing.T) {
	idp := newSpy(t)
	app := StartApp(t, AppOptions{Issuer: idp.URL})
	c := app.Register(t, clientURI)
	app.SignIn(t, NewBrowser(t), c, "")
	for _, secret := range idp.Secrets() {
		app.mustNotOpen(t, secret)
		app.Refresh(t, c, secret).want(t, http.StatusBadRequest, "invalid_grant")
	}
}

// It handles a refresh that the provider answers for another person.
func TestSecRefreshAnswersAnotherPerson(t *testing.T) {
	idp := newSpy(t)
	app := StartApp(t, AppOptions{Issuer: idp.URL})
	c := app.Register(t, clientURI)
	tokens := app.SignIn(t, NewBrowser(t), c, "")
	idp.Spoil(func(claims map[string]any) { claims["sub"] = "mallory" })
	app.Refresh(t, c, tokens.Refresh).want(t, http.StatusBadRequest, "invalid_grant")
	app.mustBeDead(t, c, tokens)
}
