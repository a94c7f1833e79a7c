package security

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// skeleton is a page without its words: elements and the names of attributes.
func skeleton(t testing.TB, p *rig.Page) string {
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
	app := rig.StartApp(t, rig.AppOptions{})
	consentOf := func(id string, change ...string) (*rig.Browser, *rig.Page) {
		b := rig.NewBrowser(t)
		req := app.NewAuthRequest(rig.Client{ID: id, RedirectURI: rig.ClientURI})
		rig.With(req.Values, change)
		return b, b.Open(req.URL(app))
	}
	named := func(name string) string {
		reply := app.PostJSON(t, "/register", map[string]any{"client_name": name, "redirect_uris": []string{rig.ClientURI},
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
	check := func(t *testing.T, what string, page, harmless *rig.Page) {
		t.Helper()
		if page.Status != harmless.Status || skeleton(t, page) != skeleton(t, harmless) {
			t.Errorf("%s changes the page (%d):\n%s", what, page.Status, rig.Clip(page.Body))
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
	_, plain := consentOf(rig.ServeMetadata(t, rig.ClientURI).ID)
	b := rig.NewBrowser(t)
	refused := b.Open(app.URL + "/auth/callback?error=access_denied&state=x")
	for _, text := range hostileTexts {
		_, page := consentOf(named(text))
		check(t, "client_name", page, consent)
		shown := rig.ServeMetadata(t, rig.ClientURI)
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
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
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
		p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: b.Parse(req.URL(app))}, "none")
		q := wantAnswer(t, p, rig.ClientURI, app.URL, text)
		if q.Get("error") != "invalid_scope" {
			t.Errorf("scope %q gave error %q", text, q.Get("error"))
		}
		plainWords(t, q, text)

		req = app.NewAuthRequest(client)
		req.Values.Set("state", text)
		page, _ := flowInHand(t, b, req.URL(app))
		callback := callbackWith(t, b, page, app.URL, url.Values{"error": {text}, "error_description": {text}, "error_uri": {text}})
		p = b.Hop(rig.Navigation{Method: http.MethodGet, URL: callback}, "cross-site")
		plainWords(t, wantAnswer(t, p, rig.ClientURI, app.URL, text), text)
	}
	for _, e := range app.Events(t, "signin.refused") {
		if strings.Contains(e.Reason, "<") || strings.ContainsFunc(e.Reason, unicode.IsControl) {
			t.Errorf("the history repeats the provider's text: %q", e.Reason)
		}
	}
}
