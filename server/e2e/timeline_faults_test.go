package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

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
