package security

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// It handles requests that two servers in a row could read differently
// (request smuggling, RFC 9112 §11.2): each is refused, or the connection ends
// after it, so that nothing hidden in it is answered.
func TestSecSmuggling(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	hidden := "GET /health HTTP/1.1\nHost: HOST\n\n"
	for name, request := range map[string]string{
		"length and chunks":     "POST /register HTTP/1.1\nHost: HOST\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n" + hidden,
		"chunks and length":     "POST /register HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n" + hidden,
		"two lengths":           "POST /register HTTP/1.1\nHost: HOST\nContent-Length: 0\nContent-Length: 36\n\n" + hidden,
		"a list of lengths":     "POST /register HTTP/1.1\nHost: HOST\nContent-Length: 0, 36\n\n" + hidden,
		"a signed length":       "POST /register HTTP/1.1\nHost: HOST\nContent-Length: +0\n\n" + hidden,
		"an unknown coding":     "POST /register HTTP/1.1\nHost: HOST\nTransfer-Encoding: xchunked\n\n0\n\n" + hidden,
		"two codings":           "POST /register HTTP/1.1\nHost: HOST\nTransfer-Encoding: gzip, chunked\n\n0\n\n" + hidden,
		"a space before colon":  "POST /register HTTP/1.1\nHost: HOST\nTransfer-Encoding : chunked\n\n0\n\n" + hidden,
		"a folded header":       "POST /register HTTP/1.1\nHost: HOST\nX: y\n z: w\nContent-Length: x\n\n" + hidden,
		"a bad chunk size":      "POST /register HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\nzz\n\n" + hidden,
		"chunks in HTTP/1.0":    "POST /register HTTP/1.0\nHost: HOST\nTransfer-Encoding: chunked\n\n0\n\n" + hidden,
		"no Host":               "GET /health HTTP/1.1\n\n" + hidden,
		"two Hosts":             "GET /health HTTP/1.1\nHost: HOST\nHost: evil.example\n\n" + hidden,
		"a NUL in a header":     "GET /health HTTP/1.1\nHost: HOST\nX: \x00\n\n" + hidden,
		"a bare CR in a header": "GET /health HTTP/1.1\nHost: HOST\nX: a\rb\n\n" + hidden,
		"HTTP/2 without TLS":    "PRI * HTTP/2.0\n\nSM\n\n" + hidden,
		"an unknown version":    "GET /health HTTP/3.0\nHost: HOST\n\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			w := rig.DialWire(t, app.URL)
			w.Send(request)
			first := w.Answer(rig.IOTime)
			if first != nil && first.Status < 400 {
				t.Errorf("answered %d", first.Status)
			}
			if second := w.Answer(rig.IOTime); first != nil && second != nil {
				t.Errorf("what was hidden after it is answered: %d, then %d", first.Status, second.Status)
			}
		})
	}
	app.MustWorkWith(t, tokens.Access)
}

// It handles targets in absolute form (RFC 9112 §3.2.2) and other forms that a
// proxy would understand.
func TestSecRequestTargets(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	for target, want := range map[string]int{
		"http://evil.example/health": 403, "http://evil.example/mcp": 403, "https://evil.example:443/": 403,
		"http://HOST@evil.example/health": 403, "//evil.example/health": 404, "http://HOST/health": 200,
	} {
		w := rig.DialWire(t, app.URL)
		w.Send("GET " + target + " HTTP/1.1\nHost: HOST\n\n")
		if r := w.Answer(rig.IOTime); r == nil || r.Status != want {
			t.Errorf("%s: %+v, want %d", target, r, want)
		}
	}
	for _, line := range []string{"CONNECT evil.example:443", "CONNECT HOST", "OPTIONS *", "TRACE /health", "GET *", "GET health", "PUT /health", "get /health"} {
		w := rig.DialWire(t, app.URL)
		w.Send(line + " HTTP/1.1\nHost: HOST\nX-Secret: reflected\n\n")
		if r := w.Answer(rig.IOTime); r != nil && (r.Status < 400 && r.Body != "" || strings.Contains(r.Body, "reflected")) {
			t.Errorf("%s: %d %s", line, r.Status, rig.Clip(r.Body))
		}
	}
}

// It handles paths that look like one of ours: exactly ours, or 404. None goes
// round the guard.
func TestSecPathTricks(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	for _, path := range []string{
		"//mcp", "/./mcp", "/x/../mcp", "/mcp/..", "/mcp//", "/MCP", "/mcp%2f", "/%6dcp", "/mcp;x=1", "/mcp%00", "/mcp.", "/mcp/x", "/s/x", "/s/x/", "/s//mcp", "/s/x/y/mcp", "/s/x/mcp/y", "/s/-x/mcp", "/s/x%20/mcp", "/s/x%22/mcp",
		"/token/", "/register/", "/authorize/", "/consent/", "/auth/callback/", "/revoke/", "/health/", "/.well-known/", "/.well-known/jwks.json/",
		"/.env", "/debug/pprof/", "/control.json", "/state.db", "/..%2f..%2fetc%2fpasswd", "/api/status", "/console",
	} {
		w := rig.DialWire(t, app.URL)
		w.Send("POST " + path + " HTTP/1.1\nHost: HOST\nContent-Length: 2\n\n{}")
		if r := w.Answer(rig.IOTime); r == nil || r.Status != http.StatusNotFound {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

// It handles a pipeline: a request is judged by its own headers, never by those
// of the one before it on the same connection.
func TestSecPipeline(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + rig.LegacyVersion + `","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	post := func(auth string) string {
		return fmt.Sprintf("POST /mcp HTTP/1.1\nHost: HOST\n%sContent-Type: application/json\nAccept: application/json, text/event-stream\nContent-Length: %d\n\n%s", auth, len(body), body)
	}
	good := post("Authorization: Bearer " + tokens.Access + "\n")
	w := rig.DialWire(t, app.URL)
	w.Send(good + post("") + good + post("Authorization: Bearer x\n"))
	for i, want := range []int{200, 401, 200, 401} {
		if r := w.Answer(rig.IOTime); r == nil || r.Status != want {
			t.Errorf("request %d: %+v, want %d", i+1, r, want)
		}
	}
}

// It handles headers larger than any client sends.
func TestSecHugeHeaders(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	for name, headers := range map[string]string{
		"one":         "X: " + strings.Repeat("x", 60_000) + "\n",
		"many":        strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n", 1200),
		"a cookie":    "Cookie: " + strings.Repeat("drawbridge=x; ", 5000) + "\n",
		"a token":     "Authorization: Bearer " + strings.Repeat("A", 50_000) + "\n",
		"a long path": "",
	} {
		w := rig.DialWire(t, app.URL)
		path := "/health"
		if headers == "" {
			path = "/" + strings.Repeat("x", 60_000)
		}
		w.Send("GET " + path + " HTTP/1.1\nHost: HOST\n" + headers + "\n")
		if r := w.Answer(rig.IOTime); r == nil || r.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %+v, want 431", name, r)
		}
	}
	app.MustWorkWith(t, tokens.Access)
}

// It handles tokens in every place but the right one, and doubtful spellings of
// the right one (RFC 6750 §2).
func TestSecTokenPlaces(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	good := "Bearer " + tokens.Access
	call := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + rig.LegacyVersion + `","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	for name, request := range map[string]struct {
		query, headers string
		want           int
	}{
		"in the query":         {"?access_token=" + tokens.Access, "", 400},
		"in query and header":  {"?access_token=" + tokens.Access, "Authorization: " + good + "\n", 400},
		"two headers":          {"", "Authorization: " + good + "\nAuthorization: " + good + "\n", 401},
		"two headers, one bad": {"", "Authorization: Bearer x\nAuthorization: " + good + "\n", 401},
		"a list":               {"", "Authorization: " + good + ", " + good + "\n", 401},
		"a tab":                {"", "Authorization: Bearer\t" + tokens.Access + "\n", 401},
		"no space":             {"", "Authorization: Bearer" + tokens.Access + "\n", 401},
		"quotes":               {"", `Authorization: Bearer "` + tokens.Access + "\"\n", 401},
		"something after it":   {"", "Authorization: " + good + " x\n", 401},
		"Basic":                {"", "Authorization: Basic " + tokens.Access + "\n", 401},
		"Token":                {"", "Authorization: Token " + tokens.Access + "\n", 401},
		"the token alone":      {"", "Authorization: " + tokens.Access + "\n", 401},
		"an empty header":      {"", "Authorization: \n", 401},
		"a proxy's header":     {"", "Proxy-Authorization: " + good + "\n", 401},
		"a cookie":             {"", "Cookie: access_token=" + tokens.Access + "\n", 401},
		"X-Forwarded-…":        {"", "X-Forwarded-Access-Token: " + tokens.Access + "\nX-Forwarded-User: alice\n", 401},
		"another case":         {"", "authorization: bEARER " + tokens.Access + "\n", 200}, // RFC 9110 §11.1
	} {
		t.Run(name, func(t *testing.T) {
			w := rig.DialWire(t, app.URL)
			w.Send(fmt.Sprintf("POST /mcp%s HTTP/1.1\nHost: HOST\nContent-Type: application/json\nAccept: application/json, text/event-stream\n%sContent-Length: %d\n\n%s",
				request.query, request.headers, len(call), call))
			if r := w.Answer(rig.IOTime); r == nil || r.Status != request.want || strings.Contains(r.Body, tokens.Access) {
				t.Errorf("answered %+v, want %d", r, request.want)
			}
		})
	}
	form := "application/x-www-form-urlencoded"
	if r := app.Do(t, "POST", "/mcp", strings.NewReader("access_token="+tokens.Access), "Content-Type", form); r.Status != http.StatusUnauthorized {
		t.Errorf("in a form: %d", r.Status)
	}
	// The token endpoint takes a form in a body, and no other shape.
	refresh := "grant_type=refresh_token&client_id=" + c.ID + "&refresh_token=" + tokens.Refresh
	for name, r := range map[string]*rig.Reply{
		"JSON":         app.PostJSON(t, "/token", map[string]string{"grant_type": "refresh_token", "client_id": c.ID, "refresh_token": tokens.Refresh}),
		"the query":    app.Do(t, "POST", "/token?"+refresh, nil, "Content-Type", form),
		"no type":      app.Do(t, "POST", "/token", strings.NewReader(refresh), "Content-Type", ""),
		"text":         app.Do(t, "POST", "/token", strings.NewReader(refresh), "Content-Type", "text/plain"),
		"multipart":    app.Do(t, "POST", "/token", strings.NewReader(refresh), "Content-Type", "multipart/form-data; boundary=x"),
		"doubled":      app.Do(t, "POST", "/token", strings.NewReader(refresh+"&refresh_token=x"), "Content-Type", form),
		"two clients":  app.Do(t, "POST", "/token", strings.NewReader(refresh), "Content-Type", form, "Authorization", "Basic eDp4"),
		"bad escapes":  app.Do(t, "POST", "/token", strings.NewReader(refresh+"&x=%zz"), "Content-Type", form),
		"no type at *": app.Do(t, "POST", "/token", strings.NewReader("grant_type=password&client_id="+c.ID), "Content-Type", form),
	} {
		if r.Status != http.StatusBadRequest && r.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, r.Status)
		}
	}
	if r := app.Get(t, "/token?"+refresh); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.Status)
	}
	app.MustRefresh(t, c, tokens.Refresh)
}

// It handles JSON that is deep, broken, or of the wrong shape, at both places
// that read it.
func TestSecHostileJSON(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	deep := strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)
	list := strings.Repeat("[", 30_000)
	for name, body := range map[string]string{
		"deep objects": deep, "deep lists": list, "nothing": "", "null": "null", "a list": "[]", "a number": "1e999999", "half": `{"redirect_uris":["http://`,
		"a deep field": `{"redirect_uris":["` + rig.ClientURI + `"],"jwks":` + list + `}`, "two values": `{"jsonrpc":"2.0"} {"jsonrpc":"2.0"}`,
		"wrong shapes": `{"redirect_uris":{"0":"x"},"client_name":["x"],"jsonrpc":2,"method":{},"id":[1]}`, "a BOM": "\xef\xbb\xbf{}", "no UTF-8": "{\"client_name\":\"\xff\xfe\"}",
		"many fields": "{" + strings.TrimSuffix(strings.Repeat(`"a":1,`, 8000), ",") + "}",
	} {
		t.Run(name, func(t *testing.T) {
			if r := app.Do(t, "POST", "/register", strings.NewReader(body), "Content-Type", "application/json"); r.Status < 400 || r.Status >= 500 {
				t.Errorf("/register answered %d", r.Status)
			}
			r := app.MCP(t, tokens.Access).Post(body)
			if r.Status >= 500 || strings.Contains(r.Body, `"result"`) {
				t.Errorf("/mcp answered %d: %s", r.Status, rig.Clip(r.Body))
			}
			rig.MustNotShow(t, r.Body)
		})
	}
	app.MustWorkWith(t, tokens.Access)
}
