package security

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Which of two values counts is what proxies, servers and clients disagree
// about; so a doubled parameter is refused (RFC 6749 §3.1), everywhere.
func TestSecDoubledParameters(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	client := app.Register(t, rig.ClientURI)
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "code_challenge", "code_challenge_method", "state", "scope", "prompt", "login_hint", "unknown"} {
		for _, value := range []string{"", "x", rig.EvilURI} {
			values := app.NewAuthRequest(client).Values
			if !values.Has(name) {
				values.Add(name, "y")
			}
			values.Add(name, value)
			wantNoWay(t, app, name+" doubled", values)
		}
	}
	b := rig.NewBrowser(t)
	req := app.NewAuthRequest(client)
	req.Values.Add("resource", app.MCPURL) // RFC 8707 §2 allows it
	page, form := flowInHand(t, b, req.URL(app))
	req.Values.Add("resource", "https://other.example/mcp")
	p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: b.Parse(req.URL(app))}, "none")
	if q := wantAnswer(t, p, rig.ClientURI, app.URL, req.Values.Get("state")); q.Get("error") != "invalid_target" {
		t.Errorf("two resources gave error %q", q.Get("error"))
	}

	form.Values.Set("action", "deny")
	for name, value := range map[string]string{"action": "approve", "flow": "x", "csrf": "x", "remember": "on"} {
		values := cloned(form.Values)
		values.Add(name, value)
		values.Add(name, value)
		if p := b.Post(page, "/consent", values, ""); p.Status != http.StatusBadRequest {
			t.Errorf("an answer with %s twice gave %d", name, p.Status)
		}
	}
	answer := providerAnswer(t, b, page, app.URL, "alice")
	for name := range map[string]bool{"code": true, "state": true, "iss": true, "error": true} {
		doubled := *answer
		doubled.RawQuery += "&" + name + "=x"
		if name == "iss" || name == "error" {
			doubled.RawQuery += "&" + name + "=y"
		}
		if p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: &doubled}, "cross-site"); p.Status != http.StatusBadRequest || p.Header.Get("Location") != "" {
			t.Errorf("a callback with %s twice gave %d", name, p.Status)
		}
	}
	if n := provider.Asked("/token"); n != 0 {
		t.Errorf("%d codes exchanged", n)
	}
	p = b.Hop(rig.Navigation{Method: http.MethodGet, URL: answer}, "cross-site")
	req.Values["resource"] = []string{app.MCPURL}
	code := wantAnswer(t, p, rig.ClientURI, app.URL, req.Values.Get("state")).Get("code")
	for _, name := range []string{"grant_type", "code", "client_id", "redirect_uri", "code_verifier", "client_assertion"} {
		values := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {client.ID}, "redirect_uri": {rig.ClientURI}, "code_verifier": {req.Verifier}, "client_assertion": {"x"}}
		values.Add(name, values.Get(name))
		app.PostForm(t, "/token", values).Want(t, http.StatusBadRequest, "invalid_request")
	}
	app.MustTokens(t, app.Redeem(t, req, code))
}

// A form counts only as a form, and only what is in it: not the query beside
// it, not JSON, not a body that says nothing of itself.
func TestSecFormsAreForms(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
	home := &rig.Page{URL: b.Parse(app.URL + "/")}
	values := app.NewAuthRequest(client).Values
	evil := rig.With(cloned(values), []string{"redirect_uri", rig.EvilURI})
	if p := b.Post(home, "/authorize?"+values.Encode(), url.Values{}, ""); p.Status != http.StatusBadRequest {
		t.Errorf("a POST with all in the query answered %d", p.Status)
	}
	if p := b.Post(home, "/authorize?"+evil.Encode(), values, ""); p.Status != http.StatusOK {
		t.Errorf("a good form beside an evil query answered %d", p.Status)
	}
	if p := b.Post(home, "/authorize?"+values.Encode(), evil, ""); p.Status != http.StatusBadRequest {
		t.Errorf("an evil form beside a good query answered %d", p.Status)
	}
	boundary := "multipart/form-data; boundary=x"
	parts := "--x\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\n" + client.ID + "\r\n--x--\r\n"
	for _, c := range []struct{ kind, body string }{
		{"", values.Encode()}, {"text/plain", values.Encode()}, {"application/json", `{"client_id":"x"}`}, {boundary, parts},
		{"application/x-www-form-urlencoded", "%zz"}, {"application/x-www-form-urlencoded", "a;b"}, {"/", values.Encode()},
	} {
		for _, path := range []string{"/authorize", "/consent", "/token", "/revoke"} {
			reply := app.Do(t, http.MethodPost, path, strings.NewReader(c.body), "Content-Type", c.kind)
			if reply.Status != http.StatusBadRequest || reply.Error() == "" || reply.Header.Get("Location") != "" {
				t.Errorf("%s of %q answered %d %q", path, c.kind, reply.Status, reply.Error())
			}
		}
	}
	for _, path := range []string{"/authorize", "/consent", "/token", "/revoke", "/register"} {
		reply := app.Do(t, http.MethodPost, path, strings.NewReader("a="+strings.Repeat("x", 70<<10)), "Content-Type", "application/x-www-form-urlencoded")
		if reply.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("70 KB at %s answered %d", path, reply.Status)
		}
	}
}

// rawRequest sends a request line as it stands, which net/http's client would
// put in order, and returns the answer.
func rawRequest(t *testing.T, app *rig.App, line, host string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(app.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", line, host)
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", rig.Clip(line), err)
	}
	_ = resp.Body.Close()
	return resp
}

// Only the paths of the table answer, spelled as there: a proxy or a rule in
// front that looks at paths is not walked around.
func TestSecAuthorizePaths(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	host := strings.TrimPrefix(app.URL, "http://")
	query := "?" + app.NewAuthRequest(app.Register(t, rig.ClientURI)).Values.Encode()
	for _, path := range []string{"//authorize", "///authorize", "/authorize/", "/%61uthorize", "/authoriz%65", "/authorize%2f", "/authorize%3f", "/authorize%00", "/authorize%20", "/./authorize", "/x/../authorize",
		"/mcp/../authorize", "/mcp/..%2fauthorize", "/%2e/authorize", "/authorize;x", "/authorize;/", "/AUTHORIZE", "/Authorize", "/authorize.", "/authorize.json", "/\\authorize", "/.//authorize",
		"/consent/", "//consent", "/%63onsent", "/auth/callback/", "/auth//callback", "/auth%2fcallback", "/auth/./callback", "/auth/x/../callback", "/auth", "/oauth/authorize", "/mcp/authorize", "/.well-known/../authorize"} {
		if resp := rawRequest(t, app, "GET "+path+query, host); resp.StatusCode != http.StatusNotFound || resp.Header.Get("Location") != "" {
			t.Errorf("%s answered %d, to %q", path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	for _, c := range []struct {
		line, host string
		status     int
	}{
		{"GET /authorize" + query, host, http.StatusFound},
		{"GET http://" + host + "/authorize" + query, host, http.StatusFound},
		{"GET http://evil.example/authorize" + query, host, http.StatusForbidden},
		{"GET /authorize" + query, "evil.example", http.StatusForbidden},
		{"GET /authorize" + query, host + ".evil.example", http.StatusForbidden},
		{"GET authorize" + query, host, http.StatusBadRequest},
		{"GET * ", host, http.StatusBadRequest},
		{"OPTIONS *", host, http.StatusOK}, // RFC 9110 §9.3.7: net/http answers for the whole server, and says nothing
		{"CONNECT evil.example:443", host, http.StatusForbidden},
		{"GET /authorize?" + strings.Repeat("x", 2<<20), host, http.StatusRequestHeaderFieldsTooLarge},
	} {
		if resp := rawRequest(t, app, c.line, c.host); resp.StatusCode != c.status {
			t.Errorf("%s at %s answered %d, want %d", rig.Clip(c.line)[:min(60, len(c.line))], c.host, resp.StatusCode, c.status)
		}
	}
}

// Methods that are none of a page's: refused, with what there is instead, and
// no page of another site reads anything.
func TestSecMethods(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	query := "?" + app.NewAuthRequest(app.Register(t, rig.ClientURI)).Values.Encode()
	for path, allowed := range map[string]string{"/authorize": "GET, HEAD, POST", "/consent": "GET, HEAD, POST", "/auth/callback": "GET, HEAD", "/token": "POST", "/register": "POST", "/revoke": "POST"} {
		for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace, "PROPFIND", "get", http.MethodGet, http.MethodHead, http.MethodPost} {
			if strings.Contains(allowed, method) {
				continue
			}
			reply := app.Do(t, method, path+query, nil)
			if reply.Status != http.StatusMethodNotAllowed || reply.Header.Get("Allow") != allowed || reply.Header.Get("Location") != "" {
				t.Errorf("%s %s answered %d, Allow %q", method, path, reply.Status, reply.Header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/authorize", "/consent", "/auth/callback", "/"} {
		reply := app.Do(t, http.MethodOptions, path, nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
		for name := range reply.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("a preflight of %s got %s", path, name)
			}
		}
	}
	reply := app.Do(t, http.MethodHead, "/authorize"+query, nil)
	if reply.Status != http.StatusFound || reply.Body != "" {
		t.Errorf("HEAD /authorize answered %d", reply.Status)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
		if got := reply.Header.Get(name); got != want {
			t.Errorf("a redirect has %s %q, want %q", name, got, want)
		}
	}
}

// A client's state comes back as it was, up to what a server must bear; more
// is refused and still comes back, since the client waits for it.
func TestSecHugeState(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
	req := app.NewAuthRequest(client)
	req.Values.Set("state", strings.Repeat("é", 2048)) // 4,096 bytes
	page, _ := flowInHand(t, b, req.URL(app))
	wantAnswer(t, b.Hop(rig.Navigation{Method: http.MethodGet, URL: providerAnswer(t, b, page, app.URL, "alice")}, "cross-site"), rig.ClientURI, app.URL, req.Values.Get("state"))

	req.Values.Set("state", strings.Repeat("x", 4097))
	p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: b.Parse(req.URL(app))}, "none")
	if q := wantAnswer(t, p, rig.ClientURI, app.URL, req.Values.Get("state")); q.Get("error") != "invalid_request" {
		t.Errorf("error %q", q.Get("error"))
	}
}

// What a request asks for beyond OAuth 2.1 changes nothing: it can't skip the
// page, turn the answer elsewhere, or make us fetch.
func TestSecRequestExtras(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	trap := rig.Publish(t)
	for _, change := range [][]string{
		{"prompt", "login"}, {"prompt", "consent"}, {"prompt", "select_account"}, {"prompt", "NONE"}, {"prompt", "none login"}, {"prompt", "create"},
		{"response_mode", "fragment"}, {"response_mode", "form_post"}, {"response_mode", "web_message"},
		{"request_uri", trap.ID}, {"request", "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZS8ifQ."},
		{"max_age", "0"}, {"acr_values", "x"}, {"id_token_hint", "x"}, {"approval_prompt", "auto"}, {"action", "approve"}, {"consent", "true"}, {"flow", "x"},
	} {
		b := rig.NewBrowser(t)
		req := app.NewAuthRequest(client)
		rig.With(req.Values, change)
		page, _ := flowInHand(t, b, req.URL(app))
		p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: providerAnswer(t, b, page, app.URL, "alice")}, "cross-site")
		if q := wantAnswer(t, p, rig.ClientURI, app.URL, req.Values.Get("state")); q.Get("code") == "" {
			t.Errorf("%q: no code", change)
		}
	}
	if n := trap.Reads(); n != 0 {
		t.Errorf("request_uri was fetched %d times", n)
	}
}

// It handles what clients in the field send: the origin as resource, an empty
// one, at each refresh the scope that was asked for at sign-in, and the callback
// of an app's own scheme (RFC 8252 §7.1).
func TestSecClientsAsTheyAre(t *testing.T) {
	const appURI = "com.example.app:/cb"
	app := rig.StartApp(t, rig.AppOptions{Config: func(c *config.Config) { c.Clients.RedirectURIs = []string{rig.ClientURI, appURI} }})
	c := app.Register(t, rig.ClientURI)
	for _, resource := range []string{app.URL, app.URL + "/", "", app.MCPURL, app.MCPURL + "/"} {
		req := app.NewAuthRequest(c)
		req.Values["resource"] = []string{resource}
		req.Values.Set("scope", "openid profile email mcp:tools")
		tokens := app.MustTokens(t, app.Redeem(t, req, app.Code(t, rig.NewBrowser(t), req, "alice"), "resource", resource))
		app.MustWorkWith(t, tokens.Access)
		tokens = app.MustTokens(t, app.Refresh(t, c, tokens.Refresh, "scope", "openid profile email mcp:tools", "resource", resource))
		if tokens.Scope != "openid profile email" {
			t.Errorf("resource %q: refreshed with scope %q", resource, tokens.Scope)
		}
		app.Refresh(t, c, tokens.Refresh, "scope", "openid mcp:admin").Want(t, http.StatusBadRequest, "invalid_scope")
		app.Refresh(t, c, tokens.Refresh, "resource", app.URL+"/s/files/mcp").Want(t, http.StatusBadRequest, "invalid_target")
	}
	flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(app.Register(t, appURI)).URL(app))
	for _, uri := range []string{"com.example.app:/other", "com.example.app:cb", "javascript:/cb", "exampleapp:/cb"} {
		app.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{uri}}).Want(t, http.StatusBadRequest, "invalid_redirect_uri")
	}
}
