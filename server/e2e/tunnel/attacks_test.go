package tunnel

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// metadataPaths are the documents that must never change.
var metadataPaths = []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
	"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/mcp/.well-known/openid-configuration"}

// Forwarding headers that anyone can send change nothing: neither metadata nor
// redirects nor cookies nor challenges, over HTTP/2 and HTTP/1.1.
func TestTunnelSpoofedHeaders(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	spoofed := http.Header{"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Port": {"1"},
		"X-Forwarded-Prefix": {"/evil"}, "X-Forwarded-Server": {"evil.example"}, "Forwarded": {"for=127.0.0.1;host=evil.example;proto=http"},
		"X-Host": {"evil.example"}, "X-Original-Host": {"evil.example"}, "X-Original-Url": {"/api/sessions"}, "X-Rewrite-Url": {"/api/sessions"},
		"X-Real-Ip": {"127.0.0.1"}, "X-Http-Method-Override": {"DELETE"}, "Via": {"1.1 127.0.0.1"}}
	clientOf := app.Register(t, rig.ClientURI)
	authorize := "/authorize?" + app.NewAuthRequest(clientOf).Values.Encode()
	for _, http1 := range []bool{false, true} {
		client := &http.Client{Transport: rig.ThroughEdges(http1), CheckRedirect: rig.PlainHTTP.CheckRedirect}
		proto := map[bool]int{false: 2, true: 1}[http1]
		fetch := func(method, path string, h http.Header) (*http.Response, string) {
			req, err := http.NewRequestWithContext(t.Context(), method, app.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = h.Clone()
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.ProtoMajor != proto {
				t.Fatalf("HTTP/%d, want %d", resp.ProtoMajor, proto)
			}
			return resp, string(body)
		}
		for _, path := range metadataPaths {
			_, plain := fetch("GET", path, http.Header{})
			resp, got := fetch("GET", path, spoofed)
			if got != plain || resp.StatusCode != http.StatusOK || !strings.Contains(got, app.URL) {
				t.Errorf("HTTP/%d %s: %d, changed: %t", proto, path, resp.StatusCode, got != plain)
			}
		}
		resp, _ := fetch("POST", "/mcp", spoofed)
		if c := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != http.StatusUnauthorized || strings.Contains(c, "evil") || !strings.Contains(c, app.URL) {
			t.Errorf("HTTP/%d challenge: %d %s", proto, resp.StatusCode, c)
		}
		resp, _ = fetch("GET", authorize, spoofed)
		to, err := url.Parse(resp.Header.Get("Location"))
		if err != nil || resp.StatusCode != http.StatusFound || to.Host != "" && to.Host != app.Host {
			t.Errorf("HTTP/%d authorize: %d to host %q", proto, resp.StatusCode, to.Host)
		}
		for _, c := range resp.Cookies() {
			if !c.Secure || c.Domain != "" {
				t.Errorf("cookie %s: secure %t, domain %q", c.Name, c.Secure, c.Domain)
			}
		}
		resp, _ = fetch("GET", "/", spoofed)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("/: %d", resp.StatusCode)
		}
	}
	for _, e := range app.Events(t) {
		if e.Remote == "127.0.0.1" && e.Type == "client.refused" {
			t.Errorf("event %+v", e)
		}
	}
}

// Through the tunnel only the public name is answered for: not this machine's,
// not the console's, however a request is spelt.
func TestTunnelForeignHosts(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	st := app.Status(t)
	local := strings.TrimPrefix(st.LocalURL, "http://")
	console, err := url.Parse(st.ConsoleURL)
	if err != nil {
		t.Fatal(err)
	}
	port := local[strings.LastIndex(local, ":"):]
	send := func(request string) (int, string) {
		t.Helper()
		conn, err := app.Edge.Raw(app.Host, "203.0.113.7:1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		status, body, _ := rig.SendRaw(t, conn, request)
		return status, body
	}
	if status, _ := send("GET /health HTTP/1.1\r\nHost: " + app.Host + "\r\n\r\n"); status != http.StatusOK {
		t.Fatalf("the public name gives %d", status)
	}
	for _, host := range []string{local, "localhost" + port, "127.0.0.1", "localhost", "[::1]" + port, console.Host, "localhost:" + console.Port(),
		"evil.example", app.Host + ".evil.example", "evil." + app.Host, app.Host + ":8443", app.Host + "@evil.example", "", "0.0.0.0", "127.1" + port, app.Host + "."} {
		for _, path := range append([]string{"/health", "/mcp", "/token", "/api/sessions", "/api/status"}, metadataPaths...) {
			if status, body := send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"); status != http.StatusForbidden && status != http.StatusBadRequest {
				t.Errorf("Host %q %s: %d %s", host, path, status, rig.Clip(body))
			}
		}
		if host == "" {
			continue
		}
		// The target in absolute form takes the place of Host (RFC 9112 §3.2.2).
		for _, scheme := range []string{"http", "https"} {
			if status, _ := send("GET " + scheme + "://" + host + "/health HTTP/1.1\r\nHost: " + app.Host + "\r\n\r\n"); status != http.StatusForbidden && status != http.StatusBadRequest {
				t.Errorf("target at %q: %d", host, status)
			}
		}
	}
	for _, target := range []string{"http://" + app.Host + "/api/sessions", "http://" + app.Host + "/../api/sessions", "/api/sessions", "//api/sessions", "/./api/status", "/mcp/../api/status", "/%61pi/status", "/mcp%2f..%2fapi/status", "/api/status;x", "/API/STATUS", "*", console.Host} {
		for _, method := range []string{"GET", "POST", "CONNECT", "OPTIONS", "TRACE"} {
			status, body := send(method + " " + target + " HTTP/1.1\r\nHost: " + app.Host + "\r\nAuthorization: Bearer " + console.Fragment[strings.Index(console.Fragment, "=")+1:] + "\r\n\r\n")
			if (status < 400 && status != 0 && !(method == "OPTIONS" && target == "*")) || strings.Contains(body, `"sessions"`) || strings.Contains(body, `"tunnel"`) {
				t.Errorf("%s %s: %d %s", method, target, status, rig.Clip(body))
			}
		}
	}
	// Over the edge itself, with SNI for us and Host, or :authority, for
	// somebody else.
	for _, host := range []string{console.Host, local, "evil.example"} {
		for _, path := range []string{"/api/status", "/health", "/.well-known/oauth-protected-resource/mcp"} {
			if r := app.Do(t, http.MethodGet, path, nil, "Host", host); r.Status != http.StatusForbidden {
				t.Errorf("HTTP/2 to %s%s: %d %s", host, path, r.Status, rig.Clip(r.Body))
			}
		}
	}
	if r := app.PostJSON(t, "/mcp", map[string]any{}); r.Status != http.StatusUnauthorized {
		t.Errorf("no token: %d", r.Status)
	}
	// A page of another site is a client like any other, without a token.
	if r := app.Do(t, http.MethodPost, "/mcp", nil, "Origin", "https://evil.example"); r.Status != http.StatusUnauthorized || r.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a page of somebody else: %d", r.Status)
	}
	conn, err := app.Edge.Dial(app.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if status, _, _ := rig.SendRaw(t, conn, "GET /api/status HTTP/1.1\r\nHost: "+console.Host+"\r\n\r\n"); status != http.StatusForbidden {
		t.Errorf("through the edge: %d", status)
	}
}

// Requests that two servers could read differently are refused or end their
// connection: what hides in them is never answered.
func TestTunnelSmuggling(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	hidden := "GET /health?smuggled HTTP/1.1\r\nHost: " + app.Host + "\r\n\r\n"
	head := "POST /token HTTP/1.1\r\nHost: " + app.Host + "\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for name, request := range map[string]string{
		"CL.TE":                        head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", 5+len(hidden), hidden),
		"TE.CL":                        head + fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n%s", hidden),
		"two lengths":                  head + fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"a length with a sign":         head + "Content-Length: +0\r\n\r\n" + hidden,
		"a list of lengths":            head + "Content-Length: 0, 0\r\n\r\n" + hidden,
		"an unknown coding":            head + "Transfer-Encoding: xchunked\r\n\r\n" + hidden,
		"two codings":                  head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a coding with a space":        head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a folded coding":              head + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
		"a bare line feed in a header": head + "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + hidden,
		"a chunk with a bad size":      head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden,
		"a chunk extension of feeds":   head + "Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n" + hidden,
		"two hosts":                    "GET /health HTTP/1.1\r\nHost: " + app.Host + "\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n" + hidden,
		"HTTP/1.0 with chunks":         strings.Replace(head, "1.1", "1.0", 1) + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"an upgrade to HTTP/2":         "GET /health HTTP/1.1\r\nHost: " + app.Host + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"the preface of HTTP/2":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := app.Edge.Raw(app.Host, "203.0.113.7:1")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(conn)
			for n := 0; ; n++ {
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					if n == 0 && !strings.Contains(err.Error(), "EOF") {
						t.Errorf("no answer: %v", err)
					}
					return
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				// HTTP/1.0 knows no chunks: what follows the head is then another
				// request, and is refused as none.
				refused := n == 1 && resp.StatusCode == http.StatusBadRequest && resp.Close
				if n > 0 && !refused || resp.StatusCode < 400 && strings.Contains(string(body), `"ok"`) && name != "an upgrade to HTTP/2" {
					t.Fatalf("answer %d: %d %s", n, resp.StatusCode, rig.Clip(string(body)))
				}
				if resp.Close {
					return
				}
			}
		})
	}
	if r := app.Get(t, "/health"); r.Status != http.StatusOK {
		t.Errorf("afterwards: %d", r.Status)
	}
}

// Slow visitors in the tunnel are cut off as they are on loopback.
func TestTunnelSlowVisitor(t *testing.T) {
	t.Parallel()
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	conn, err := app.Edge.Raw(app.Host, "203.0.113.7:1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: "); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.Copy(io.Discard, conn)
	if took := time.Since(began); took > rig.Within(15*time.Second) || took < 5*time.Second {
		t.Errorf("a header that never ends was cut off after %v", took)
	}
}
