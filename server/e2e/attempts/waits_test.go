package attempts

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// It waits for what a client or a person still may do, says for what, and in
// the end that it never came.
func TestTimelineNeverCame(t *testing.T) {
	for _, c := range []struct {
		name          string
		run           func(*testing.T, *rig.App, *rig.MovedClock)
		first, second string
		wait          time.Duration
		says          string
	}{
		{"a client that stops after looking around", func(t *testing.T, app *rig.App, _ *rig.MovedClock) {
			app.Do(t, "POST", "/mcp", nil)
			app.Get(t, "/.well-known/oauth-protected-resource/mcp")
			app.Get(t, "/.well-known/oauth-authorization-server")
		}, "discovery.awaited", "discovery.stopped", 3 * time.Minute, "did not go on"},
		{"a client that can't sign in", func(t *testing.T, app *rig.App, _ *rig.MovedClock) { app.Do(t, "POST", "/mcp", nil) },
			"discovery.awaited", "challenge.only", 3 * time.Minute, "supports OAuth"},
		{"a browser that never opens", func(t *testing.T, app *rig.App, _ *rig.MovedClock) { app.Register(t, rig.ClientURI) },
			"browser.awaited", "browser.never", 6 * time.Minute, "nobody opened"},
		{"a consent page that is left open", func(t *testing.T, app *rig.App, _ *rig.MovedClock) {
			rig.NewBrowser(t).Open(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app))
		}, "consent.awaited", "consent.never", 11 * time.Minute, "never answered"},
		{"a code that is never redeemed", func(t *testing.T, app *rig.App, _ *rig.MovedClock) { withCode(t, app) },
			"code.awaited", "code.never", 2 * time.Minute, "alice@example.com signed in, but Test client never came back"},
		{"a token that is never used", func(t *testing.T, app *rig.App, _ *rig.MovedClock) { signedIn(t, app) },
			"call.awaited", "call.never", 2 * time.Minute, "Test client got its token but never called /mcp."},
		{"a token that is never renewed", func(t *testing.T, app *rig.App, clock *rig.MovedClock) {
			_, tokens := signedIn(t, app)
			app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
			app.MustConclude(t, "connected", "ok", "")
			clock.Advance(31 * time.Minute)
			app.MCP(t, tokens.Access).Initialize()
		}, "call.expired", "call.stale", 3 * time.Minute, "does not renew it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := &rig.MovedClock{}
			app := rig.StartApp(t, rig.AppOptions{Now: clock.Now})
			c.run(t, app, clock)
			app.MustConclude(t, c.first, "", "")
			clock.Advance(c.wait)
			app.MustConclude(t, c.second, "error", c.says)
		})
	}
}

// A provider that does not know our redirect URI shows a page of its own, and
// nobody ever comes back.
func TestTimelineStuckAtProvider(t *testing.T) {
	clock := &rig.MovedClock{}
	okta := rig.StartOkta(t, "custom")
	app := rig.StartApp(t, rig.AppOptions{Okta: okta, Now: clock.Now})
	okta.AllowRedirect("https://elsewhere.example/auth/callback")
	b := rig.NewBrowser(t)
	p := b.Walk(b.OpenUntil(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI), "alice", rig.ClientURI)
	if p.Status != http.StatusBadRequest || strings.HasPrefix(p.URL.String(), app.URL) {
		t.Fatalf("ended at %s with %d", rig.WithoutQuery(p.URL), p.Status)
	}
	app.MustConclude(t, "provider.awaited", "", "at the provider")
	clock.Advance(2 * time.Minute)
	app.MustConclude(t, "provider.stuck", "", "add "+app.URL+"/auth/callback to the app's redirect URIs")
	clock.Advance(10 * time.Minute)
	app.MustConclude(t, "provider.never", "error", "never came back")
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
		spoil  func(*rig.Spy)
		key    string
		reason string
	}{
		{"a wrong client secret", func(s *rig.Spy) { s.Answer("/token", answer(401, "invalid_client")) }, "provider.wrong", "client secret"},
		{"an outage", func(s *rig.Spy) { s.Answer("/token", answer(503, "x")) }, "provider.away", "problem of its own"},
		{"a clock that is wrong", func(s *rig.Spy) {
			s.Spoil(func(c map[string]any) {
				c["iat"], c["exp"] = time.Now().Add(2*time.Hour).Unix(), time.Now().Add(3*time.Hour).Unix()
			})
		}, "provider.clock", "clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			idp := rig.NewSpy(t)
			app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
			c.spoil(idp)
			app.TrySignIn(t, app.Register(t, rig.ClientURI))
			app.MustConclude(t, c.key, "error", c.reason)
		})
	}
}

// A real client with the wrong address.
func TestTimelineRealClientWrongPath(t *testing.T) {
	for path, key := range map[string]string{"/sse": "path.sse", "/mcp/mcp": "path.near", "": "path.root"} {
		t.Run(key, func(t *testing.T) {
			app := rig.StartApp(t, rig.AppOptions{})
			arg, _ := json.Marshal(map[string]string{"url": app.URL + path, "redirectURI": rig.ClientURI, "name": "Scripted client"})
			script := rig.StartScript(t, nil, "clients/sdk-v1.mjs", string(arg))
			app.MustConclude(t, key, "error", app.MCPURL)
			_, _ = script.Wait()
		})
	}
}
