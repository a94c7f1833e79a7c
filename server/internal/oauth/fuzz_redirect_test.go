package oauth

import (
	"slices"
	"strings"
	"testing"
)

// The rules of redirect URIs a second time, written from the specifications
// alone, character by character and without net/url: RFC 6749 §3.1.2 (absolute,
// no fragment), OAuth 2.1 §2.3.1 (exact comparison), RFC 8252 §7.3 (any port of
// a loopback address, http allowed there alone). It may allow more than the
// real thing does; what it refuses nobody may allow.

// naiveURI is an http or https URI in pieces.
type naiveURI struct{ scheme, host, port, rest string }

func naiveParse(s string) (u naiveURI, ok bool) {
	for _, c := range []byte(s) {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?[]@!$&'()*+,;=%", rune(c)) { // RFC 3986 §2, without "#"
			return u, false
		}
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return u, false
	}
	u.scheme = scheme
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	u.rest = rest[end:]
	if strings.Contains(authority, "@") {
		return u, false
	}
	u.host = authority
	if at := strings.LastIndex(authority, ":"); at > strings.LastIndex(authority, "]") {
		u.host, u.port = authority[:at], authority[at+1:]
		if u.port == "" || strings.Trim(u.port, "0123456789") != "" {
			return u, false
		}
	}
	return u, u.host != ""
}

func (u naiveURI) loopback() bool {
	return strings.EqualFold(u.scheme, "http") && slices.Contains([]string{"localhost", "127.0.0.1", "[::1]"}, u.host)
}

// naiveSame is the comparison of a presented redirect URI with a registered one.
func naiveSame(registered, presented string) bool {
	if registered == presented {
		return true
	}
	r, ok1 := naiveParse(registered)
	p, ok2 := naiveParse(presented)
	return ok1 && ok2 && r.loopback() && p.loopback() && r.host == p.host && r.rest == p.rest
}

// naiveAllowed is whether the answer may go to uri at all.
func naiveAllowed(uri string, list []string, loopback bool) bool {
	u, ok := naiveParse(uri)
	if !ok || strings.Contains(uri, "#") || !strings.EqualFold(u.scheme, "https") && !u.loopback() && strings.EqualFold(u.scheme, "http") {
		return false
	}
	for _, never := range []string{"javascript", "data", "file", "vbscript", "blob"} {
		if strings.EqualFold(u.scheme, never) {
			return false
		}
	}
	if (u.host == "bridge.example" && (u.port == "" || u.port == "443")) || u.loopback() && u.port == "8000" {
		return false // ourselves
	}
	return loopback && u.loopback() || slices.ContainsFunc(list, func(l string) bool { return naiveSame(l, uri) })
}

// Nothing outside the rules is allowed: not by the list, not for a client that
// registered one address and presents another.
func FuzzRedirectAgainstRules(f *testing.F) {
	for _, s := range [][2]string{
		{"http://localhost/cb", "http://localhost:1234/cb"}, {"http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"}, {"http://[::1]/", "http://[::1]:80/"},
		{"https://client.example/cb", "https://client.example:443/cb"}, {"https://client.example/cb?x", "https://client.example/cb?x&y"},
		{"http://localhost/cb", "http://localhost:8000/cb"}, {"com.example.app://cb/", "com.example.app://cb/"}, {"http://localhost:1/a:1", "http://localhost:1/a"},
		{"http://localhost:1/localhost:1", "http://localhost:2/localhost:2"}, {"http://localhost/cb", "HTTP://localhost/cb"}, {"http://localhost/cb", "http://LOCALHOST/cb"},
	} {
		f.Add(s[0], s[1], true)
		f.Add(s[0], s[1], false)
	}
	f.Fuzz(func(t *testing.T, registered, presented string, loopback bool) {
		list := []string{"https://client.example/cb", "http://localhost:1/cb", "com.example.app://cb/"}
		policy := RedirectPolicy{URIs: list, Loopback: loopback, Own: []string{"bridge.example:443", "127.0.0.1:8000"}}
		if policy.Check(presented) == nil && !naiveAllowed(presented, list, loopback) {
			t.Errorf("%q is allowed", presented)
		}
		s := &Grants{opts: Options{Redirects: policy}}
		got, err := s.ProveRedirect(&Client{Kind: KindDCR, RedirectURIs: []string{registered}}, presented)
		switch {
		case err != nil:
		case presented == "" && got != registered:
			t.Errorf("none presented: %q, of a client with %q", got, registered)
		case presented != "" && (got != presented || !naiveSame(registered, presented) || !naiveAllowed(presented, list, loopback)):
			t.Errorf("registered %q, presented %q, answered to %q", registered, presented, got)
		}
	})
}
