package idp

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// press opens an authorization URL as a browser would, presses user's button
// and returns the query that comes back to our callback.
func press(t *testing.T, authURL, user string) url.Values {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(authURL)
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	form := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(string(page))
	if form == nil {
		t.Fatalf("no form: %s", page)
	}
	to, err := resp.Request.URL.Parse(html.UnescapeString(form[1]))
	if err != nil {
		t.Fatal(err)
	}
	resp, err = client.PostForm(to.String(), url.Values{"user": {user}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

// One life of a sign-in at a provider that is real but for its people.
func TestTheWholeWay(t *testing.T) {
	running, err := demo.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told := &changes{}
	clock := &clock{now: time.Now()}
	c := New(Config{
		Issuer: running.Issuer, ClientID: demo.ClientID, Audience: demo.Audience, RedirectURI: "http://127.0.0.1:8000/auth/callback",
		Scopes:       []string{"openid", "profile", "email", "offline_access"},
		ClientSecret: func(context.Context) (string, error) { return demo.ClientSecret, nil },
		OnChange:     told.note, Now: clock.Now,
	})
	ctx := t.Context()
	authURL, err := c.AuthURL(ctx, oauth.UpstreamRequest{State: "the-state", Nonce: theNonce, Verifier: theVerifier})
	if err != nil {
		t.Fatal(err)
	}
	back := press(t, authURL, "alice")
	if back.Get("state") != "the-state" {
		t.Fatalf("came back with %v", back)
	}
	up, err := c.Exchange(ctx, back.Get("code"), oauth.UpstreamRequest{Verifier: theVerifier, Nonce: theNonce})
	if err != nil {
		t.Fatal(err)
	}
	id := up.Identity
	if id.Issuer != running.Issuer || id.Subject != "alice" || id.Email != "alice@example.com" || !id.EmailVerified ||
		id.Domain != "example.com" || id.Name == "" || !slices.Equal(id.Groups, []string{"everyone", "admins"}) {
		t.Errorf("identity %+v", id)
	}
	if !slices.Contains(up.Scopes, "email") || up.RefreshToken == "" {
		t.Errorf("scopes %v, a refresh token: %v", up.Scopes, up.RefreshToken != "")
	}

	running.Provider.Change("alice", func(p *demo.Person) { p.Groups = []string{"everyone"} })
	next, err := c.Refresh(ctx, up.RefreshToken, id)
	if err != nil || !slices.Equal(next.Identity.Groups, []string{"everyone"}) || next.RefreshToken == up.RefreshToken {
		t.Fatalf("refresh: %+v %v", next.Identity, err)
	}
	running.Provider.Down(true)
	_, err = c.Refresh(ctx, next.RefreshToken, id)
	wantError(t, err, unreachable, "problem of its own")
	running.Provider.Down(false)
	if err := c.Check(ctx); err != nil {
		t.Error(err)
	}
	running.Provider.Change("alice", func(p *demo.Person) { p.Active = false })
	_, err = c.Refresh(ctx, next.RefreshToken, id)
	wantError(t, err, refused, "Sign in again")
	if denied := press(t, authURL, "alice"); denied.Get("error") != "access_denied" {
		t.Errorf("a deactivated person got %v", denied)
	}
	running.Provider.Change("alice", func(p *demo.Person) { p.Active = true })
	last, err := c.Refresh(ctx, next.RefreshToken, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(ctx, last.RefreshToken); err != nil || running.Provider.Grants("alice") != 0 {
		t.Errorf("revoke: %v, %d grants left", err, running.Provider.Grants("alice"))
	}
	_, err = c.Refresh(ctx, last.RefreshToken, id)
	wantError(t, err, refused, "Sign in again")

	// A code injected into another sign-in has another verifier and nonce.
	back = press(t, authURL, "bob")
	_, err = c.Exchange(ctx, back.Get("code"), oauth.UpstreamRequest{Verifier: "another-verifier", Nonce: theNonce})
	wantError(t, err, refused, "Sign in again")
	_, err = c.Exchange(ctx, back.Get("code"), oauth.UpstreamRequest{Verifier: theVerifier, Nonce: "another-nonce"})
	wantError(t, err, refused, "another sign-in")

	if !told.equal(status.IDPOK, status.IDPUnreachable, status.IDPOK) {
		t.Errorf("told %v", told.states)
	}
	var _ oauth.Provider = c
}

func TestWrongSecretAtTheDemo(t *testing.T) {
	running, err := demo.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Issuer: running.Issuer, ClientID: demo.ClientID, RedirectURI: "http://localhost/cb",
		ClientSecret: func(context.Context) (string, error) { return clientSecret, nil }})
	authURL, err := c.AuthURL(t.Context(), oauth.UpstreamRequest{State: "s", Nonce: theNonce, Verifier: theVerifier})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exchange(t.Context(), press(t, authURL, "alice").Get("code"), oauth.UpstreamRequest{Verifier: theVerifier, Nonce: theNonce})
	wantError(t, err, misconfigured, "client secret")
	if s := c.State(); s.State != status.IDPMisconfigured {
		t.Errorf("state %+v", s)
	}
}
