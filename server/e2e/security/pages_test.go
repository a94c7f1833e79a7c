package security

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// policyOf parses a Content-Security-Policy into directives.
func policyOf(p *rig.Page) map[string][]string {
	policy := map[string][]string{}
	for d := range strings.SplitSeq(p.Header.Get("Content-Security-Policy"), ";") {
		if words := strings.Fields(d); len(words) > 0 {
			policy[words[0]] = words[1:]
		}
	}
	return policy
}

// wantPageHeaders checks what every HTML page of ours carries (T43).
func wantPageHeaders(t testing.TB, p *rig.Page) {
	t.Helper()
	policy := policyOf(p)
	for directive, want := range map[string]string{"default-src": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'"} {
		if got := strings.Join(policy[directive], " "); got != want {
			t.Errorf("%s is %q, want %q", directive, got, want)
		}
	}
	if len(policy["form-action"]) == 0 {
		t.Error("no form-action: default-src does not stand in for it")
	}
	for directive, sources := range policy {
		switch directive {
		case "default-src", "frame-ancestors", "base-uri", "form-action":
		case "style-src":
			if len(sources) != 1 || !strings.HasPrefix(sources[0], "'sha256-") {
				t.Errorf("style-src is %q", sources)
			}
		default:
			t.Errorf("directive %s", directive)
		}
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"X-Frame-Options": "DENY", "Content-Type": "text/html; charset=utf-8"} {
		if got := p.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(strings.ToLower(p.Body), "http-equiv") {
		t.Error("the page has a policy in a meta tag")
	}
}

// T43: every HTML page, the error pages too.
func TestSecPageHeaders(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	client := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
	open := func(change ...string) *rig.Page {
		req := app.NewAuthRequest(client)
		rig.With(req.Values, change)
		return b.Open(req.URL(app))
	}
	consent := open()
	other := rig.NewBrowser(t)
	flowInHand(t, other, app.NewAuthRequest(client).URL(app))
	huge := url.Values{"client_id": {strings.Repeat("x", 70<<10)}}
	for _, c := range []struct {
		name   string
		page   *rig.Page
		status int
	}{
		{"home", b.Open(app.URL + "/"), 200},
		{"consent", consent, 200},
		{"client unknown", open("client_id", "nobody"), 400},
		{"client missing", open("client_id", ""), 400},
		{"redirect URI not registered", open("redirect_uri", rig.EvilURI), 400},
		{"doubled parameter", b.Open(app.NewAuthRequest(client).URL(app) + "&client_id=x"), 400},
		{"malformed query", b.Open(app.URL + "/authorize?%zz"), 400},
		{"malformed query with a semicolon", b.Open(app.URL + "/authorize?a;b"), 400},
		{"body too large", b.Post(consent, "/authorize", huge, ""), 413},
		{"flow unknown", b.Open(app.URL + "/consent?flow=x"), 400},
		{"flow of another browser", other.Open(consent.URL.String()), 403},
		{"answer without a form", b.Post(consent, "/consent", url.Values{}, ""), 400},
		{"answer to another's form", other.Post(consent, "/consent", cloned(consent.Forms()[0].Values), ""), 400},
		{"callback with nothing", b.Open(app.URL + "/auth/callback"), 400},
		{"callback of an unknown flow", b.Open(app.URL + "/auth/callback?code=x&state=y"), 400},
		{"provider's error for an unknown flow", b.Open(app.URL + "/auth/callback?error=x&state=y"), 400},
		{"provider's answer from another issuer", b.Open(callbackWith(t, b, consent, app.URL, url.Values{"code": {"x"}, "iss": {"https://evil.example"}}).String()), 502},
		{"provider's code refused", b.Open(callbackWith(t, b, open(), app.URL, url.Values{"code": {"x"}}).String()), 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.page.WantStatus(t, c.status)
			wantPageHeaders(t, c.page)
		})
	}
	provider.Down(true)
	b.Open(callbackWith(t, b, open(), app.URL, url.Values{"code": {"x"}}).String()).WantStatus(t, http.StatusBadGateway)
}

// allows reports whether a form-action lets the browser go to target (CSP
// Level 3 §6.7.2.8), from a page at self. A host that is an IPv6 address has
// no place in its grammar, so Chrome ignores such a source.
func allows(sources []string, self, target *url.URL) bool {
	return slices.ContainsFunc(sources, func(source string) bool {
		if source == "'self'" {
			return target.Scheme == self.Scheme && target.Host == self.Host
		}
		if scheme, ok := strings.CutSuffix(source, ":"); ok {
			return scheme == target.Scheme
		}
		scheme, host, ok := strings.Cut(source, "://")
		if !ok || scheme != target.Scheme || strings.ContainsAny(host, "[]") {
			return false
		}
		if port, ok := strings.CutPrefix(host, "*"); ok {
			return strings.TrimPrefix(port, ":") == target.Port()
		}
		return host == target.Host
	})
}

// T43: browsers hold the whole chain of redirects that a form starts against
// form-action, so it must name the provider and the client, and no stranger.
func TestSecFormActionAllowsTheChain(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	for _, uri := range []string{rig.ClientURI, "http://127.0.0.1:3000/cb", "http://[::1]:3000/cb", "http://localhost/cb", "http://[::1]/cb", rig.ClaudeURI, rig.CursorURI} {
		t.Run(uri, func(t *testing.T) {
			b := rig.NewBrowser(t)
			page, _ := flowInHand(t, b, app.NewAuthRequest(app.Register(t, uri)).URL(app))
			sources := policyOf(page)["form-action"]
			for _, target := range []string{app.URL + "/consent", provider.Issuer + "/authorize", app.URL + "/auth/callback", uri, "https://login.example/mfa"} {
				if !allows(sources, page.URL, b.Parse(target)) {
					t.Errorf("form-action %q stops the way to %s", sources, target)
				}
			}
			for _, target := range []string{"http://evil.example:81/", "javascript:alert(1)", "data:text/html,x", "vscode://x/y"} {
				if allows(sources, page.URL, b.Parse(target)) {
					t.Errorf("form-action %q lets through %s", sources, target)
				}
			}
		})
	}
}
