package security

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// badRedirects are redirect URIs that nobody may have, whatever was registered
// and whatever the owner's list says. PORT stands for our own port.
var badRedirects = map[string][]string{
	// T6, GHSA-8gcw-8ch3-fh9v: the place compared is not the place reached.
	"dot segments": {"http://localhost:7777/callback/../../steal", "http://localhost:7777/callback/%2e%2e/steal", "http://localhost:7777/callback/%2E./steal",
		"http://localhost:7777/callback/.%2e/steal", "http://localhost:7777/./callback", "http://localhost:7777/%2e/callback", "http://localhost:7777/callback/..",
		"http://localhost:7777/callback/%2e%2E", "http://localhost:7777/callback%2f..%2fsteal", "http://localhost:7777/callback/..;/steal",
		"http://localhost:7777/callback/..%5csteal", "http://localhost:7777/callback/..\\steal", "http://localhost:7777/callback\\..\\steal",
		"https://claude.ai/api/mcp/auth_callback/../../../steal", "cursor://anysphere.cursor-mcp/oauth/callback/.."},
	// T11, fastmcp #4419: what a browser would run or read.
	"schemes": {"javascript:alert(1)", "JavaScript:alert(1)", "javascript://localhost/%0aalert(1)", "JAVASCRIPT://localhost:7777/callback", " javascript:alert(1)",
		"java\tscript:alert(1)", "java\nscript:alert(1)", "\x01javascript:alert(1)", "javascript&colon;alert(1)", "data:text/html,<script>alert(1)</script>",
		"DATA:text/html;base64,PHN2Zz4=", "data://localhost/x", "vbscript:msgbox(1)", "VBScript://localhost/x", "file:///etc/passwd", "FILE://localhost/etc/passwd",
		"blob:http://localhost:7777/x", "filesystem:http://localhost:7777/x", "view-source:http://localhost:7777/callback", "about:blank", "ws://localhost:7777/callback",
		"feed:javascript:alert(1)", "jar:http://localhost:7777/x", "intent://localhost/#Intent;end"},
	// T19, SEP-837: what looks like this computer and is not.
	"false loopback": {"http://localhost.evil.com/callback", "http://127.0.0.1.evil.com/callback", "http://localhost./callback", "http://127.0.0.1./callback",
		"http://localhost@evil.com/callback", "http://localhost:7777@evil.com/callback", "http://localhost:7777%40evil.com/callback", "http://user@localhost:7777/callback", "http://:@localhost:7777/callback",
		"http://localhost:7777/callback#x", "http://localhost:7777/callback#", "http://localhost%2eevil.com/callback", "http://localhost%00.evil.com/callback",
		"http://evil.com\\@localhost:7777/callback", "http://localhost\\.evil.com/callback", "http://evil.com?@localhost:7777/callback", "http://127.1/callback",
		"http://2130706433/callback", "http://0x7f000001/callback", "http://0177.0.0.1/callback", "http://127.0.0.2/callback", "http://0.0.0.0/callback",
		"http://[::ffff:127.0.0.1]/callback", "http://[::1%25eth0]/callback", "http://[::]/callback", "http://LOCALHOST:7777/callback", "http://loc%61lhost:7777/callback",
		"http://lоcalhost:7777/callback", "http://localhost:/callback", "http://localhost:7777:80/callback", "http://localhost:-1/callback", "http://localhost:99999/callback", "http://localhost:65536/callback", "http:localhost:7777/callback", "http:/localhost:7777/callback",
		"http:///localhost:7777/callback", "//localhost:7777/callback", "/callback", "localhost:7777/callback", "https://localhost:7777/callback", "http://evil.example/callback"},
	// T34, mcp-atlassian #1533: our own pages, which would answer themselves.
	"ourselves": {"http://127.0.0.1:PORT/auth/callback", "http://localhost:PORT/auth/callback", "http://[::1]:PORT/auth/callback", "http://localhost:PORT/consent",
		"http://localhost:PORT", "http://127.0.0.1:0PORT/auth/callback", "http://localhost:000PORT/auth/callback", "http://LocalHost:PORT/auth/callback", "HTTP://localhost:PORT/auth/callback"},
	// What would make the answer's own parameters ambiguous (T17).
	"answers of their own": {"http://localhost:7777/callback?code=x", "http://localhost:7777/callback?%63ode=x", "http://localhost:7777/callback?iss=https://evil.example",
		"http://localhost:7777/callback?a=1&state=x", "http://localhost:7777/callback?error=x", "http://localhost:7777/callback?a=%zz", "http://localhost:7777/callback?a;code=x"},
	"what no URI may hold": {"", " ", "http://localhost:7777/call back", "http://localhost:7777/callback\r\nX-Evil: 1", "http://localhost:7777/ü", "http://localhost:7777/<script>",
		"http://localhost:7777/\"onmouseover=\"x", "http://localhost:7777/" + strings.Repeat("a", 3000), rig.EvilURI},
}

// wantNoWay opens an authorization request in every way there is, and checks
// that it ends with 400 and goes nowhere.
func wantNoWay(t *testing.T, app *rig.App, what string, values url.Values) {
	t.Helper()
	b := rig.NewBrowser(t)
	page := &rig.Page{URL: b.Parse(app.URL + "/")}
	for _, n := range []rig.Navigation{
		{Method: http.MethodGet, URL: b.Parse(app.URL + "/authorize?" + values.Encode())},
		{Method: http.MethodPost, URL: b.Parse(app.URL + "/authorize"), Form: values, From: page},
	} {
		p := b.Hop(n, "none")
		if p.Status != http.StatusBadRequest || p.Header.Get("Location") != "" || p.Header.Get("Refresh") != "" {
			t.Errorf("%s: %s answered %d, to %q", what, n.Method, p.Status, p.Header.Get("Location"))
		}
		if strings.Contains(p.Body, "<a ") || strings.Contains(p.Body, "href") || len(p.Forms()) != 0 {
			t.Errorf("%s: the page leads on", what)
		}
	}
	reply := app.Get(t, "/authorize?"+values.Encode())
	if reply.Status != http.StatusBadRequest || reply.Error() == "" || reply.Header.Get("Location") != "" {
		t.Errorf("%s: to a program answered %d %q", what, reply.Status, reply.Error())
	}
}

// T6, T11, T19, T34: refused at registration, in a document, of a client known
// in advance, and at authorization beside a good one; also where the owner's
// list names it. No flow begins, so there is no denial and no provider's error
// that could carry the browser there.
func TestSecBadRedirectURIs(t *testing.T) {
	listing := rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Clients.RedirectURIs = []string{rig.ClientURI, "http://127.0.0.1/auth/callback", "http://localhost/auth/callback"}
		for kind, uris := range badRedirects {
			if kind != "ourselves" && kind != "what no URI may hold" {
				c.Clients.RedirectURIs = append(c.Clients.RedirectURIs, uris...)
			}
		}
	}})
	for kind, uris := range badRedirects {
		t.Run(kind, func(t *testing.T) {
			var app *rig.App
			var good rig.Client
			for i, uri := range uris {
				if i%15 == 0 { // as many registrations as one address has at once
					app = rig.StartApp(t, rig.AppOptions{})
					good = app.Register(t, rig.ClientURI)
				}
				uri = strings.ReplaceAll(uri, "PORT", app.URL[strings.LastIndex(app.URL, ":")+1:])
				reply := app.PostJSON(t, "/register", map[string]any{"client_name": "x", "redirect_uris": []string{rig.ClientURI, uri}})
				if uri == rig.EvilURI || strings.HasPrefix(uri, "https://localhost") { // unlisted, no more: left out (RFC 7591 §3.2.1)
					if reply.Status != http.StatusCreated || strings.Contains(reply.Body, uri) {
						t.Errorf("registering %q beside a good one answered %d: %s", uri, reply.Status, reply.Body)
					}
				} else if reply.Status != http.StatusBadRequest || reply.Error() != "invalid_redirect_uri" {
					t.Errorf("registering %q answered %d %q", uri, reply.Status, reply.Error())
				}
				document := rig.ServeMetadata(t, uri, rig.ClientURI)
				for name, id := range map[string]string{"registered": good.ID, "document": document.ID, "known in advance": "drawbridge-demo"} {
					if uri == "" && name == "registered" {
						continue // left out: the one that is registered
					}
					wantNoWay(t, app, name+" "+uri, app.NewAuthRequest(rig.Client{ID: id, RedirectURI: uri}).Values)
				}
				if n := app.CountEvents(t, "consent.shown"); n != 0 {
					t.Fatalf("%d consent pages shown", n)
				}
				if kind == "schemes" || kind == "false loopback" && !strings.HasPrefix(uri, "https:") {
					wantNoWay(t, listing, "listed "+uri, listing.NewAuthRequest(rig.Client{ID: "drawbridge-demo", RedirectURI: uri}).Values)
				}
			}
		})
	}
}
