package security

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// T7, CVE-2025-69196: it handles a request for tokens of another server.
func TestSecOtherResource(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	for _, resource := range []string{
		"https://other.example/mcp", app.URL + "/MCP", app.URL + "/mcp/..", app.URL + "//mcp", app.URL + "/%6dcp",
		app.MCPURL + "#x", strings.Replace(app.MCPURL, "://", "://user@", 1), strings.Replace(app.MCPURL, "http:", "https:", 1),
		app.URL + "/s/files/mcp", "/mcp", "urn:x",
	} {
		t.Run(resource, func(t *testing.T) {
			req := app.NewAuthRequest(c)
			req.Values.Set("resource", resource)
			back := rig.NewBrowser(t).OpenUntil(req.URL(app), rig.ClientURI)
			if back.Status != 0 || back.Query("error") != "invalid_target" || back.Query("code") != "" {
				t.Errorf("/authorize answered %d, error %q", back.Status, back.Query("error"))
			}
		})
	}
	req := app.NewAuthRequest(c)
	req.Values.Add("resource", "https://other.example/mcp")
	if back := rig.NewBrowser(t).OpenUntil(req.URL(app), rig.ClientURI); back.Query("error") != "invalid_target" {
		t.Errorf("two resources: error %q", back.Query("error"))
	}
	// A wrong resource at /token costs an honest client neither code nor session.
	req = app.NewAuthRequest(c)
	code := app.Code(t, rig.NewBrowser(t), req, "alice")
	app.Redeem(t, req, code, "resource", "https://other.example/mcp").Want(t, http.StatusBadRequest, "invalid_target")
	tokens := app.MustTokens(t, app.Redeem(t, req, code))
	app.Refresh(t, c, tokens.Refresh, "resource", app.URL+"/s/files/mcp").Want(t, http.StatusBadRequest, "invalid_target")
	for _, same := range []string{app.URL, app.URL + "/", app.MCPURL + "/", strings.ToUpper(app.URL) + "/mcp", app.MCPURL + "?utm=1"} {
		tokens = app.MustTokens(t, app.Refresh(t, c, tokens.Refresh, "resource", same))
	}
	app.MustWorkWith(t, tokens.Access)
}

// T7: it handles a token of another server: of another data key, of the same
// key in another folder, and of this very folder under another URL.
func TestSecTokenOfAnotherServer(t *testing.T) {
	keys := keystore.Memory()
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{Keystore: keys})
	stranger := rig.StartApp(t, rig.AppOptions{})
	stranger.MustNotOpen(t, tokens.Access)
	stranger.Refresh(t, c, tokens.Refresh).Want(t, http.StatusUnauthorized, "invalid_client")
	twin := rig.StartApp(t, rig.AppOptions{Keystore: keys})
	twin.MustBeDead(t, c, tokens)
	app.MustWorkWith(t, tokens.Access)

	app.Stop()
	moved := rig.StartApp(t, rig.AppOptions{Keystore: keys, DataDir: app.Options.DataDir, Issuer: app.Demo.Issuer,
		Config: func(cfg *config.Config) { cfg.PublicURL = "https://bridge.example" }})
	local := *moved // reached at its own port, as through a proxy
	local.URL = moved.Status(t).LocalURL
	local.MCPURL = local.URL + "/mcp"
	local.MustNotOpen(t, tokens.Access)
}

// T8: it handles one kind of token in place of the other.
func TestSecKindsOfTokens(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.MustNotOpen(t, tokens.Refresh)
	app.Refresh(t, c, tokens.Access).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustNotOpen(t, "dba_"+strings.TrimPrefix(tokens.Refresh, "dbr_"))
	app.Refresh(t, c, "dbr_"+strings.TrimPrefix(tokens.Access, "dba_")).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustWorkWith(t, app.MustRefresh(t, c, tokens.Refresh).Access)
}

// It handles a token with any one character changed, cut, or spelled otherwise.
func TestSecForgedTokens(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	forged := []string{tokens.Access[:len(tokens.Access)-1], tokens.Access + "A", tokens.Access + "=", strings.ToUpper(tokens.Access),
		tokens.Access + "," + tokens.Access, tokens.Access[4:], strings.Repeat("a", 30_000), "dba_", "null", "undefined", "eyJhbGciOiJub25lIn0.e30."}
	for i := range tokens.Access {
		other := byte('A')
		if tokens.Access[i] == other {
			other = 'B'
		}
		forged = append(forged, tokens.Access[:i]+string(other)+tokens.Access[i+1:])
	}
	for _, f := range forged {
		if r := app.MCP(t, f).Initialize(); r.Status != http.StatusUnauthorized {
			t.Errorf("a forged token of %d characters gives %d", len(f), r.Status)
		}
	}
	app.Refresh(t, c, tokens.Refresh[:len(tokens.Refresh)-2]+"AA").Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustWorkWith(t, tokens.Access)
}

// T35: it handles 32 redemptions of one code at once: one succeeds, and since
// the others look like theft (T39), what it got is revoked.
func TestSecParallelRedemption(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
	code := app.Code(t, rig.NewBrowser(t), req, "alice")
	replies := make([]*rig.Reply, 32)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() {
			_ = rig.Softly(t, func(t testing.TB) { replies[i] = app.Redeem(t, req, code) })
		})
	}
	wg.Wait()
	var won []rig.Tokens
	for _, r := range replies {
		switch {
		case r == nil:
			t.Fatal("a request failed")
		case r.Status == http.StatusOK:
			won = append(won, app.MustTokens(t, r))
		default:
			r.Want(t, http.StatusBadRequest, "invalid_grant")
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d redemptions succeeded, want 1", len(won))
	}
	app.MustBeDead(t, req.Client, won[0])
}

// T39, RFC 6749 §4.1.2: it handles a code that is presented again.
func TestSecCodeReplay(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	req := app.NewAuthRequest(app.Register(t, rig.ClientURI))
	code := app.Code(t, rig.NewBrowser(t), req, "alice")
	tokens := app.MustTokens(t, app.Redeem(t, req, code))
	app.MustWorkWith(t, tokens.Access)
	app.Redeem(t, req, code).Want(t, http.StatusBadRequest, "invalid_grant")
	app.MustBeDead(t, req.Client, tokens)
	if app.CountEvents(t, "token.reused") != 1 {
		t.Error("no token.reused event")
	}
	rig.WaitFor(t, "the provider's token to be revoked", func() bool { return app.Demo.Provider.Grants("alice") == 0 })
}

// It handles a stolen code without what belongs to it: another client's, with
// another flow's verifier, redirect URI or none. Each try burns the code.
func TestSecStolenCode(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	c, thief := app.Register(t, rig.ClientURI), app.Register(t, "http://localhost:6666/callback")
	other := app.NewAuthRequest(c)
	for _, theft := range []struct {
		name   string
		status int
		code   string
		change []string
	}{
		{"another client", 400, "invalid_grant", []string{"client_id", thief.ID}},
		{"another flow's verifier", 400, "invalid_grant", []string{"code_verifier", other.Verifier}},
		{"another redirect URI", 400, "invalid_grant", []string{"redirect_uri", thief.RedirectURI}},
		{"the challenge as verifier", 400, "invalid_grant", []string{"code_verifier", other.Values.Get("code_challenge")}},
		{"no verifier", 400, "invalid_request", []string{"code_verifier", ""}},
		{"no client", 401, "invalid_client", []string{"client_id", ""}},
	} {
		t.Run(theft.name, func(t *testing.T) {
			req := app.NewAuthRequest(c)
			code := app.Code(t, rig.NewBrowser(t), req, "alice")
			app.Redeem(t, req, code, theft.change...).Want(t, theft.status, theft.code)
			if theft.code == "invalid_grant" {
				app.Redeem(t, req, code).Want(t, http.StatusBadRequest, "invalid_grant")
			}
		})
	}
	// The flow whose verifier was abused is none the worse for it.
	app.MustWorkWith(t, app.MustTokens(t, app.Redeem(t, other, app.Code(t, rig.NewBrowser(t), other, "bob"))).Access)
}

// T31, fastmcp #5120: it handles a client that gives its tokens back: the grant
// dies, there and at the provider. Another client can't do that.
func TestSecRevokeEndsGrant(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	c, other := app.Register(t, rig.ClientURI), app.Register(t, "http://localhost:6666/callback")
	for name, pick := range map[string]func(rig.Tokens) string{
		"refresh token": func(tokens rig.Tokens) string { return tokens.Refresh },
		"access token":  func(tokens rig.Tokens) string { return tokens.Access },
	} {
		t.Run(name, func(t *testing.T) {
			tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
			second := app.SignIn(t, rig.NewBrowser(t), c, "bob")
			for _, harmless := range []*rig.Reply{app.Revoke(t, other, pick(tokens)), app.Revoke(t, c, "dbr_unknown")} {
				if harmless.Status != http.StatusOK || harmless.Body != "" { // RFC 7009 §2.2
					t.Errorf("answered %d %s", harmless.Status, harmless.Body)
				}
			}
			app.MustWorkWith(t, tokens.Access)
			if r := app.Revoke(t, c, pick(tokens)); r.Status != http.StatusOK {
				t.Fatalf("answered %d", r.Status)
			}
			app.MustBeDead(t, c, tokens)
			app.MustWorkWith(t, second.Access)
			rig.WaitFor(t, "the provider's token to be revoked", func() bool { return app.Demo.Provider.Grants("alice") == 0 })
			app.Revoke(t, c, second.Refresh)
		})
	}
}

// T28, T35b, fastmcp #4402: it handles the transport session of another person,
// and of another client of the same one. Another grant of the same person and
// client may use it: a client that signs in again goes on where it was.
func TestSecForeignTransportSession(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	mine := app.MCP(t, tokens.Access)
	stream := mine.Stream()
	other := app.Register(t, "http://localhost:6666/callback")
	for name, token := range map[string]string{
		"another person":                 app.SignIn(t, rig.NewBrowser(t), c, "bob").Access,
		"another client of the person's": app.SignIn(t, rig.NewBrowser(t), other, "alice").Access,
	} {
		thief := app.MCP(t, token)
		thief.Initialize()
		thief.Session = mine.Session
		if r := thief.TryTool("echo", map[string]any{"message": "x"}); r.Status != http.StatusNotFound {
			t.Errorf("%s: POST answered %d", name, r.Status)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			resp, err := rig.PlainHTTP.Do(thief.Request(method, nil))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s answered %d", name, method, resp.StatusCode)
			}
		}
	}
	again := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), c, "alice").Access)
	again.Session = mine.Session
	again.CallTool("echo", map[string]any{"message": "signed in again"})
	// A session id alone opens nothing, and the session outlives all this.
	anonymous := &rig.MCP{T: t, URL: app.MCPURL, Session: mine.Session}
	if r := anonymous.TryTool("echo", map[string]any{"message": "x"}); r.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", r.Status)
	}
	mine.Token = app.MustRefresh(t, c, tokens.Refresh).Access
	mine.CallTool("echo", map[string]any{"message": "still here"})
	select {
	case <-stream:
		t.Error("the stream ended")
	default:
	}
}

// It handles a refresh by another client, and for more than was granted.
func TestSecRefreshOfAnotherClient(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	thief := app.Register(t, "http://localhost:6666/callback")
	app.Refresh(t, thief, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	app.Refresh(t, c, tokens.Refresh, "client_id", "").Want(t, http.StatusUnauthorized, "invalid_client")
	app.Refresh(t, c, tokens.Refresh, "scope", "openid admin").Want(t, http.StatusBadRequest, "invalid_scope")
	app.Refresh(t, c, tokens.Refresh, "scope", "openid offline_access").Want(t, http.StatusBadRequest, "invalid_scope")
	got := app.MustTokens(t, app.Refresh(t, c, tokens.Refresh, "scope", "openid"))
	if scopes := strings.Fields(got.Scope); !slices.Contains(scopes, "openid") || len(scopes) > 3 {
		t.Errorf("scope %q", got.Scope)
	}
	app.MustWorkWith(t, got.Access)
}
