package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// T32, T33, fastmcp #5002, #4854: it handles a provider that answers 503. Calls
// go on; refreshes are told to wait; the session lives.
func TestSecProviderDown(t *testing.T) {
	app, c, tokens := secSignedIn(t, AppOptions{})
	app.Demo.Provider.Down(true)
	app.mustWorkWith(t, tokens.Access)
	for range 3 {
		app.mustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	}
	app.mustWorkWith(t, tokens.Access)
	if p := app.trySignIn(t, c); p.Status == 0 && p.Query("code") != "" {
		t.Error("somebody signed in while the provider was away")
	}
	app.Demo.Provider.Down(false)
	tokens = app.MustRefresh(t, c, tokens.Refresh)
	app.mustWorkWith(t, tokens.Access)
	if n := len(app.Sessions(t)); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// T33: it handles a provider that is gone altogether, and with it its keys, also
// over a restart.
func TestSecProviderGone(t *testing.T) {
	idp := newSpy(t)
	app := StartApp(t, AppOptions{Issuer: idp.URL})
	c := app.Register(t, clientURI)
	tokens := app.SignIn(t, NewBrowser(t), c, "")
	idp.CloseClientConnections()
	idp.Listener.Close()
	app.mustWorkWith(t, tokens.Access)
	app.mustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	app.Stop()
	app.Start()
	app.mustWorkWith(t, tokens.Access)
	app.mustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	if st := app.Status(t); st.IDP.State != "unreachable" || st.State != "ready" {
		t.Errorf("state %s, provider %s", st.State, st.IDP.State)
	}
	page := app.trySignIn(t, c)
	if reason := app.mustExplain(t, page); reason == "" {
		t.Error("the event has no reason")
	}
}

// T32: it handles a provider that takes the request and never answers.
func TestSecProviderHangs(t *testing.T) {
	t.Parallel()
	idp := newSpy(t)
	app := StartApp(t, AppOptions{Issuer: idp.URL})
	c := app.Register(t, clientURI)
	tokens := app.SignIn(t, NewBrowser(t), c, "")
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	idp.Answer("/token", func(w http.ResponseWriter, r *http.Request) { <-release })
	begun := time.Now()
	app.mustBeTold(t, app.Refresh(t, c, tokens.Refresh))
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the client waited %v", took)
	}
	app.mustWorkWith(t, tokens.Access)
	idp.Answer("/token", nil)
	app.mustWorkWith(t, app.MustRefresh(t, c, tokens.Refresh).Access)
}

// mustBeTold fails the test unless a refresh was answered as it must be while
// the provider is away.
func (app *App) mustBeTold(t testing.TB, r *Reply) {
	t.Helper()
	r.want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	mustNotShow(t, r.Body)
}

// mustNotShow fails the test if a text for strangers tells what only the log
// may know.
func mustNotShow(t testing.TB, text string) {
	t.Helper()
	for _, inside := range []string{"dial tcp", "connection refused", "goroutine", ".go:", "127.0.0.1", "context deadline", "status 5", "panic", "no space", "bbolt", "/tmp"} {
		if strings.Contains(strings.ToLower(text), inside) {
			t.Errorf("it shows %q: %s", inside, clip(text))
		}
	}
}

// T45: it handles ID tokens that don't prove who signed in.
func TestSecFalseIDTokens(t *testing.T) {
	other := testCert() // some other key
	for _, c := range []struct {
		name   string
		spoil  func(claims map[string]any)
		sign   func(idp *spy) func(claims any) string
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
		{"not signed", nil, func(*spy) func(any) string {
			return func(claims any) string {
				parts := strings.Split(spySign(jose.RS256, spyKey(), claims), ".")
				return "eyJhbGciOiJub25lIn0." + parts[1] + "."
			}
		}, "not signed by a key"},
		{"signed with the client secret", nil, func(*spy) func(any) string {
			secret := []byte(demo.ClientSecret + strings.Repeat("\x00", 32))
			return func(claims any) string { return spySign(jose.HS256, secret, claims) }
		}, "not signed by a key"},
		{"signed by another key", nil, func(*spy) func(any) string {
			return func(claims any) string { return spySign(jose.ES256, other.pair.PrivateKey, claims) }
		}, "sign"},
		{"no JWT", nil, func(*spy) func(any) string { return func(any) string { return "garbage" } }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			idp := newSpy(t)
			idp.spoil = c.spoil
			if c.sign != nil {
				idp.sign = c.sign(idp)
			}
			app := StartApp(t, AppOptions{Issuer: idp.URL})
			client := app.Register(t, clientURI)
			page := app.trySignIn(t, client)
			reason := app.mustExplain(t, page)
			if reason == "" || !strings.Contains(reason, c.reason) {
				t.Errorf("reason %q, want one with %q", reason, c.reason)
			}
			if n := len(app.Sessions(t)); n != 0 || app.CountEvents(t, "signin.succeeded") != 0 {
				t.Errorf("%d sessions", n)
			}
			mustNotShow(t, strings.ReplaceAll(page.Text(), "127.0.0.1", "")) // our own name, here
		})
	}
}

// T45: it handles a discovery document whose issuer is another.
func TestSecDiscoveryOfAnotherIssuer(t *testing.T) {
	idp := newSpy(t)
	idp.Answer("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		spyJSON(w, idp.discovery("https://evil.example"))
	})
	app := StartApp(t, AppOptions{Issuer: idp.URL})
	reason := app.mustExplain(t, app.trySignIn(t, app.Register(t, clientURI)))
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
		"no token":         func(w http.ResponseWriter, r *http.Request) { spyJSON(w, map[string]any{"secret-detail": true}) },
		"no JSON":          func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("<html>secret-detail")) },
		"2 MB":             func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"a redirect":       func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/secret-detail", http.StatusFound) },
		"a broken promise": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			idp := newSpy(t)
			app := StartApp(t, AppOptions{Issuer: idp.URL})
			c := app.Register(t, clientURI)
			idp.Answer("/token", answer)
			page := app.trySignIn(t, c)
			if reason := app.mustExplain(t, page); reason == "" || strings.Contains(reason, "secret-detail") {
				t.Errorf("reason %q", reason)
			}
			if strings.Contains(page.Body, "secret-detail") || strings.Contains(page.Body, "<script") {
				t.Errorf("the page shows what the provider wrote: %s", clip(page.Text()))
			}
			if !strings.Contains(page.Text(), "again") && !strings.Contains(page.Text(), "Check") {
				t.Errorf("the page does not say what to do: %s", clip(page.Text()))
			}
			idp.Answer("/token", nil)
			if back := app.trySignIn(t, c); back.Query("code") == "" {
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
			app := StartApp(t, AppOptions{Config: func(cfg *config.Config) { cfg.Access = access }})
			c := app.Register(t, clientURI)
			app.Demo.Provider.SetEmailVerified("alice", false)
			if back := app.trySignIn(t, c); back.Query("error") != "access_denied" || back.Query("code") != "" {
				t.Errorf("error %q", back.Query("error"))
			}
			app.Demo.Provider.SetEmailVerified("alice", true)
			tokens := app.SignIn(t, NewBrowser(t), c, "alice")
			app.Demo.Provider.SetEmailVerified("alice", false)
			app.Refresh(t, c, tokens.Refresh).want(t, http.StatusBadRequest, "invalid_grant")
			app.mustBeDead(t, c, tokens)
		})
	}
}
