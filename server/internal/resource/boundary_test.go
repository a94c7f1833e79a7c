package resource

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const public = "https://name.example"

// front is a boundary before a handler that says it was reached.
func front(t *testing.T) http.Handler {
	t.Helper()
	b, err := NewBoundary(BoundaryOptions{Public: public, Local: "http://127.0.0.1:8000"})
	if err != nil {
		t.Fatal(err)
	}
	return b.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "reached") }))
}

// ask sends a request with headers "Name: value" to h.
func ask(h http.Handler, method, target, host string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// It handles DNS rebinding: another host is refused before anything happens.
func TestHost(t *testing.T) {
	h := front(t)
	for host, want := range map[string]int{
		"name.example": 200, "name.example:443": 200, "NAME.example": 200,
		"localhost:8000": 200, "127.0.0.1:8000": 200, "[::1]:8000": 200,
		"evil.example": 403, "name.example.": 403, "name.example:80": 403, "name.example.evil.example": 403,
		"localhost": 403, "localhost:8001": 403, "127.0.0.1": 403, "127.0.0.2:8000": 403, "localhost.:8000": 403, "": 403,
	} {
		for _, path := range []string{"/mcp", "/token", "/", "/.well-known/oauth-protected-resource"} {
			w := ask(h, "GET", path, host)
			if w.Code != want || (want == 403) == strings.Contains(w.Body.String(), "reached") {
				t.Errorf("%s%s: %d %s", host, path, w.Code, w.Body)
			}
		}
	}
	if w := ask(h, "GET", "http://evil.example/mcp", "name.example"); w.Code != 403 {
		t.Errorf("absolute-form target: %d", w.Code) // RFC 9112 §3.2.2
	}
	// No header of a proxy makes a host ours.
	if w := ask(h, "GET", "/mcp", "evil.example", "X-Forwarded-Host: name.example", "Forwarded: host=name.example"); w.Code != 403 {
		t.Errorf("X-Forwarded-Host: %d", w.Code)
	}
}

// It handles absolute-form targets as net/http parses them.
func TestAbsoluteTarget(t *testing.T) {
	srv := httptest.NewServer(nil)
	defer srv.Close()
	b, err := NewBoundary(BoundaryOptions{Public: public, Local: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = b.Wrap(http.NotFoundHandler())
	for target, want := range map[string]int{"http://evil.example/mcp": 403, srv.URL + "/mcp": 404} {
		q, _ := http.NewRequest("GET", srv.URL, nil)
		q.URL.Opaque = target
		resp, err := http.DefaultTransport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", target, resp.StatusCode)
		}
	}
}

// open are the endpoints that no cookie opens.
var open = map[string]string{
	"/mcp": "POST", "/mcp/": "POST", "/s/files/mcp": "POST", "/s/files/mcp/": "POST", "/token": "POST", "/register": "POST", "/revoke": "POST",
	"/.well-known/oauth-protected-resource": "GET", "/.well-known/oauth-protected-resource/mcp": "GET", "/.well-known/oauth-protected-resource/s/files/mcp": "GET",
	"/.well-known/oauth-authorization-server": "GET", "/.well-known/openid-configuration": "GET", "/mcp/.well-known/openid-configuration": "GET",
	"/s/files/mcp/.well-known/openid-configuration": "GET", "/.well-known/jwks.json": "GET",
}

var origins = []string{
	public, "http://name.example", "https://claude.ai", "https://chatgpt.com", "null", "vscode-file://vscode-app", "app://obsidian.md", "file://", "tauri://localhost",
	"chrome-extension://abcdefgh", "capacitor://localhost", "http://evil.example", "https://name.example.evil.example", "https://localhost:6274", "", "not an origin",
	"http://localhost.evil.example:80", "http://localhost:", "http://localhost:99999", "http://localhost:x", "http://user@localhost:80", "http://localhost:80/",
	"http://127.0.0.1.evil.example", "http://127.0.0.2:1", "HTTP://localhost", "http://LOCALHOST",
}

var loopbackOrigins = []string{"http://localhost:8000", "http://127.0.0.1:6274", "http://[::1]:6274", "http://localhost", "http://[::1]"}

// It handles pages of every origin on the public host: they get an answer, and
// may read it, but never with a cookie. On loopback only this machine's pages do
// (MCP Streamable HTTP, "Security & Endpoint" 1; TR-2, TL-2).
func TestOrigin(t *testing.T) {
	h := front(t)
	for host, foreign := range map[string]int{"name.example": 200, "NAME.example:443": 200, "localhost:8000": 403, "127.0.0.1:8000": 403, "[::1]:8000": 403} {
		for i, origin := range append(origins, loopbackOrigins...) {
			want := foreign
			if i >= len(origins) {
				want = 200
			}
			for path, method := range open {
				w := ask(h, method, path, host, "Origin: "+origin)
				pre := ask(h, "OPTIONS", path, host, "Origin: "+origin, "Access-Control-Request-Method: "+method)
				if w.Code != want || (w.Body.String() == "reached") != (want == 200) || (pre.Code == 204) != (want == 200) || pre.Body.String() == "reached" {
					t.Errorf("%s%s of %q: %d, preflight %d", host, path, origin, w.Code, pre.Code)
				}
				for what, h := range map[string]http.Header{"answer": w.Header(), "preflight": pre.Header()} {
					allowed := map[bool]string{true: "*", false: ""}[want == 200]
					if foreign == 403 && want == 200 {
						allowed = origin
					}
					if h.Get("Access-Control-Allow-Origin") != allowed || h.Get("Access-Control-Allow-Credentials") != "" {
						t.Errorf("%s to %s%s of %q: %v", what, host, path, origin, h)
					}
					if allowed != "" && allowed == origin && !strings.Contains(strings.Join(h["Vary"], ","), "Origin") {
						t.Errorf("%s to %s%s can be taken from a cache for another origin", what, host, path)
					}
				}
			}
			// A browser comes to these from anywhere; the consent page has a rule
			// of its own.
			for _, path := range []string{"/", "/health", "/authorize", "/consent", "/auth/callback"} {
				w := ask(h, "POST", path, host, "Origin: "+origin)
				if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s%s of %q: %d %v", host, path, origin, w.Code, w.Header())
				}
			}
		}
		if w := ask(h, "POST", "/mcp", host, "Origin: "+public, "Origin: https://evil.example"); w.Code != 403 {
			t.Errorf("two origins at %s: %d", host, w.Code)
		}
	}
	for target, want := range map[string]int{"http://localhost:8000/mcp": 403, public + "/mcp": 200} {
		if w := ask(h, "POST", target, "name.example", "Origin: https://evil.example"); w.Code != want {
			t.Errorf("absolute-form target %s: %d", target, w.Code)
		}
	}
	if w := ask(h, "POST", "/mcp", "localhost:8000", "Origin: https://evil.example"); !strings.HasPrefix(w.Body.String(), `{"jsonrpc":"2.0","error":{"code":-32600,`) {
		t.Errorf("MCP path: %s", w.Body)
	}
	if w := ask(h, "POST", "/token", "localhost:8000", "Origin: https://evil.example"); !strings.HasPrefix(w.Body.String(), `{"error":"invalid_request"`) || !strings.Contains(w.Body.String(), "public URL") {
		t.Errorf("OAuth path: %s", w.Body)
	}
}

// It handles what a page has to be told before it may ask, and to read.
func TestCORS(t *testing.T) {
	h := front(t)
	for _, host := range []string{"name.example", "localhost:8000"} {
		w := ask(h, "OPTIONS", "/mcp", host, "Origin: http://localhost:6274", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,mcp-param-user,X-More2_a")
		for _, name := range []string{"Authorization", "Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-ID", "mcp-param-user", "X-More2_a"} {
			if !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s: preflight does not allow %s", host, name)
			}
		}
		if w.Header().Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" {
			t.Errorf("%s: %v", host, w.Header())
		}
		w = ask(h, "POST", "/mcp", host, "Origin: http://localhost:6274")
		for _, name := range []string{"WWW-Authenticate", "Mcp-Session-Id", "Retry-After"} {
			if !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), name) {
				t.Errorf("%s: %s is not exposed", host, name)
			}
		}
	}
	for _, asked := range []string{strings.Repeat("x", maxAsked+1), "a\nb", "a;b", "<b>"} {
		w := ask(h, "OPTIONS", "/mcp", "name.example", "Origin: null", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+asked)
		if got := w.Header().Get("Access-Control-Allow-Headers"); w.Code != 204 || got != allowedHeaders {
			t.Errorf("%.20q is answered by %q", asked, got)
		}
	}
	longest := strings.Repeat("x", 2048)
	if w := ask(h, "OPTIONS", "/mcp", "name.example", "Origin: null", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+longest); !strings.HasSuffix(w.Header().Get("Access-Control-Allow-Headers"), longest) {
		t.Error("the longest list is not allowed")
	}
	// OPTIONS of who is no browser is no preflight.
	if w := ask(h, "OPTIONS", "/mcp", "name.example"); w.Body.String() != "reached" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBoundaryOptions(t *testing.T) {
	for _, o := range []BoundaryOptions{{}, {Public: "name.example"}, {Public: "ftp://x"}, {Public: public, Local: "127.0.0.1:8000"}} {
		if _, err := NewBoundary(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"http://localhost", "http://[::1]:1", "http://127.0.0.1:65535", "null", "http://localhost:1@evil"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		if !loopbackOrigin(origin) {
			return
		}
		r, err := http.NewRequest("GET", origin, nil)
		if err != nil {
			t.Fatalf("%q is no URL: %v", origin, err)
		}
		if name := r.URL.Hostname(); (name != "localhost" && name != "127.0.0.1" && name != "::1") || r.URL.User != nil || r.URL.Path != "" {
			t.Errorf("%q leads to %q", origin, r.URL)
		}
	})
}
