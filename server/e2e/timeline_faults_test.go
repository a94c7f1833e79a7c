package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// broken is one sign-in that fails, made for real, and what the owner is told.
type broken struct {
	name         string
	options      AppOptions
	run          func(*testing.T, *App)
	key, outcome string
	says         string
}

// It says in one sentence why a client does not connect, when it handles …
func TestTimelineBroken(t *testing.T) {
	for _, list := range [][]broken{brokenAddresses, brokenClients, brokenPeople, brokenTokens, brokenCalls} {
		for _, c := range list {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				app := StartApp(t, c.options)
				c.run(t, app)
				app.mustConclude(t, c.key, c.outcome, c.says)
			})
		}
	}
}

var brokenAddresses = []broken{
	{"the address without its path", AppOptions{}, func(t *testing.T, app *App) {
		app.Do(t, "POST", "/", strings.NewReader("{}"), "Content-Type", "application/json")
	}, "path.root", "error", "/mcp into it."},
	{"the older transport's path", AppOptions{}, func(t *testing.T, app *App) {
		app.Do(t, "GET", "/sse", nil, "Accept", "text/event-stream")
		app.Get(t, "/.well-known/oauth-protected-resource/sse")
	}, "path.sse", "error", "SSE transport at /sse."},
	{"a path close by", AppOptions{}, func(t *testing.T, app *App) {
		app.Do(t, "POST", "/mcp/mcp", strings.NewReader("{}"))
	}, "path.near", "error", "looks for MCP at /mcp/mcp, but this server is http"},
	{"a guessed endpoint", AppOptions{}, func(t *testing.T, app *App) {
		app.Get(t, "/mcp/authorize?client_id=x&state=secret")
	}, "path.oauth", "error", "/mcp/authorize"},
	{"another host", AppOptions{}, func(t *testing.T, app *App) {
		app.Do(t, "POST", "/mcp", nil, "Host", "rebound.example")
	}, "host", "refused", "was for rebound.example"},
	{"a page of another site", AppOptions{}, func(t *testing.T, app *App) {
		app.Do(t, "POST", "/mcp", nil, "Origin", "https://evil.example")
	}, "origin", "refused", "another site"},
	{"a bridge that is raised", AppOptions{}, func(t *testing.T, app *App) {
		if err := app.Srv.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		app.Do(t, "POST", "/mcp", nil)
	}, "paused", "refused", "drawbridge resume"},
	{"strangers who try doors", AppOptions{}, func(t *testing.T, app *App) {
		for i := range 30 {
			app.Get(t, fmt.Sprintf("/wp-%d.php?state=secret", i))
		}
	}, "probes", "refused", "30 times"},
}

var brokenClients = []broken{
	{"registration switched off", AppOptions{Config: func(c *config.Config) { c.Clients.Registration = false }}, func(t *testing.T, app *App) {
		app.PostJSON(t, "/register", map[string]any{"client_name": "New client", "redirect_uris": []string{clientURI}})
	}, "registration.off", "refused", "registration is switched off"},
	{"a redirect URI that is not on the list", AppOptions{}, func(t *testing.T, app *App) {
		app.PostJSON(t, "/register", map[string]any{"client_name": "New client", "redirect_uris": []string{"https://new.example/callback?x=secret"}})
	}, "redirect.list", "refused", "New client wants its answers at new.example,"},
	{"a redirect URI that was not registered", AppOptions{}, func(t *testing.T, app *App) {
		req := app.NewAuthRequest(app.Register(t, clientURI))
		req.Values.Set("redirect_uri", "http://localhost:7777/other")
		NewBrowser(t).Open(req.URL(app))
	}, "redirect.other", "refused", "Test client asked for its answer at localhost"},
	{"a client of before a reset", AppOptions{}, func(t *testing.T, app *App) {
		req := app.NewAuthRequest(StartApp(t, AppOptions{}).Register(t, clientURI))
		NewBrowser(t).Open(req.URL(app))
	}, "client.unknown", "refused", "register again"},
	{"a client without PKCE", AppOptions{}, func(t *testing.T, app *App) {
		req := app.NewAuthRequest(app.Register(t, clientURI))
		req.Values.Del("code_challenge")
		NewBrowser(t).OpenUntil(req.URL(app), clientURI)
	}, "pkce", "refused", "Test client does not use PKCE"},
	{"another resource", AppOptions{}, func(t *testing.T, app *App) {
		req := app.NewAuthRequest(app.Register(t, clientURI))
		req.Values.Set("resource", app.URL+"/mcp/sse?key=secret")
		NewBrowser(t).OpenUntil(req.URL(app), clientURI)
	}, "resource", "refused", "/mcp/sse, but this server is http"},
	{"a metadata document that is gone", AppOptions{}, func(t *testing.T, app *App) {
		doc := ServeMetadata(t, clientURI)
		doc.Answer(http.StatusNotFound)
		NewBrowser(t).Open(app.NewAuthRequest(doc.Client()).URL(app))
	}, "document", "refused", "(status 404)"},
	{"a client that registers again and again", AppOptions{}, func(t *testing.T, app *App) {
		for range 5 {
			app.Register(t, clientURI)
		}
	}, "registration.loop", "error", "registered 5 times"},
	{"a client that never stops registering", AppOptions{}, func(t *testing.T, app *App) {
		for range 40 {
			app.PostJSON(t, "/register", map[string]any{"client_name": "Busy client", "redirect_uris": []string{clientURI}})
		}
	}, "limited", "refused", "Busy client asked too often"},
}

var brokenPeople = []broken{
	{"a person who says no", AppOptions{}, func(t *testing.T, app *App) {
		NewBrowser(t).Deny(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI)
	}, "consent.denied", "refused", "chose Deny"},
	{"a person who is not on the access list", AppOptions{Groups: []string{"admins"}}, func(t *testing.T, app *App) {
		NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI, "bob")
	}, "access.list", "refused", "bob@example.com signed in at the provider but is not on the access list."},
	{"an address that is not verified", AppOptions{Config: func(c *config.Config) { c.Access = config.Access{Emails: []string{"bob@example.com"}} }}, func(t *testing.T, app *App) {
		app.Demo.Provider.SetEmailVerified("bob", false)
		NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI, "bob")
	}, "access.unverified", "refused", "bob@example.com is on the access list"},
	{"an access list with nobody on it", AppOptions{Config: func(c *config.Config) { c.Access = config.Access{} }}, func(t *testing.T, app *App) {
		NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI, "alice")
	}, "access.nobody", "refused", "Add alice@example.com"},
	{"a person whom the provider turns away", AppOptions{}, func(t *testing.T, app *App) {
		app.Demo.Provider.Deactivate("bob")
		NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI, "bob")
	}, "provider.refused", "refused", "The provider refused: it was cancelled, or you are not allowed"},
	{"a sign-in carried to another browser", AppOptions{}, func(t *testing.T, app *App) {
		first := NewBrowser(t).Open(app.NewAuthRequest(app.Register(t, clientURI)).URL(app))
		NewBrowser(t).Open(first.URL.String())
	}, "browser", "refused", "began in one browser"},
}

// signedIn registers a client and signs alice in with it.
func signedIn(t *testing.T, app *App) (Client, Tokens) {
	c := app.Register(t, clientURI)
	return c, app.SignIn(t, NewBrowser(t), c, "alice")
}

// withCode gets as far as the code.
func withCode(t *testing.T, app *App) (*AuthRequest, string) {
	req := app.NewAuthRequest(app.Register(t, clientURI))
	return req, app.Code(t, NewBrowser(t), req, "alice")
}

var brokenTokens = []broken{
	{"a code without its verifier", AppOptions{}, func(t *testing.T, app *App) {
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "code_verifier", req.Verifier+"x").want(t, 400, "invalid_grant")
	}, "token.verifier", "refused", "Test client redeemed its code without the PKCE verifier"},
	{"a code with another redirect URI", AppOptions{}, func(t *testing.T, app *App) {
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "redirect_uri", "http://localhost:1/other").want(t, 400, "invalid_grant")
	}, "token.redirect", "refused", "another redirect URI"},
	{"a code in another client's hands", AppOptions{}, func(t *testing.T, app *App) {
		other := app.Register(t, "http://localhost:1/other", clientURI)
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "client_id", other.ID).want(t, 400, "invalid_grant")
	}, "token.client", "refused", "Another client tried"},
	{"a code used twice", AppOptions{}, func(t *testing.T, app *App) {
		req, code := withCode(t, app)
		app.mustTokens(t, app.Redeem(t, req, code))
		app.Redeem(t, req, code).want(t, 400, "invalid_grant")
	}, "token.twice", "refused", "presented its code twice"},
	{"a token for another resource", AppOptions{}, func(t *testing.T, app *App) {
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "resource", app.URL).want(t, 400, "invalid_target")
	}, "resource", "refused", ", but this server is http"},
	{"a client whose id was forgotten", AppOptions{}, func(t *testing.T, app *App) {
		app.PostForm(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {"gone"}}).want(t, 401, "invalid_client")
	}, "client.unknown", "refused", "It should register again"},
	{"JSON where a form belongs", AppOptions{}, func(t *testing.T, app *App) {
		app.PostJSON(t, "/token", map[string]string{"grant_type": "authorization_code"}).want(t, 400, "invalid_request")
	}, "token.refused", "refused", "must be application/x-www-form-urlencoded"},
	{"an old refresh token", AppOptions{}, func(t *testing.T, app *App) {
		c, first := signedIn(t, app)
		second := app.MustRefresh(t, c, first.Refresh)
		app.MustRefresh(t, c, second.Refresh)
		app.Refresh(t, c, first.Refresh).want(t, 400, "invalid_grant")
	}, "token.replayed", "refused", "old refresh token"},
	{"a person who lost their group", AppOptions{Groups: []string{"admins"}}, func(t *testing.T, app *App) {
		c, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
		app.Demo.Provider.SetGroups("alice", "everyone")
		app.Refresh(t, c, tokens.Refresh).want(t, 400, "invalid_grant")
	}, "token.person", "refused", "alice@example.com may not use Test client here any more: alice@example.com is not on the access list."},
	{"a provider that is away at a refresh", AppOptions{}, func(t *testing.T, app *App) {
		c, tokens := signedIn(t, app)
		app.Demo.Provider.Down(true)
		app.Refresh(t, c, tokens.Refresh).want(t, 503, "temporarily_unavailable")
	}, "token.away", "error", "could not be asked about alice@example.com"},
	{"a session that the client ends itself", AppOptions{}, func(t *testing.T, app *App) {
		c, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
		app.mustConclude(t, "connected", "ok", "")
		app.Revoke(t, c, tokens.Refresh)
	}, "over", "ok", "the session has ended"},
}

var brokenCalls = []broken{
	{"a version that nobody speaks", AppOptions{}, func(t *testing.T, app *App) {
		_, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).Post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "MCP-Protocol-Version", "2031-01-01")
	}, "call.version", "error", "MCP version 2031-01-01"},
	{"a transport session that is not there", AppOptions{}, func(t *testing.T, app *App) {
		_, tokens := signedIn(t, app)
		m := app.MCP(t, tokens.Access)
		m.Session = "mcp-session-of-another-day"
		m.Post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	}, "call.initialize", "", "initialize again"},
	{"a client of the older transport", AppOptions{}, func(t *testing.T, app *App) {
		_, tokens := signedIn(t, app)
		app.Do(t, "GET", "/mcp", nil, "Authorization", "Bearer "+tokens.Access, "Accept", "text/event-stream")
	}, "call.stream", "error", "older SSE transport"},
	{"a session that the owner ended", AppOptions{}, func(t *testing.T, app *App) {
		_, tokens := signedIn(t, app)
		m := app.MCP(t, tokens.Access)
		m.CallTool("echo", map[string]any{"message": "x"})
		app.RevokeSession(t, app.Sessions(t)[0].ID)
		m.TryTool("echo", map[string]any{"message": "x"})
	}, "call.ended", "refused", "Test client still uses the token"},
	{"a refresh token as access token", AppOptions{}, func(t *testing.T, app *App) {
		_, tokens := signedIn(t, app)
		app.MCP(t, tokens.Refresh).Initialize()
	}, "call.kind", "error", "its refresh token"},
	{"a token of another server", AppOptions{}, func(t *testing.T, app *App) {
		app.MCP(t, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl").Initialize()
	}, "call.forged", "refused", "did not make"},
	{"a token in the address", AppOptions{}, func(t *testing.T, app *App) {
		_, tokens := signedIn(t, app)
		app.Do(t, "POST", "/mcp?access_token="+tokens.Access, nil)
	}, "call.query", "refused", "in the URL"},
}

// It waits for what a client or a person still may do, says for what, and in
// the end that it never came.
func TestTimelineNeverCame(t *testing.T) {
	for _, c := range []struct {
		name          string
		run           func(*testing.T, *App, *movedClock)
		first, second string
		wait          time.Duration
		says          string
	}{
		{"a client that stops after looking around", func(t *testing.T, app *App, _ *movedClock) {
			app.Do(t, "POST", "/mcp", nil)
			app.Get(t, "/.well-known/oauth-protected-resource/mcp")
			app.Get(t, "/.well-known/oauth-authorization-server")
		}, "discovery.awaited", "discovery.stopped", 3 * time.Minute, "did not go on"},
		{"a client that can't sign in", func(t *testing.T, app *App, _ *movedClock) { app.Do(t, "POST", "/mcp", nil) },
			"discovery.awaited", "challenge.only", 3 * time.Minute, "supports OAuth"},
		{"a browser that never opens", func(t *testing.T, app *App, _ *movedClock) { app.Register(t, clientURI) },
			"browser.awaited", "browser.never", 6 * time.Minute, "nobody opened"},
		{"a consent page that is left open", func(t *testing.T, app *App, _ *movedClock) {
			NewBrowser(t).Open(app.NewAuthRequest(app.Register(t, clientURI)).URL(app))
		}, "consent.awaited", "consent.never", 11 * time.Minute, "never answered"},
		{"a code that is never redeemed", func(t *testing.T, app *App, _ *movedClock) { withCode(t, app) },
			"code.awaited", "code.never", 2 * time.Minute, "alice@example.com signed in, but Test client never came back"},
		{"a token that is never used", func(t *testing.T, app *App, _ *movedClock) { signedIn(t, app) },
			"call.awaited", "call.never", 2 * time.Minute, "Test client got its token but never called /mcp."},
		{"a token that is never renewed", func(t *testing.T, app *App, clock *movedClock) {
			_, tokens := signedIn(t, app)
			app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
			app.mustConclude(t, "connected", "ok", "")
			clock.Advance(31 * time.Minute)
			app.MCP(t, tokens.Access).Initialize()
		}, "call.expired", "call.stale", 3 * time.Minute, "does not renew it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := &movedClock{}
			app := StartApp(t, AppOptions{Now: clock.Now})
			c.run(t, app, clock)
			app.mustConclude(t, c.first, "", "")
			clock.Advance(c.wait)
			app.mustConclude(t, c.second, "error", c.says)
		})
	}
}

// A provider that does not know our redirect URI shows a page of its own, and
// nobody ever comes back.
func TestTimelineStuckAtProvider(t *testing.T) {
	clock := &movedClock{}
	okta := StartOkta(t, "custom")
	app := StartApp(t, AppOptions{Okta: okta, Now: clock.Now})
	okta.AllowRedirect("https://elsewhere.example/auth/callback")
	b := NewBrowser(t)
	p := b.Walk(b.OpenUntil(app.NewAuthRequest(app.Register(t, clientURI)).URL(app), clientURI), "alice", clientURI)
	if p.Status != http.StatusBadRequest || strings.HasPrefix(p.URL.String(), app.URL) {
		t.Fatalf("ended at %s with %d", withoutQuery(p.URL), p.Status)
	}
	app.mustConclude(t, "provider.awaited", "", "at the provider")
	clock.Advance(2 * time.Minute)
	app.mustConclude(t, "provider.stuck", "", "add "+app.URL+"/auth/callback to the app's redirect URIs")
	clock.Advance(10 * time.Minute)
	app.mustConclude(t, "provider.never", "error", "never came back")
}

// A provider in trouble, or at odds with us.
func TestTimelineProviderFaults(t *testing.T) {
	answer := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "of " + r.FormValue("code")})
		}
	}
	for _, c := range []struct {
		name   string
		spoil  func(*spy)
		key    string
		reason string
	}{
		{"a wrong client secret", func(s *spy) { s.Answer("/token", answer(401, "invalid_client")) }, "provider.wrong", "client secret"},
		{"an outage", func(s *spy) { s.Answer("/token", answer(503, "x")) }, "provider.away", "problem of its own"},
		{"a clock that is wrong", func(s *spy) {
			s.Spoil(func(c map[string]any) {
				c["iat"], c["exp"] = time.Now().Add(2*time.Hour).Unix(), time.Now().Add(3*time.Hour).Unix()
			})
		}, "provider.clock", "clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			idp := newSpy(t)
			app := StartApp(t, AppOptions{Issuer: idp.URL})
			c.spoil(idp)
			app.trySignIn(t, app.Register(t, clientURI))
			app.mustConclude(t, c.key, "error", c.reason)
		})
	}
}

// A real client with the wrong address.
func TestTimelineRealClientWrongPath(t *testing.T) {
	for path, key := range map[string]string{"/sse": "path.sse", "/mcp/mcp": "path.near", "": "path.root"} {
		t.Run(key, func(t *testing.T) {
			app := StartApp(t, AppOptions{})
			arg, _ := json.Marshal(map[string]string{"url": app.URL + path, "redirectURI": clientURI, "name": "Scripted client"})
			script := StartScript(t, nil, "clients/sdk-v1.mjs", string(arg))
			app.mustConclude(t, key, "error", app.MCPURL)
			_, _ = script.Wait()
		})
	}
}
