package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

// policyOf parses a Content-Security-Policy into directives.
func policyOf(p *Page) map[string][]string {
	policy := map[string][]string{}
	for d := range strings.SplitSeq(p.Header.Get("Content-Security-Policy"), ";") {
		if words := strings.Fields(d); len(words) > 0 {
			policy[words[0]] = words[1:]
		}
	}
	return policy
}

// wantPageHeaders checks what every HTML page of ours carries (T43).
func wantPageHeaders(t testing.TB, p *Page) {
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
	provider := watchProvider(t, "")
	app := StartApp(t, AppOptions{Issuer: provider.Issuer})
	client := app.Register(t, clientURI)
	b := NewBrowser(t)
	open := func(change ...string) *Page {
		req := app.NewAuthRequest(client)
		with(req.Values, change)
		return b.Open(req.URL(app))
	}
	consent := open()
	other := NewBrowser(t)
	flowInHand(t, other, app.NewAuthRequest(client).URL(app))
	huge := url.Values{"client_id": {strings.Repeat("x", 70<<10)}}
	for _, c := range []struct {
		name   string
		page   *Page
		status int
	}{
		{"home", b.Open(app.URL + "/"), 200},
		{"consent", consent, 200},
		{"client unknown", open("client_id", "nobody"), 400},
		{"client missing", open("client_id", ""), 400},
		{"redirect URI not registered", open("redirect_uri", evilURI), 400},
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
			c.page.wantStatus(t, c.status)
			wantPageHeaders(t, c.page)
		})
	}
	provider.Down(true)
	b.Open(callbackWith(t, b, open(), app.URL, url.Values{"code": {"x"}}).String()).wantStatus(t, http.StatusBadGateway)
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
	provider := watchProvider(t, "")
	app := StartApp(t, AppOptions{Issuer: provider.Issuer})
	for _, uri := range []string{clientURI, "http://127.0.0.1:3000/cb", "http://[::1]:3000/cb", "http://localhost/cb", "http://[::1]/cb", claudeURI, cursorURI} {
		t.Run(uri, func(t *testing.T) {
			b := NewBrowser(t)
			page, _ := flowInHand(t, b, app.NewAuthRequest(app.Register(t, uri)).URL(app))
			sources := policyOf(page)["form-action"]
			for _, target := range []string{app.URL + "/consent", provider.Issuer + "/authorize", app.URL + "/auth/callback", uri, "https://login.example/mfa"} {
				if !allows(sources, page.URL, b.parse(target)) {
					t.Errorf("form-action %q stops the way to %s", sources, target)
				}
			}
			for _, target := range []string{"http://evil.example:81/", "javascript:alert(1)", "data:text/html,x", "vscode://x/y"} {
				if allows(sources, page.URL, b.parse(target)) {
					t.Errorf("form-action %q lets through %s", sources, target)
				}
			}
		})
	}
}

// skeleton is a page without its words: elements and the names of attributes.
func skeleton(t testing.TB, p *Page) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString(" " + n.Data)
		for _, a := range n.Attr {
			b.WriteString("." + a.Key)
		}
	}
	return b.String()
}

// hostileTexts are what strangers put where a name belongs.
var hostileTexts = []string{
	`</bdi></h1></title><script>alert(1)</script><img src=x onerror=alert(1)>`,
	`"><input name=csrf value=x><button name=action value=approve formaction=https://evil.example>`,
	`' onfocus='alert(1)' autofocus x='`,
	"Claude\u202Egnp.exe\u2066\u200B\u200F",
	"one\r\nSet-Cookie: drawbridge=x\r\n\r\n<script>two</script>\x00\x1b[31m",
	`{{.CSRF}}<!-- --><style>*{display:none}</style>`,
	`&lt;script&gt;&#x3c;script&#x3e;`,
}

// T20, fastmcp #3418: HTML, quotes and disguises in everything that strangers
// choose. They change words, never elements or headers.
func TestSecHostileText(t *testing.T) {
	app := StartApp(t, AppOptions{})
	consentOf := func(id string, change ...string) (*Browser, *Page) {
		b := NewBrowser(t)
		req := app.NewAuthRequest(Client{ID: id, RedirectURI: clientURI})
		with(req.Values, change)
		return b, b.Open(req.URL(app))
	}
	named := func(name string) string {
		reply := app.PostJSON(t, "/register", map[string]any{"client_name": name, "redirect_uris": []string{clientURI},
			"logo_uri": name, "client_uri": name, "tos_uri": name, "contacts": []string{name}, "software_id": name, "scope": name})
		if reply.Status != http.StatusCreated || reply.Header.Get("Content-Type") != "application/json" || reply.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("a name of %q was answered %d, %q", name, reply.Status, reply.Header.Get("Content-Type"))
		}
		var c struct {
			ID string `json:"client_id"`
		}
		reply.JSON(t, &c)
		return c.ID
	}
	check := func(t *testing.T, what string, page, harmless *Page) {
		t.Helper()
		if page.Status != harmless.Status || skeleton(t, page) != skeleton(t, harmless) {
			t.Errorf("%s changes the page (%d):\n%s", what, page.Status, clip(page.Body))
		}
		if strings.ContainsFunc(page.Body, func(r rune) bool { return unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\n' }) {
			t.Errorf("%s reaches the page in disguise", what)
		}
		if strings.HasPrefix(page.Header.Get("Set-Cookie"), "drawbridge=x;") || len(page.Header.Values("Set-Cookie")) > 1 {
			t.Errorf("%s set a cookie", what)
		}
		wantPageHeaders(t, page)
	}
	harmlessID := named("Claude")
	_, consent := consentOf(harmlessID)
	_, unknown := consentOf("nobody")
	b := NewBrowser(t)
	refused := b.Open(app.URL + "/auth/callback?error=access_denied&state=x")
	for _, text := range hostileTexts {
		_, page := consentOf(named(text))
		check(t, "client_name", page, consent)
		document := ServeMetadata(t, clientURI)
		_, plain := consentOf(document.ID)
		document.Answer(http.StatusOK, "Cache-Control", "no-store")
		shown := ServeMetadata(t, clientURI)
		shown.Set("client_name", text)
		shown.Set("client_uri", "javascript:"+text)
		shown.Set("logo_uri", text)
		_, page = consentOf(shown.ID)
		check(t, "client_name of a document", page, plain)
		_, page = consentOf(text)
		check(t, "client_id", page, unknown)
		_, page = consentOf(harmlessID, "state", text, "login_hint", text, "nonce", text, "display", text, "ui_locales", text, "prompt", text)
		check(t, "state and the rest", page, consent)
		_, page = consentOf(harmlessID, "redirect_uri", "http://localhost:7777/"+text)
		check(t, "redirect_uri", page, unknown)
		page = b.Open(app.URL + "/auth/callback?" + url.Values{"state": {text}, "error": {text}, "error_description": {text}, "error_uri": {text}}.Encode())
		check(t, "the provider's error for an unknown flow", page, refused)
	}
	for _, e := range app.Events(t) {
		if strings.ContainsFunc(e.Client+e.Reason+e.User, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("event %s keeps a disguise", e.Type)
		}
	}
}

// T20: what comes back to the client in an error is our words, one line of
// ASCII (RFC 6749 §4.1.2.1), and its state is unharmed.
func TestSecHostileTextInRedirects(t *testing.T) {
	app := StartApp(t, AppOptions{})
	client := app.Register(t, clientURI)
	b := NewBrowser(t)
	plainWords := func(t *testing.T, q url.Values, text string) {
		t.Helper()
		said := q.Get("error_description")
		if said == "" || strings.ContainsFunc(said, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
			t.Errorf("error_description %q", said)
		}
		if strings.Contains(said+q.Get("error"), text) || strings.Contains(said, "<") {
			t.Errorf("their words came back: %q %q", q.Get("error"), said)
		}
	}
	for _, text := range hostileTexts {
		req := app.NewAuthRequest(client)
		req.Values.Set("scope", "openid \""+text)
		req.Values.Set("state", text)
		p := b.hop(navigation{method: http.MethodGet, url: b.parse(req.URL(app))}, "none")
		q := wantAnswer(t, p, clientURI, app.URL, text)
		if q.Get("error") != "invalid_scope" {
			t.Errorf("scope %q gave error %q", text, q.Get("error"))
		}
		plainWords(t, q, text)

		req = app.NewAuthRequest(client)
		req.Values.Set("state", text)
		page, _ := flowInHand(t, b, req.URL(app))
		callback := callbackWith(t, b, page, app.URL, url.Values{"error": {text}, "error_description": {text}, "error_uri": {text}})
		p = b.hop(navigation{method: http.MethodGet, url: callback}, "cross-site")
		plainWords(t, wantAnswer(t, p, clientURI, app.URL, text), text)
	}
	for _, e := range app.Events(t, "signin.refused") {
		if strings.Contains(e.Reason, "<") || strings.ContainsFunc(e.Reason, unicode.IsControl) {
			t.Errorf("the history repeats the provider's text: %q", e.Reason)
		}
	}
}
