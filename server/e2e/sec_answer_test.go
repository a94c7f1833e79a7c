package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// oddRedirects are redirect URIs that a careless answer would rewrite.
var oddRedirects = []string{
	clientURI,
	"http://localhost:7777/callback?a=%20b&c",
	"http://localhost:7777/callback?",
	"http://localhost:7777/callback?x=1&",
	"http://localhost:7777/callback?q=a+b&q=%2B&Code=1&=&z=%E2%9C%93",
	"http://localhost:7777/%7Euser/cb%2Fx/;p=1//two",
	"http://localhost:7777",
	"http://localhost:7777/?next=https://a.example/?b=c",
	"http://[::1]:7777/callback",
	claudeURI,
	cursorURI,
}

// T17, fastmcp #4438: every answer, good or bad, names us exactly once and
// leaves the redirect URI's own bytes alone.
func TestSecAnswersKeepTheRedirectURI(t *testing.T) {
	for _, uri := range oddRedirects {
		t.Run(uri, func(t *testing.T) {
			app := StartApp(t, AppOptions{Groups: []string{"admins"}})
			public, _ := startPublicApp(t, AppOptions{Groups: []string{"admins"}})
			for kind, of := range clientOf {
				t.Run(kind, func(t *testing.T) { answersOf(t, app, app.URL, NewBrowser(t), of(t, app, uri)) })
				t.Run(kind+", https", func(t *testing.T) { answersOf(t, public, publicURL, newPublicBrowser(t, public), of(t, public, uri)) })
			}
		})
	}
}

// answersOf brings about every kind of answer to client and checks it.
func answersOf(t *testing.T, app *App, base string, b *Browser, client Client) {
	const state = "a b+c&d=e%20é"
	visit := func(u *url.URL) *Page { return b.hop(navigation{method: http.MethodGet, url: u}, "cross-site") }
	begin := func(change ...string) (*AuthRequest, string) {
		req := app.NewAuthRequest(client)
		req.Values.Set("state", state)
		with(req.Values, change)
		return req, authorizeAt(base, req)
	}
	want := func(what string, p *Page, state, code string) url.Values {
		t.Helper()
		q := wantAnswer(t, p, client.RedirectURI, base, state)
		if q.Get("error") != code || (code == "") != q.Has("code") {
			t.Errorf("%s: error %q, code %t", what, q.Get("error"), q.Has("code"))
		}
		return q
	}
	req, address := begin()
	page, _ := flowInHand(t, b, address)
	q := want("success", visit(providerAnswer(t, b, page, base, "alice")), state, "")
	app.mustTokens(t, app.Redeem(t, req, q.Get("code")))

	_, address = begin("state", "")
	page, _ = flowInHand(t, b, address)
	want("success without state", visit(providerAnswer(t, b, page, base, "alice")), "", "")

	page, form := flowInHand(t, b, authorizeAt(base, req))
	form.Values.Set("action", "deny")
	want("denial", b.hop(navigation{method: http.MethodPost, url: b.parse(base + "/consent"), form: form.Values, from: page}, "same-origin"), state, "access_denied")

	page, _ = flowInHand(t, b, authorizeAt(base, req))
	want("the access list", visit(providerAnswer(t, b, page, base, "bob")), state, "access_denied")

	for upstream, code := range map[string]string{"access_denied": "access_denied", "temporarily_unavailable": "temporarily_unavailable", "invalid_client": "server_error", "<made up>": "server_error"} {
		page, _ = flowInHand(t, b, authorizeAt(base, req))
		u := callbackWith(t, b, page, base, url.Values{"error": {upstream}, "error_description": {"iss=https://evil.example&code=x"}})
		want("the provider's "+upstream, visit(u), state, code)
	}
	for _, c := range []struct{ name, value, code string }{
		{"response_type", "", "invalid_request"},
		{"response_type", "token", "unsupported_response_type"},
		{"response_type", "code token", "unsupported_response_type"},
		{"code_challenge", "", "invalid_request"},
		{"code_challenge", "short", "invalid_request"},
		{"code_challenge_method", "plain", "invalid_request"},
		{"code_challenge_method", "", "invalid_request"},
		{"scope", `openid "x"`, "invalid_scope"},
		{"resource", "https://other.example/mcp", "invalid_target"},
		{"prompt", "none", "interaction_required"},
	} {
		_, address := begin(c.name, c.value)
		want(c.name+"="+c.value, visit(b.parse(address)), state, c.code)
	}
}

// T10, fastmcp #4408: of a registered loopback address the port may differ,
// and nothing else; of any other address nothing may.
func TestSecRedirectIsTheRegisteredOne(t *testing.T) {
	app := StartApp(t, AppOptions{})
	const loopback = "http://localhost/cb?x=1"
	for kind, of := range clientOf {
		t.Run(kind, func(t *testing.T) {
			client := of(t, app, loopback)
			for _, uri := range []string{"http://localhost:1/cb?x=1", "http://localhost:65535/cb?x=1", loopback} {
				flowInHand(t, NewBrowser(t), app.NewAuthRequest(Client{ID: client.ID, RedirectURI: uri}).URL(app))
			}
			bad := []string{"https://evil/cb?x=1", evilURI, "https://localhost/cb?x=1"}
			if kind != "known in advance" { // whose list has all of loopback
				bad = append(bad, "http://127.0.0.1/cb?x=1", "http://[::1]/cb?x=1", "http://localhost/cb", "http://localhost/cb?x=2", "http://localhost/cb?x=1&y=2",
					"http://localhost/cb/?x=1", "http://localhost/CB?x=1", "http://localhost/%63b?x=1", "http://localhost//cb?x=1", "http://localhost/cb?x=%31", claudeURI, cursorURI)
			}
			for _, uri := range bad {
				wantNoWay(t, app, uri, app.NewAuthRequest(Client{ID: client.ID, RedirectURI: uri}).Values)
			}
			client = of(t, app, claudeURI)
			for _, uri := range []string{claudeURI + "/", claudeURI + "?", claudeURI + "?x=1", "https://claude.ai:443/api/mcp/auth_callback", "https://claude.ai:1/api/mcp/auth_callback",
				"https://CLAUDE.ai/api/mcp/auth_callback", "HTTPS://claude.ai/api/mcp/auth_callback", "http://claude.ai/api/mcp/auth_callback", "https://claude.ai./api/mcp/auth_callback",
				"https://claude.ai/api/mcp//auth_callback", "https://claude.ai/api/mcp/auth_callbac%6b", "https://evil.claude.ai/api/mcp/auth_callback", "https://claude.ai.evil.com/api/mcp/auth_callback"} {
				wantNoWay(t, app, uri, app.NewAuthRequest(Client{ID: client.ID, RedirectURI: uri}).Values)
			}
		})
	}
}

// T12, fastmcp #3066: the owner's list holds for what was registered before
// it, for what a document says, and for what is left out of a request.
func TestSecRedirectList(t *testing.T) {
	const only = "https://only.example/cb"
	app := StartApp(t, AppOptions{})
	before := app.Register(t, clientURI)
	app.Stop()
	app.config.Clients.RedirectURIs = []string{only}
	app.Start()

	left := func(id string) url.Values {
		return with(app.NewAuthRequest(Client{ID: id}).Values, []string{"redirect_uri", ""})
	}
	for _, uri := range []string{clientURI, claudeURI, "http://localhost/cb", evilURI, only + "/", strings.ToUpper(only)} {
		app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{only, uri}}).want(t, http.StatusBadRequest, "invalid_redirect_uri")
		wantNoWay(t, app, uri, app.NewAuthRequest(Client{ID: before.ID, RedirectURI: uri}).Values)
		wantNoWay(t, app, uri, app.NewAuthRequest(Client{ID: "drawbridge-demo", RedirectURI: uri}).Values)
		document := ServeMetadata(t, uri)
		wantNoWay(t, app, "document "+uri, app.NewAuthRequest(document.Client()).Values)
		wantNoWay(t, app, "document's only one "+uri, left(document.ID))
	}
	wantNoWay(t, app, "left out by a client registered before", left(before.ID))
	both := ServeMetadata(t, only, clientURI)
	wantNoWay(t, app, "left out of two", left(both.ID))
	wantNoWay(t, app, "not in the document", app.NewAuthRequest(Client{ID: ServeMetadata(t, clientURI).ID, RedirectURI: only}).Values)
	wantNoWay(t, app, "not registered", app.NewAuthRequest(Client{ID: before.ID, RedirectURI: only}).Values)
	flowInHand(t, NewBrowser(t), app.NewAuthRequest(both.Client()).URL(app))
	flowInHand(t, NewBrowser(t), app.URL+"/authorize?"+left(app.Register(t, only).ID).Encode())

	none := StartApp(t, AppOptions{Config: func(c *config.Config) { c.Clients.RedirectURIs = []string{} }})
	for _, uri := range []string{clientURI, claudeURI} {
		none.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{uri}}).want(t, http.StatusBadRequest, "invalid_redirect_uri")
		wantNoWay(t, none, uri, none.NewAuthRequest(Client{ID: "drawbridge-demo", RedirectURI: uri}).Values)
		wantNoWay(t, none, uri, none.NewAuthRequest(ServeMetadata(t, uri).Client()).Values)
	}
	wantNoWay(t, none, "left out", with(none.NewAuthRequest(Client{ID: "drawbridge-demo"}).Values, []string{"redirect_uri", ""}))
}

// T12: with registration switched off a client id from before it opens nothing
// unless somebody had signed in with it.
func TestSecRegistrationOff(t *testing.T) {
	app := StartApp(t, AppOptions{})
	unused, used := app.Register(t, "http://localhost:8888/other"), app.Register(t, clientURI)
	app.SignIn(t, NewBrowser(t), used, "alice")
	app.Stop()
	app.config.Clients.Registration = false
	app.Start()
	app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{clientURI}}).want(t, http.StatusForbidden, "access_denied")
	wantNoWay(t, app, "never used", app.NewAuthRequest(unused).Values)
	flowInHand(t, NewBrowser(t), app.NewAuthRequest(used).URL(app))
	flowInHand(t, NewBrowser(t), app.NewAuthRequest(ServeMetadata(t, clientURI).Client()).URL(app))
	// An id that somebody else's key signed, or that was changed.
	for _, id := range []string{used.ID + "A", used.ID[:len(used.ID)-1], strings.ToLower(used.ID), used.ID[:4], StartApp(t, AppOptions{}).Register(t, clientURI).ID, " " + used.ID, used.ID + "\n", used.ID + "="} {
		wantNoWay(t, app, "a changed id", app.NewAuthRequest(Client{ID: id, RedirectURI: clientURI}).Values)
	}
}
