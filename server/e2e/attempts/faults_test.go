package attempts

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// broken is one sign-in that fails, made for real, and what the owner is told.
type broken struct {
	name         string
	options      rig.AppOptions
	run          func(*testing.T, *rig.App)
	key, outcome string
	says         string
}

// It says in one sentence why a client does not connect, when it handles …
func TestTimelineBroken(t *testing.T) {
	for _, list := range [][]broken{brokenAddresses, brokenClients, brokenPeople, brokenTokens, brokenCalls} {
		for _, c := range list {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				app := rig.StartApp(t, c.options)
				c.run(t, app)
				app.MustConclude(t, c.key, c.outcome, c.says)
			})
		}
	}
}

var brokenAddresses = []broken{
	{"the address without its path", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Do(t, "POST", "/", strings.NewReader("{}"), "Content-Type", "application/json")
	}, "path.root", "error", "/mcp into it."},
	{"the older transport's path", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Do(t, "GET", "/sse", nil, "Accept", "text/event-stream")
		app.Get(t, "/.well-known/oauth-protected-resource/sse")
	}, "path.sse", "error", "SSE transport at /sse."},
	{"a path close by", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Do(t, "POST", "/mcp/mcp", strings.NewReader("{}"))
	}, "path.near", "error", "looks for MCP at /mcp/mcp, but this server is http"},
	{"a guessed endpoint", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Get(t, "/mcp/authorize?client_id=x&state=secret")
	}, "path.oauth", "error", "/mcp/authorize"},
	{"another host", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Do(t, "POST", "/mcp", nil, "Host", "rebound.example")
	}, "host", "refused", "was for rebound.example"},
	{"a page of another site", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Do(t, "POST", "/mcp", nil, "Origin", "https://evil.example")
	}, "origin", "refused", "another site"},
	{"a bridge that is raised", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		if err := app.Srv.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		app.Do(t, "POST", "/mcp", nil)
	}, "paused", "refused", "drawbridge resume"},
	{"strangers who try doors", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		for i := range 30 {
			app.Get(t, fmt.Sprintf("/wp-%d.php?state=secret", i))
		}
	}, "probes", "refused", "30 times"},
}

var brokenClients = []broken{
	{"registration switched off", rig.AppOptions{Config: func(c *config.Config) { c.Clients.Registration = false }}, func(t *testing.T, app *rig.App) {
		app.PostJSON(t, "/register", map[string]any{"client_name": "New client", "redirect_uris": []string{rig.ClientURI}})
	}, "registration.off", "refused", "registration is switched off"},
	{"a redirect URI that is not on the list", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.PostJSON(t, "/register", map[string]any{"client_name": "New client", "redirect_uris": []string{"https://new.example/callback?x=secret"}})
	}, "redirect.list", "refused", "New client wants its answers at new.example,"},
	{"a redirect URI that was not registered", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
		req.Values.Set("redirect_uri", "http://localhost:7777/other")
		rig.NewBrowser(t).Open(req.URL(app))
	}, "redirect.other", "refused", "Test client asked for its answer at localhost"},
	{"a client of before a reset", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req := app.NewAuthRequest(rig.StartApp(t, rig.AppOptions{}).Register(t, rig.ClientURI))
		rig.NewBrowser(t).Open(req.URL(app))
	}, "client.unknown", "refused", "register again"},
	{"a client without PKCE", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
		req.Values.Del("code_challenge")
		rig.NewBrowser(t).OpenUntil(req.URL(app), rig.ClientURI)
	}, "pkce", "refused", "Test client does not use PKCE"},
	{"another resource", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
		req.Values.Set("resource", app.URL+"/mcp/sse?key=secret")
		rig.NewBrowser(t).OpenUntil(req.URL(app), rig.ClientURI)
	}, "resource", "refused", "/mcp/sse, but this server is http"},
	{"a metadata document that is gone", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		doc := rig.ServeMetadata(t, rig.ClientURI)
		doc.Answer(http.StatusNotFound)
		rig.NewBrowser(t).Open(app.NewAuthRequest(doc.Client()).URL(app))
	}, "document", "refused", "(status 404)"},
	{"a client that registers again and again", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		for range 5 {
			app.Register(t, rig.ClientURI)
		}
	}, "registration.loop", "error", "registered 5 times"},
	{"a client that never stops registering", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		for range 40 {
			app.PostJSON(t, "/register", map[string]any{"client_name": "Busy client", "redirect_uris": []string{rig.ClientURI}})
		}
	}, "limited", "refused", "Busy client asked too often"},
}

var brokenPeople = []broken{
	{"a person who says no", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		rig.NewBrowser(t).Deny(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI)
	}, "consent.denied", "refused", "chose Deny"},
	{"a person who is not on the access list", rig.AppOptions{Groups: []string{"admins"}}, func(t *testing.T, app *rig.App) {
		rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "bob")
	}, "access.list", "refused", "bob@example.com signed in at the provider but is not on the access list."},
	{"an address that is not verified", rig.AppOptions{Config: func(c *config.Config) { c.Access = config.Access{Emails: []string{"bob@example.com"}} }}, func(t *testing.T, app *rig.App) {
		app.Demo.Provider.Change("bob", func(p *demo.Person) { p.Verified = false })
		rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "bob")
	}, "access.unverified", "refused", "bob@example.com is on the access list"},
	{"an access list with nobody on it", rig.AppOptions{Config: func(c *config.Config) { c.Access = config.Access{} }}, func(t *testing.T, app *rig.App) {
		rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "alice")
	}, "access.nobody", "refused", "Add alice@example.com"},
	{"a person whom the provider turns away", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.Demo.Provider.Change("bob", func(p *demo.Person) { p.Active = false })
		rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "bob")
	}, "provider.refused", "refused", "The provider refused: it was cancelled, or you are not allowed"},
	{"a sign-in carried to another browser", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		first := rig.NewBrowser(t).Open(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app))
		rig.NewBrowser(t).Open(first.URL.String())
	}, "browser", "refused", "began in one browser"},
}

// signedIn registers a client and signs alice in with it.
func signedIn(t *testing.T, app *rig.App) (rig.Client, rig.Tokens) {
	c := app.Register(t, rig.ClientURI)
	return c, app.SignIn(t, rig.NewBrowser(t), c, "alice")
}

// withCode gets as far as the code.
func withCode(t *testing.T, app *rig.App) (*rig.AuthRequest, string) {
	req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
	return req, app.Code(t, rig.NewBrowser(t), req, "alice")
}

var brokenTokens = []broken{
	{"a code without its verifier", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "code_verifier", req.Verifier+"x").Want(t, 400, "invalid_grant")
	}, "token.verifier", "refused", "Test client redeemed its code without the PKCE verifier"},
	{"a code with another redirect URI", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "redirect_uri", "http://localhost:1/other").Want(t, 400, "invalid_grant")
	}, "token.redirect", "refused", "another redirect URI"},
	{"a code in another client's hands", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		other := app.Register(t, "http://localhost:1/other", rig.ClientURI)
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "client_id", other.ID).Want(t, 400, "invalid_grant")
	}, "token.client", "refused", "Another client tried"},
	{"a code used twice", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req, code := withCode(t, app)
		app.MustTokens(t, app.Redeem(t, req, code))
		app.Redeem(t, req, code).Want(t, 400, "invalid_grant")
	}, "token.twice", "refused", "presented its code twice"},
	{"a token for another resource", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		req, code := withCode(t, app)
		app.Redeem(t, req, code, "resource", app.URL+"/other").Want(t, 400, "invalid_target")
	}, "resource", "refused", ", but this server is http"},
	{"a client whose id was forgotten", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.PostForm(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "client_id": {"gone"}}).Want(t, 401, "invalid_client")
	}, "client.unknown", "refused", "It should register again"},
	{"JSON where a form belongs", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.PostJSON(t, "/token", map[string]string{"grant_type": "authorization_code"}).Want(t, 400, "invalid_request")
	}, "token.refused", "refused", "must be application/x-www-form-urlencoded"},
	{"an old refresh token", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		c, first := signedIn(t, app)
		second := app.MustRefresh(t, c, first.Refresh)
		app.MustRefresh(t, c, second.Refresh)
		app.Refresh(t, c, first.Refresh).Want(t, 400, "invalid_grant")
	}, "token.replayed", "refused", "old refresh token"},
	{"a person who lost their group", rig.AppOptions{Groups: []string{"admins"}}, func(t *testing.T, app *rig.App) {
		c, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
		app.Demo.Provider.Change("alice", func(p *demo.Person) { p.Groups = []string{"everyone"} })
		app.Refresh(t, c, tokens.Refresh).Want(t, 400, "invalid_grant")
	}, "token.person", "refused", "alice@example.com may not use Test client here any more: alice@example.com is not on the access list."},
	{"a provider that is away at a refresh", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		c, tokens := signedIn(t, app)
		app.Demo.Provider.Down(true)
		app.Refresh(t, c, tokens.Refresh).Want(t, 503, "temporarily_unavailable")
	}, "token.away", "error", "could not be asked about alice@example.com"},
	{"a client that goes on after its session was revoked", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		c, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
		if _, err := app.Srv.RevokeAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 { // as opencode does
			app.Do(t, "POST", "/mcp", nil, "Authorization", "Bearer "+tokens.Access)
			app.Refresh(t, c, tokens.Refresh).Want(t, 400, "invalid_grant")
			app.Do(t, "POST", "/mcp", nil)
			app.Get(t, "/.well-known/oauth-protected-resource/mcp")
			app.Get(t, "/.well-known/oauth-authorization-server")
		}
	}, "session.over", "refused", "all sessions were revoked by the owner), so it was told to sign in. Sign in again"},
	{"Gemini CLI after its session was revoked", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.PostJSON(t, "/register", map[string]any{"client_name": "Gemini CLI MCP Client", "redirect_uris": []string{}}).Want(t, 400, "invalid_redirect_uri")
	}, "registration.over", "refused", "type /mcp auth NAME in Gemini CLI"},
	{"an error inside a 200", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
		reply := app.Do(t, "POST", "/mcp", body, "Authorization", "Bearer "+tokens.Access, "Content-Type", "application/json", "Accept", "application/json, text/event-stream")
		if reply.Status != 200 {
			t.Fatalf("answered %d: %s", reply.Status, reply.Body)
		}
	}, "call.error", "error", "but initialize was answered with an error: initialize needs protocolVersion"},
	{"a session that the client ends itself", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		c, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
		app.MustConclude(t, "connected", "ok", "")
		app.Revoke(t, c, tokens.Refresh)
	}, "over", "ok", "the session has ended"},
}

var brokenCalls = []broken{
	{"a version that nobody speaks", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		app.MCP(t, tokens.Access).Post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "MCP-Protocol-Version", "2031-01-01")
	}, "call.version", "error", "MCP version 2031-01-01"},
	{"a transport session that is not there", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		m := app.MCP(t, tokens.Access)
		m.Session = "mcp-session-of-another-day"
		m.Post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	}, "call.initialize", "", "initialize again"},
	{"a client of the older transport", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		app.Do(t, "GET", "/mcp", nil, "Authorization", "Bearer "+tokens.Access, "Accept", "text/event-stream")
	}, "call.stream", "error", "older SSE transport"},
	{"a session that the owner ended", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		m := app.MCP(t, tokens.Access)
		m.CallTool("echo", map[string]any{"message": "x"})
		app.RevokeSession(t, app.Sessions(t)[0].ID)
		m.TryTool("echo", map[string]any{"message": "x"})
	}, "call.ended", "refused", "Test client still uses the token"},
	{"a refresh token as access token", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		app.MCP(t, tokens.Refresh).Initialize()
	}, "call.kind", "error", "its refresh token"},
	{"a token of another server", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		app.MCP(t, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl").Initialize()
	}, "call.forged", "refused", "did not make"},
	{"a token in the address", rig.AppOptions{}, func(t *testing.T, app *rig.App) {
		_, tokens := signedIn(t, app)
		app.Do(t, "POST", "/mcp?access_token="+tokens.Access, nil)
	}, "call.query", "refused", "in the URL"},
}
