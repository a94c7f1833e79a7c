package oauth

import (
	"strings"
	"testing"
)

func TestRedirectPolicy(t *testing.T) {
	policy := RedirectPolicy{Loopback: true, Own: []string{"bridge.example:443", "127.0.0.1:8000", "[::]:9000"},
		URIs: []string{"https://claude.ai/api/mcp/auth_callback", "cursor://anysphere.cursor-mcp/oauth/callback", "javascript://x/%0aalert(1)",
			"com.example.app:/cb", "com.example.app:///cb", "com.example.app:cb", "com.example.app:/a/../b", "exampleapp:/cb", "com.:/cb", "https:/evil.example/cb", "javascript:/cb"}}
	cases := []struct {
		uri string
		ok  bool
	}{
		{"https://claude.ai/api/mcp/auth_callback", true},
		{"cursor://anysphere.cursor-mcp/oauth/callback", true},
		{"http://localhost:3000/cb", true},
		{"http://localhost/cb?x=1", true},
		{"http://127.0.0.1:65535/cb", true},
		{"http://[::1]:1/cb", true},
		{"https://evil.example/cb", false},
		{"https://claude.ai/api/mcp/auth_callback/", false},
		{"https://claude.ai/api/mcp/auth_callback?x", false},
		{"https://CLAUDE.ai/api/mcp/auth_callback", false}, // byte for byte
		{"https://claude.ai:443/api/mcp/auth_callback", false},
		{"https://claude.ai/api/mcp/x/../auth_callback", false},
		{"http://localhost/callback/../../steal", false},
		{"http://localhost/callback/%2e%2e/steal", false},
		{"http://localhost/callback/%2E./steal", false},
		{"http://localhost/callback/./steal", false},
		{"http://localhost/callback/..", false},
		{"http://localhost/callback%2f..%2fsteal", false},
		{"http://localhost/callback/..;x/steal", false},
		{"http://localhost/a\\..\\b", false},
		{"http://localhost.evil.com/cb", false},
		{"http://127.0.0.1.evil.com/cb", false},
		{"http://localhost./cb", false},
		{"http://LOCALHOST/cb", false},
		{"http://127.0.0.2/cb", false},
		{"http://127.1/cb", false},
		{"http://[::ffff:127.0.0.1]/cb", false},
		{"http://0.0.0.0/cb", false},
		{"http://user@localhost/cb", false},
		{"http://localhost@evil.com/cb", false},
		{"http://localhost/cb#fragment", false},
		{"http://localhost/cb#", false},
		{"https://localhost/cb", false}, // loopback is plain http
		{"http://evil.example/cb", false},
		{"com.example.app:/cb", true}, // RFC 8252 §7.1, listed
		{"com.example.app:///cb", true},
		{"COM.example.app:/cb", false}, // byte for byte
		{"com.example.app:/cb/", false},
		{"com.example.app:/other", false},
		{"org.example.app:/cb", false},     // unlisted
		{"com.example.app:cb", false},      // no path, although it is on the list
		{"com.example.app:/a/../b", false}, // although it is on the list
		{"exampleapp:/cb", false},          // no period (§8.4), although it is on the list
		{"com.:/cb", false},                // no domain, although it is on the list
		{"https:/evil.example/cb", false},  // a browser reads a host, although it is on the list
		{"javascript:/cb", false},          // although it is on the list
		{"javascript:alert(1)", false},
		{"JavaScript:alert(1)", false},
		{"java\tscript:alert(1)", false},
		{"javascript://x/%0aalert(1)", false}, // although it is on the list
		{"data:text/html,x", false},
		{"vbscript:x", false},
		{"file:///etc/passwd", false},
		{"//localhost/cb", false},
		{"/cb", false},
		{"", false},
		{"http://localhost/c b", false},
		{"http://localhost/c\nb", false},
		{"http://localhost/ü", false},
		{"http://localhost/cb?code=1", false},
		{"http://localhost/cb?iss=x", false},
		{"http://localhost/cb?a=%zz", false},
		{"https://bridge.example/auth/callback", false}, // ourselves
		{"http://127.0.0.1:8000/auth/callback", false},
		{"http://localhost:8000/auth/callback", false},
		{"http://[::1]:8000/x", false},
		{"http://localhost:08000/auth/callback", false}, // a browser reads 8000
		{"http://localhost:65536/cb", false},
		{"http://localhost:9000/auth/callback", false}, // we listen on every address there
	}
	for _, c := range cases {
		if err := policy.Check(c.uri); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.uri, err)
		}
	}
}

func TestSameRedirect(t *testing.T) {
	cases := []struct {
		registered, presented string
		same                  bool
	}{
		{"http://localhost/callback", "http://localhost:54321/callback", true}, // RFC 8252 §7.3
		{"http://localhost:1/callback", "http://localhost:2/callback", true},
		{"http://[::1]:1/1:1", "http://[::1]:2/1:1", true},
		{"http://[::1]:1/cb", "http://[::1]/cb", true},
		{"http://localhost:1/callback", "http://127.0.0.1:1/callback", false},
		{"http://localhost:1/callback", "http://localhost:1/callback/", false},
		{"http://localhost:1/callback?a=1", "http://localhost:1/callback?a=2", false},
		{"http://localhost:1/callback", "https://localhost:1/callback", false},
		{"http://localhost:1/cb", "https://evil.example/cb", false},
		{"https://a.example/cb", "https://a.example:444/cb", false},
		{"http://localhost:80/x:80", "http://localhost:81/x:80", true},
		{"http://localhost:80/x:80", "http://localhost:81/x:81", false},
	}
	for _, c := range cases {
		if sameRedirect(c.registered, c.presented) != c.same {
			t.Errorf("%s and %s: want %v", c.registered, c.presented, c.same)
		}
	}
}

func TestTarget(t *testing.T) { // RFC 8707 §2
	ours := []string{"https://bridge.example/mcp"}
	cases := []struct {
		given string
		ok    bool
	}{
		{"https://bridge.example/mcp", true},
		{"https://bridge.example/mcp/", true},
		{"HTTPS://Bridge.Example/mcp", true},
		{"https://bridge.example:443/mcp", true},
		{"https://bridge.example/mcp?kb_name=x", true}, // ChatGPT
		{"https://bridge.example/mcp#x", false},
		{"https://bridge.example/", true}, // ChatGPT, Claude Code
		{"https://bridge.example", true},
		{"https://bridge.example:443", true},
		{"https://bridge.example/?x=1", true},
		{"https://bridge.example//", false},
		{"https://bridge.example/#x", false},
		{"https://bridge.example:8443/", false},
		{"https://bridge.example/MCP", false},
		{"https://bridge.example/mcp/x", false},
		{"https://bridge.example/s/files/mcp", false},
		{"http://bridge.example/mcp", false},
		{"https://bridge.example.evil.com/mcp", false},
		{"https://u@bridge.example/mcp", false},
		{"mcp", false},
		{"", true}, // RFC 6749 §3.1
	}
	for _, c := range cases {
		if got, err := target([]string{c.given}, ours, ours[0]); (err == nil) != c.ok || c.ok && got != ours[0] {
			t.Errorf("%q: %q, %v", c.given, got, err)
		}
	}
	files := []string{"https://bridge.example/s/files/mcp"} // of a grant for one server
	for _, given := range []string{"https://bridge.example", "https://bridge.example/", "https://bridge.example/mcp"} {
		if got, err := target([]string{given}, files, ours[0]); err == nil {
			t.Errorf("%q opens %s", given, got)
		}
	}
	for _, c := range []struct {
		given []string
		want  string
	}{
		{nil, ours[0]},
		{[]string{""}, ours[0]},
		{[]string{"", files[0]}, files[0]},
		{[]string{"https://bridge.example/", ours[0]}, ours[0]},
		{[]string{"https://bridge.example/", files[0]}, ""}, // two places
	} {
		if got, err := target(c.given, append(ours, files...), ours[0]); got != c.want && (c.want != "" || err == nil) {
			t.Errorf("%q: %q, %v", c.given, got, err)
		}
	}
}

func FuzzRedirectPolicy(f *testing.F) {
	for _, s := range []string{"http://localhost/cb", "https://claude.ai/api/mcp/auth_callback", "javascript:x", "http://[::1]:1/%2e%2e/x?code"} {
		f.Add(s)
	}
	policy := RedirectPolicy{URIs: []string{"https://claude.ai/api/mcp/auth_callback"}, Loopback: true}
	f.Fuzz(func(t *testing.T, uri string) {
		if policy.Check(uri) == nil && uri != policy.URIs[0] && !naiveLoopback(uri) {
			t.Errorf("%q was allowed", uri)
		}
	})
}

// naiveLoopback is the rule written a second time, by hand and without a parser.
func naiveLoopback(uri string) bool {
	rest, ok := cutFold(uri, "http://")
	if !ok {
		return false
	}
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if after, ok := cutPrefix(rest, host); ok {
			for len(after) > 0 && after[0] == ':' || len(after) > 0 && after[0] >= '0' && after[0] <= '9' {
				after = after[1:]
			}
			return after == "" || after[0] == '/' || after[0] == '?'
		}
	}
	return false
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return "", false
	}
	return s[len(prefix):], true
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || strings.ToLower(s[:len(prefix)]) != prefix {
		return "", false
	}
	return s[len(prefix):], true
}
