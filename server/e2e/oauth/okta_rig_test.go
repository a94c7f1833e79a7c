package oauth

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// The stand-in for Okta is what the tests below believe: without this, a
// passing test could mean that the stand-in is lax.
func TestOktaRig(t *testing.T) {
	for _, shape := range []string{"custom", "org"} {
		t.Run(shape, func(t *testing.T) {
			const redirect = "http://127.0.0.1:9/auth/callback"
			okta := rig.StartOkta(t, shape)
			okta.AllowRedirect(redirect)
			provider, err := oidc.NewProvider(t.Context(), okta.Issuer)
			if err != nil {
				t.Fatal(err)
			}
			conf := &oauth2.Config{ClientID: okta.ClientID, ClientSecret: okta.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: redirect, Scopes: []string{"openid", "profile", "email", "offline_access"}}
			verifier := oauth2.GenerateVerifier()
			back := rig.NewBrowser(t).SignIn(conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), redirect, "alice")
			first, err := conf.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			if got := rigGroups(t, provider, okta, first); !slices.Equal(got, []string{"everyone", "admins"}) {
				t.Errorf("groups %v", got)
			}
			if jwt := strings.Count(first.AccessToken, ".") == 2; jwt != (shape == "custom") {
				t.Errorf("access token is a JWT: %t", jwt)
			}

			okta.SetUser("alice", map[string]any{"groups": []string{"everyone"}})
			second := rigRefresh(t, conf, first)
			if got := rigGroups(t, provider, okta, second); !slices.Equal(got, []string{"everyone"}) {
				t.Errorf("groups after the change %v", got)
			}
			if live := okta.State().Live; !slices.Equal(live, []string{"alice"}) {
				t.Errorf("live refresh tokens %v, want one", live)
			}
			if _, err := conf.TokenSource(context.Background(), &oauth2.Token{RefreshToken: first.RefreshToken}).Token(); err == nil {
				t.Error("an old refresh token worked again")
			}
			if live := okta.State().Live; len(live) != 0 {
				t.Errorf("live refresh tokens after a replay %v, want none", live)
			}
		})
	}
}

func rigRefresh(t *testing.T, conf *oauth2.Config, old *oauth2.Token) *oauth2.Token {
	t.Helper()
	tokens, err := conf.TokenSource(t.Context(), &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if tokens.RefreshToken == old.RefreshToken {
		t.Error("the refresh token did not change")
	}
	return tokens
}

// rigGroups returns the groups in the id_token, and checks the access token
// where it has an audience.
func rigGroups(t *testing.T, provider *oidc.Provider, okta *rig.Okta, tokens *oauth2.Token) []string {
	t.Helper()
	raw, _ := tokens.Extra("id_token").(string)
	idToken, err := provider.VerifierContext(t.Context(), &oidc.Config{ClientID: okta.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Groups []string }
	if err := idToken.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if okta.Audience != "" {
		if _, err := provider.VerifierContext(t.Context(), &oidc.Config{ClientID: okta.Audience}).Verify(t.Context(), tokens.AccessToken); err != nil {
			t.Errorf("access token: %v", err)
		}
	}
	return claims.Groups
}
