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

// It handles requests of other people's pages (MCP Streamable HTTP, "Security
// & Endpoint" 1; TR-2, TL-2).
func TestOrigin(t *testing.T) {
	h := front(t)
	for origin, want := range map[string]int{
		public: 200, "http://localhost:8000": 200, "http://127.0.0.1:6274": 200, "http://[::1]:6274": 200, "http://localhost": 200,
		"https://evil.example": 403, "http://evil.example": 403, "null": 403, "": 403, "http://name.example": 403,
		"https://name.example.evil.example": 403, "http://localhost.evil.example:80": 403, "http://localhost:": 403,
		"http://localhost:99999": 403, "http://localhost:x": 403, "http://user@localhost:80": 403, "http://localhost:80/": 403,
		"https://localhost:6274": 403, "http://127.0.0.1.evil.example": 403, "file://": 403, "http://[::1]": 200,
	} {
		for _, path := range []string{"/mcp", "/mcp/", "/s/files/mcp", "/token", "/register", "/revoke"} {
			for _, method := range []string{"POST", "OPTIONS"} {
				w := ask(h, method, path, "name.example", "Origin: "+origin, "Access-Control-Request-Method: POST")
				reached := w.Body.String() == "reached"
				wanted := want
				if want == 200 && method == "OPTIONS" {
					wanted = 204
				}
				if w.Code != wanted || reached != (wanted == 200) {
					t.Errorf("%s %s of %q: %d %s", method, path, origin, w.Code, w.Body)
				}
				echoed := w.Header().Get("Access-Control-Allow-Origin")
				if (want == 200 && (echoed != origin || w.Header().Get("Vary") != "Origin")) || (want == 403 && echoed != "") {
					t.Errorf("%s %s of %q allows %q", method, path, origin, echoed)
				}
			}
		}
		// A browser comes to these from anywhere; the consent page has a rule
		// of its own.
		for _, path := range []string{"/", "/health", "/authorize", "/consent", "/auth/callback"} {
			w := ask(h, "POST", path, "name.example", "Origin: "+origin)
			if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s of %q: %d %v", path, origin, w.Code, w.Header())
			}
		}
	}
	if w := ask(h, "POST", "/mcp", "name.example", "Origin: "+public, "Origin: https://evil.example"); w.Code != 403 {
		t.Errorf("two origins: %d", w.Code)
	}
	if w := ask(h, "POST", "/mcp", "name.example", "Origin: https://evil.example"); !strings.HasPrefix(w.Body.String(), `{"jsonrpc":"2.0","error":{`) {
		t.Errorf("MCP path: %s", w.Body)
	}
	if w := ask(h, "POST", "/token", "name.example", "Origin: https://evil.example"); !strings.HasPrefix(w.Body.String(), `{"error":"invalid_request"`) {
		t.Errorf("OAuth path: %s", w.Body)
	}
}

func TestCORS(t *testing.T) {
	h := front(t)
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/openid-configuration", "/mcp/.well-known/openid-configuration"} {
		if w := ask(h, "GET", path, "name.example", "Origin: https://any.example"); w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Code != 200 {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		w := ask(h, "OPTIONS", path, "name.example", "Origin: https://any.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: mcp-protocol-version")
		if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Access-Control-Allow-Headers") != "MCP-Protocol-Version" {
			t.Errorf("preflight of %s: %d %v", path, w.Code, w.Header())
		}
	}
	w := ask(h, "OPTIONS", "/mcp", "name.example", "Origin: http://localhost:6274", "Access-Control-Request-Method: POST")
	for _, name := range []string{"Authorization", "Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "Last-Event-ID"} {
		if !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("preflight does not allow %s", name)
		}
	}
	w = ask(h, "POST", "/mcp", "name.example", "Origin: http://localhost:6274")
	for _, name := range []string{"WWW-Authenticate", "Mcp-Session-Id", "Retry-After"} {
		if !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("%s is not exposed", name)
		}
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
