package security

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// T32, T33, fastmcp #5002, #4854: it handles a provider that answers 503. Calls
// go on; refreshes are told to wait; the session lives.
func TestSecProviderDown(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.Demo.Provider.Down(true)
	app.MustWorkWith(t, tokens.Access)
	for range 3 {
		app.MustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	}
	app.MustWorkWith(t, tokens.Access)
	if p := app.TrySignIn(t, c); p.Status == 0 && p.Query("code") != "" {
		t.Error("somebody signed in while the provider was away")
	}
	app.Demo.Provider.Down(false)
	tokens = app.MustRefresh(t, c, tokens.Refresh)
	app.MustWorkWith(t, tokens.Access)
	if n := len(app.Sessions(t)); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// T33: it handles a provider that is gone altogether, and with it its keys, also
// over a restart.
func TestSecProviderGone(t *testing.T) {
	idp := rig.NewSpy(t)
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "")
	idp.CloseClientConnections()
	idp.Listener.Close()
	app.MustWorkWith(t, tokens.Access)
	app.MustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	app.Stop()
	app.Start()
	app.MustWorkWith(t, tokens.Access)
	app.MustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	if st := app.Status(t); st.IDP.State != "unreachable" || st.State != "ready" {
		t.Errorf("state %s, provider %s", st.State, st.IDP.State)
	}
	page := app.TrySignIn(t, c)
	if reason := app.MustExplain(t, page); reason == "" {
		t.Error("the event has no reason")
	}
}

// T32: it handles a provider that takes the request and never answers.
func TestSecProviderHangs(t *testing.T) {
	t.Parallel()
	idp := rig.NewSpy(t)
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "")
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	idp.Answer("/token", func(w http.ResponseWriter, r *http.Request) { <-release })
	begun := time.Now()
	app.MustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	if took := time.Since(begun); took > rig.Within(20*time.Second) {
		t.Errorf("the client waited %v", took)
	}
	app.MustWorkWith(t, tokens.Access)
	idp.Answer("/token", nil)
	app.MustWorkWith(t, app.MustRefresh(t, c, tokens.Refresh).Access)
}

// T45: it handles ID tokens that don't prove who signed in.
func TestSecFalseIDTokens(t *testing.T) {
	other := rig.Certificate() // some other key
	for _, c := range []struct {
		name   string
		spoil  func(claims map[string]any)
		sign   func(idp *rig.Spy) func(claims any) string
		reason string
	}{
		{"another nonce", func(c map[string]any) { c["nonce"] = "another" }, nil, "another sign-in"},
		{"no nonce", func(c map[string]any) { delete(c, "nonce") }, nil, "another sign-in"},
		{"another issuer", func(c map[string]any) { c["iss"] = "https://evil.example" }, nil, "issuer"},
		{"another audience", func(c map[string]any) { c["aud"] = "another" }, nil, "another client"},
		{"two audiences", func(c map[string]any) { c["aud"] = []string{"another", demo.ClientID} }, nil, "another client"},
		{"authorized for another", func(c map[string]any) { c["azp"] = "another" }, nil, "another client"},
		{"no subject", func(c map[string]any) { delete(c, "sub") }, nil, "names no person"},
		{"expired", func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, nil, "expired"},
		{"from the future", func(c map[string]any) { c["iat"] = time.Now().Add(time.Hour).Unix() }, nil, "future"},
		{"of another access token", func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, nil, "access token"},
		{"not signed", nil, func(*rig.Spy) func(any) string {
			return func(claims any) string {
				parts := strings.Split(rig.SignWith(jose.RS256, rig.SpyKey(), claims), ".")
				return "eyJhbGciOiJub25lIn0." + parts[1] + "."
			}
		}, "not signed by a key"},
		{"signed with the client secret", nil, func(*rig.Spy) func(any) string {
			secret := []byte(demo.ClientSecret + strings.Repeat("\x00", 32))
			return func(claims any) string { return rig.SignWith(jose.HS256, secret, claims) }
		}, "not signed by a key"},
		{"signed by another key", nil, func(*rig.Spy) func(any) string {
			return func(claims any) string { return rig.SignWith(jose.ES256, other.Pair.PrivateKey, claims) }
		}, "sign"},
		{"no JWT", nil, func(*rig.Spy) func(any) string { return func(any) string { return "garbage" } }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			idp := rig.NewSpy(t)
			idp.Spoiler = c.spoil
			if c.sign != nil {
				idp.Sign = c.sign(idp)
			}
			app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
			client := app.Register(t, rig.ClientURI)
			page := app.TrySignIn(t, client)
			reason := app.MustExplain(t, page)
			if reason == "" || !strings.Contains(reason, c.reason) {
				t.Errorf("reason %q, want one with %q", reason, c.reason)
			}
			if n := len(app.Sessions(t)); n != 0 || app.CountEvents(t, "signin.succeeded") != 0 {
				t.Errorf("%d sessions", n)
			}
			rig.MustNotShow(t, strings.ReplaceAll(page.Text(), "127.0.0.1", "")) // our own name, here
		})
	}
}

// T45: it handles a discovery document whose issuer is another.
func TestSecDiscoveryOfAnotherIssuer(t *testing.T) {
	idp := rig.NewSpy(t)
	idp.Answer("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		rig.WriteJSON(w, idp.Discovery("https://evil.example"))
	})
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	reason := app.MustExplain(t, app.TrySignIn(t, app.Register(t, rig.ClientURI)))
	if !strings.Contains(reason, "another issuer") {
		t.Errorf("reason %q", reason)
	}
	if st := app.Status(t).IDP; st.State != "misconfigured" {
		t.Errorf("provider %+v", st)
	}
}

// T44: it handles a token endpoint that fails with a stack trace, or answers
// nonsense, at the callback.
func TestSecTokenEndpointFails(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a stack trace": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "java.lang.NullPointerException: secret-detail\n\tat com.example.Token(Token.java:42)", http.StatusInternalServerError)
		},
		"an error with a script": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"<script>secret-detail","error_description":"<script>alert(1)</script> secret-detail"}`))
		},
		"no token":         func(w http.ResponseWriter, r *http.Request) { rig.WriteJSON(w, map[string]any{"secret-detail": true}) },
		"no JSON":          func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>secret-detail")) },
		"2 MB":             func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"a redirect":       func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/secret-detail", http.StatusFound) },
		"a broken promise": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			idp := rig.NewSpy(t)
			app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
			c := app.Register(t, rig.ClientURI)
			idp.Answer("/token", answer)
			page := app.TrySignIn(t, c)
			if reason := app.MustExplain(t, page); reason == "" || strings.Contains(reason, "secret-detail") {
				t.Errorf("reason %q", reason)
			}
			if strings.Contains(page.Body, "secret-detail") || strings.Contains(page.Body, "<script") {
				t.Errorf("the page shows what the provider wrote: %s", rig.Clip(page.Text()))
			}
			if !strings.Contains(page.Text(), "again") && !strings.Contains(page.Text(), "Check") {
				t.Errorf("the page does not say what to do: %s", rig.Clip(page.Text()))
			}
			idp.Answer("/token", nil)
			if back := app.TrySignIn(t, c); back.Query("code") == "" {
				t.Error("the next sign-in fails too")
			}
		})
	}
}

// T9b: it handles an address that the provider has not verified: it counts for
// no access list, by address or domain, at sign-in or at refresh.
func TestSecUnverifiedEmail(t *testing.T) {
	for name, access := range map[string]config.Access{
		"address": {Emails: []string{"alice@example.com"}},
		"domain":  {Domains: []string{"example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			app := rig.StartApp(t, rig.AppOptions{Config: func(cfg *config.Config) { cfg.Access = access }})
			c := app.Register(t, rig.ClientURI)
			app.Demo.Provider.Change("alice", func(p *demo.Person) { p.Verified = false })
			if back := app.TrySignIn(t, c); back.Query("error") != "access_denied" || back.Query("code") != "" {
				t.Errorf("error %q", back.Query("error"))
			}
			app.Demo.Provider.Change("alice", func(p *demo.Person) { p.Verified = true })
			tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
			app.Demo.Provider.Change("alice", func(p *demo.Person) { p.Verified = false })
			app.Refresh(t, c, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
			app.MustBeDead(t, c, tokens)
		})
	}
}
