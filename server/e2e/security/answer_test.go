package security

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// oddRedirects are redirect URIs that a careless answer would rewrite.
var oddRedirects = []string{
	rig.ClientURI,
	"http://localhost:7777/callback?a=%20b&c",
	"http://localhost:7777/callback?",
	"http://localhost:7777/callback?x=1&",
	"http://localhost:7777/callback?q=a+b&q=%2B&Code=1&=&z=%E2%9C%93",
	"http://localhost:7777/%7Euser/cb%2Fx/;p=1//two",
	"http://localhost:7777",
	"http://localhost:7777/?next=https://a.example/?b=c",
	"http://[::1]:7777/callback",
	rig.ClaudeURI,
	rig.CursorURI,
}

// T17, fastmcp #4438: every answer, good or bad, names us exactly once and
// leaves the redirect URI's own bytes alone.
func TestSecAnswersKeepTheRedirectURI(t *testing.T) {
	for _, uri := range oddRedirects {
		t.Run(uri, func(t *testing.T) {
			app := rig.StartApp(t, rig.AppOptions{Groups: []string{"admins"}})
			public, _ := startPublicApp(t, rig.AppOptions{Groups: []string{"admins"}})
			for kind, of := range clientOf {
				t.Run(kind, func(t *testing.T) { answersOf(t, app, app.URL, rig.NewBrowser(t), of(t, app, uri)) })
				t.Run(kind+", https", func(t *testing.T) { answersOf(t, public, publicURL, newPublicBrowser(t, public), of(t, public, uri)) })
			}
		})
	}
}

// answersOf brings about every kind of answer to client and checks it.
func answersOf(t *testing.T, app *rig.App, base string, b *rig.Browser, client rig.Client) {
	const state = "a b+c&d=e%20é"
	visit := func(u *url.URL) *rig.Page { return b.Hop(rig.Navigation{Method: http.MethodGet, URL: u}, "cross-site") }
	begin := func(change ...string) (*rig.AuthRequest, string) {
		req := app.NewAuthRequest(client)
		req.Values.Set("state", state)
		rig.With(req.Values, change)
		return req, authorizeAt(base, req)
	}
	want := func(what string, p *rig.Page, state, code string) url.Values {
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
	app.MustTokens(t, app.Redeem(t, req, q.Get("code")))

	_, address = begin("state", "")
	page, _ = flowInHand(t, b, address)
	want("success without state", visit(providerAnswer(t, b, page, base, "alice")), "", "")

	page, form := flowInHand(t, b, authorizeAt(base, req))
	form.Values.Set("action", "deny")
	want("denial", b.Hop(rig.Navigation{Method: http.MethodPost, URL: b.Parse(base + "/consent"), Form: form.Values, From: page}, "same-origin"), state, "access_denied")

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
		want(c.name+"="+c.value, visit(b.Parse(address)), state, c.code)
	}
}

// T10, fastmcp #4408: of a registered loopback address the port may differ,
// and nothing else; of any other address nothing may.
func TestSecRedirectIsTheRegisteredOne(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	const loopback = "http://localhost/cb?x=1"
	for kind, of := range clientOf {
		t.Run(kind, func(t *testing.T) {
			client := of(t, app, loopback)
			for _, uri := range []string{"http://localhost:1/cb?x=1", "http://localhost:65535/cb?x=1", loopback} {
				flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(rig.Client{ID: client.ID, RedirectURI: uri}).URL(app))
			}
			bad := []string{"https://evil/cb?x=1", rig.EvilURI, "https://localhost/cb?x=1"}
			if kind != "known in advance" { // whose list has all of loopback
				bad = append(bad, "http://127.0.0.1/cb?x=1", "http://[::1]/cb?x=1", "http://localhost/cb", "http://localhost/cb?x=2", "http://localhost/cb?x=1&y=2",
					"http://localhost/cb/?x=1", "http://localhost/CB?x=1", "http://localhost/%63b?x=1", "http://localhost//cb?x=1", "http://localhost/cb?x=%31", rig.ClaudeURI, rig.CursorURI)
			}
			for _, uri := range bad {
				wantNoWay(t, app, uri, app.NewAuthRequest(rig.Client{ID: client.ID, RedirectURI: uri}).Values)
			}
			client = of(t, app, rig.ClaudeURI)
			for _, uri := range []string{rig.ClaudeURI + "/", rig.ClaudeURI + "?", rig.ClaudeURI + "?x=1", "https://claude.ai:443/api/mcp/auth_callback", "https://claude.ai:1/api/mcp/auth_callback",
				"https://CLAUDE.ai/api/mcp/auth_callback", "HTTPS://claude.ai/api/mcp/auth_callback", "http://claude.ai/api/mcp/auth_callback", "https://claude.ai./api/mcp/auth_callback",
				"https://claude.ai/api/mcp//auth_callback", "https://claude.ai/api/mcp/auth_callbac%6b", "https://evil.claude.ai/api/mcp/auth_callback", "https://claude.ai.evil.com/api/mcp/auth_callback"} {
				wantNoWay(t, app, uri, app.NewAuthRequest(rig.Client{ID: client.ID, RedirectURI: uri}).Values)
			}
		})
	}
}

// T12, fastmcp #3066: the owner's list holds for what was registered before
// it, for what a document says, and for what is left out of a request.
func TestSecRedirectList(t *testing.T) {
	const only = "https://only.example/cb"
	app := rig.StartApp(t, rig.AppOptions{})
	before := app.Register(t, rig.ClientURI)
	app.Stop()
	app.Config.Clients.RedirectURIs = []string{only}
	app.Start()

	left := func(id string) url.Values {
		return rig.With(app.NewAuthRequest(rig.Client{ID: id}).Values, []string{"redirect_uri", ""})
	}
	for _, uri := range []string{rig.ClientURI, rig.ClaudeURI, "http://localhost/cb", rig.EvilURI, only + "/", strings.ToUpper(only)} {
		app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{uri}}).Want(t, http.StatusBadRequest, "invalid_redirect_uri")
		some := app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{uri, only}}) // RFC 7591 §3.2.1
		var registered struct {
			ID           string   `json:"client_id"`
			RedirectURIs []string `json:"redirect_uris"`
		}
		if err := json.Unmarshal([]byte(some.Body), &registered); err != nil || !slices.Equal(registered.RedirectURIs, []string{only}) {
			t.Errorf("registered with %s: %s", uri, some.Body)
		}
		wantNoWay(t, app, "left out of a registration: "+uri, app.NewAuthRequest(rig.Client{ID: registered.ID, RedirectURI: uri}).Values)
		wantNoWay(t, app, uri, app.NewAuthRequest(rig.Client{ID: before.ID, RedirectURI: uri}).Values)
		wantNoWay(t, app, uri, app.NewAuthRequest(rig.Client{ID: "drawbridge-demo", RedirectURI: uri}).Values)
		document := rig.ServeMetadata(t, uri)
		wantNoWay(t, app, "document "+uri, app.NewAuthRequest(document.Client()).Values)
		wantNoWay(t, app, "document's only one "+uri, left(document.ID))
	}
	wantNoWay(t, app, "left out by a client registered before", left(before.ID))
	both := rig.ServeMetadata(t, only, rig.ClientURI)
	wantNoWay(t, app, "left out of two", left(both.ID))
	wantNoWay(t, app, "not in the document", app.NewAuthRequest(rig.Client{ID: rig.ServeMetadata(t, rig.ClientURI).ID, RedirectURI: only}).Values)
	wantNoWay(t, app, "not registered", app.NewAuthRequest(rig.Client{ID: before.ID, RedirectURI: only}).Values)
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(both.Client()).URL(app))
	flowInHand(t, rig.NewBrowser(t), app.URL+"/authorize?"+left(app.Register(t, only).ID).Encode())

	none := rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) { c.Clients.RedirectURIs = []string{} }})
	for _, uri := range []string{rig.ClientURI, rig.ClaudeURI} {
		none.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{uri}}).Want(t, http.StatusBadRequest, "invalid_redirect_uri")
		wantNoWay(t, none, uri, none.NewAuthRequest(rig.Client{ID: "drawbridge-demo", RedirectURI: uri}).Values)
		wantNoWay(t, none, uri, none.NewAuthRequest(rig.ServeMetadata(t, uri).Client()).Values)
	}
	wantNoWay(t, none, "left out", rig.With(none.NewAuthRequest(rig.Client{ID: "drawbridge-demo"}).Values, []string{"redirect_uri", ""}))
}

// T12: with registration switched off a client id from before it opens nothing
// unless somebody had signed in with it.
func TestSecRegistrationOff(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	unused, used := app.Register(t, "http://localhost:8888/other"), app.Register(t, rig.ClientURI)
	app.SignIn(t, rig.NewBrowser(t), used, "alice")
	app.Stop()
	app.Config.Clients.Registration = false
	app.Start()
	app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{rig.ClientURI}}).Want(t, http.StatusForbidden, "access_denied")
	wantNoWay(t, app, "never used", app.NewAuthRequest(unused).Values)
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(used).URL(app))
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(rig.ServeMetadata(t, rig.ClientURI).Client()).URL(app))
	// An id that somebody else's key signed, or that was changed.
	for _, id := range []string{used.ID + "A", used.ID[:len(used.ID)-1], strings.ToLower(used.ID), used.ID[:4], rig.StartApp(t, rig.AppOptions{}).Register(t, rig.ClientURI).ID, " " + used.ID, used.ID + "\n", used.ID + "="} {
		wantNoWay(t, app, "a changed id", app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI}).Values)
	}
}
