package policy_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
)

// folder lets everybody read what is below one folder.
var folder = policy.New([]config.Rule{{Tools: []string{}, Resources: []string{"file:///X/public/*"}}})

// The ways to write "..", "/" and what parsers drop or repair: those that lead
// out of the folder for one of the parsers that servers use, or that two parsers
// read in two ways.
var outside = []string{
	"%2e%2e/private.txt#%zz", "%2e%2e/private.txt?%zz", ".\t./private.txt", ".\n./private.txt", ".\r./private.txt", // seen
	"../private.txt", "a/../../private.txt", "..", "../", "./a", ".", "a/.", "a/..", "..?x", "..#x", "a?/../b", "a#/../b",
	"%2e%2e/private.txt", "%2E%2E/private.txt", ".%2e/private.txt", "%2e./private.txt", "%2e%2e%2fprivate.txt", "..%2fprivate.txt", "a%2f..%2f..%2fprivate.txt",
	"%252e%252e/private.txt", "%252E%252e%252fprivate.txt", "%25252e%25252e/private.txt", "%2525252e%2525252e%2525252f", "%25%32%65%25%32%65/private.txt",
	"%zz/%2e%2e/private.txt", "%/%2e%2e/private.txt", "%25zz/%252e%252e/private.txt", "%2e%2e/private.txt%", "%2e%2e/private.txt%a", "%2e%2e/%%32e",
	`..\private.txt`, `a\..\..\private.txt`, `..%5cprivate.txt`, `%2e%2e%5Cprivate.txt`, "..;/private.txt", "..;a=b/private.txt", ".;/a", "%2e%2e%3b/private.txt",
	".%09./private.txt", "%2e%0a%2e/private.txt", "..%00/private.txt", "%c0%ae%c0%ae/private.txt", "%c0%ae%c0%ae%c0%afprivate.txt", "%e0%80%ae/x", "%ff",
	" ../private.txt", "..%20/private.txt", "%20../private.txt", "..%2520/x", "a b", "a\tb", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", "a\u00a0b", "\ufeffa", "ä", "\uff0e\uff0e/private.txt", "\u2024\u2024/a", "\xff", "a\ufffdb",
	`a"b`, "a<b", "a>b", "a[b", "a]b", "a^b", "a`b", "a{b", "a|b", "a}b", "a%", "a%2", "a%2g", "a#b#c", "C|/a",
	"private.key%00.txt", "a%0a", "a%0D", "a%09", "a%7f", "a%c2%85", "%2500", "a%252500b",
	"%" + strings.Repeat("25", 40) + "2e%2e/private.txt",
}

var inside = []string{
	"a", "a/b.txt", "a//b", "..a", "a..", "...", "a/...", "..a/b", "a.b.c", "a%20b", "%C3%A4.txt", "a%2fb", "a%25", "a%2520b", ".%20.", "a?q=%20&r=/", "a#part", "a;b/c", "a:b@c", "~-._!$&'()*+,;=", "",
}

func TestNoSpellingLeavesTheFolder(t *testing.T) {
	who := person("bob@example.com")
	for _, tail := range outside {
		if uri := "file:///X/public/" + tail; folder.Resource(who, "files", uri) || folder.Template(who, "files", uri) {
			t.Errorf("%q is allowed", uri)
		}
	}
	for _, tail := range inside {
		if uri := "file:///X/public/" + tail; !folder.Resource(who, "files", uri) || !folder.Template(who, "files", uri) {
			t.Errorf("%q is refused", uri)
		}
	}
}

// Without a rule for resources there is nothing to get around: such URIs are the
// server's business.
func TestWhereTheSpellingCounts(t *testing.T) {
	who, odd := person("bob@example.com"), "note://my note/../ä"
	for _, c := range []struct {
		name  string
		rules []config.Rule
		want  bool
	}{
		{"no rules", nil, true},
		{"a rule for people", []config.Rule{{Emails: []string{"bob@example.com"}}}, true},
		{"a rule for tools that only read", []config.Rule{{ReadOnly: true}}, true},
		{"a rule for all resources", []config.Rule{{Resources: []string{"*"}}}, false},
		{"somebody else's rule for resources", []config.Rule{{}, {Emails: []string{"eve@example.com"}, Resources: []string{"x"}}}, false},
		{"somebody else's rule for tools", []config.Rule{{}, {Emails: []string{"eve@example.com"}, Tools: []string{"x"}}}, false},
		{"a rule for another server's resources", []config.Rule{{}, {Servers: []string{"git"}, Resources: []string{"x"}}}, true},
	} {
		if got := policy.New(c.rules).Resource(who, "files", odd); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	long := "file:///X/public/" + strings.Repeat("a", 8192-len("file:///X/public/"))
	if !folder.Resource(who, "files", long) || folder.Resource(who, "files", long+"a") {
		t.Error("8192 bytes are the longest")
	}
}

// RFC 3986 §3, and what begins otherwise.
func TestURIs(t *testing.T) {
	any := policy.New([]config.Rule{{Resources: []string{"*"}}})
	for uri, want := range map[string]bool{
		"file:///a": true, "x:a": true, "urn:isbn:1": true, "mailto:a@b.c": true, "x+y-1.z://h": true, "http://[2001:db8::1]:80/a": true, "http://[::1]": true, "http://u:p@h:80/": true,
		"http://a%20b/": true, "http://h:/": true, "x:": true, "x:/a": true, "x://": true, "http://h?q": true, "x:?q#f": true, "X:Z09": true, "zA0:a": true,
		"": false, "a": false, "/a": false, "//h/a": false, ":a": false, "1x:a": false, "-:a": false, "x_y:a": false, "ä:a": false, "x y:a": false, "{:a": false, "[:a": false, "@:a": false, "`:a": false,
		"http://[::1": false, "http://::1]/": false, "http://[]/": false, "http://[::1]a/": false, "http://[fe80::1%25eth0]/": false, "http://h:80a/": false, "http://h:8:0/": false, "http://h:/:": true,
		"http://a@b@c/": false, "http://a[b]@h/": false, "http://h\\@i/": false, "http://u:p@h:80:1/": false, "http://[g/]/": false,
	} {
		if got := any.Resource(person("bob@example.com"), "s", uri); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
}

func TestTemplates(t *testing.T) {
	for template, want := range map[string]bool{
		"file:///X/public/{path}": true, "file:///X/public/{+path}": true, "file:///X/public/{a}/{b}{?q,r}": true, "file:///X/public{/a*}": false, "file:///X/public/a{#part}": true,
		"file:///X/public/{path": false, "file:///X/public/{}": false, "file:///X/public/}": false, "file:///X/public/../{path}": false, "file:///X/public/%2e%2e/{path}": false,
		"file:///X/public/{a}{b} ": false, "file:///X/public/.{a}": true, "file:///X/public/.{/a}": false,
	} {
		if got := folder.Template(person("bob@example.com"), "files", template); got != want {
			t.Errorf("%q: %v", template, got)
		}
	}
}

func TestValues(t *testing.T) {
	for value, want := range map[string]bool{"": true, "re": true, "a/b": true, "Zürich 1": true, "..a": true, "..": false, "../": false, " ../": false, ".. /": false, "a/../b": false, "%2e%2e": false, ".\t.": false, `..\`: false, "a\x00": false,
		strings.Repeat("a", 8192): true, strings.Repeat("a", 8193): false} {
		if got := folder.Value("files", value); got != want {
			t.Errorf("%q: %v", value, got)
		}
		if !policy.New(nil).Value("files", value) {
			t.Errorf("%q is refused without rules", value)
		}
	}
}

// What the rule lets through, Go's parser and any number of decodings leave in
// the folder.
func FuzzURI(f *testing.F) {
	for _, tail := range append(outside, inside...) {
		f.Add(tail)
	}
	who := person("bob@example.com")
	f.Fuzz(func(t *testing.T, tail string) {
		uri := "file:///X/public/" + tail
		if !folder.Resource(who, "files", uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q: %v", uri, err)
		}
		if got := (&url.URL{Scheme: "file", Path: "/"}).ResolveReference(u).String(); got != uri && !strings.HasSuffix(uri, "#") && !strings.HasSuffix(uri, "?") {
			t.Errorf("%q is resolved to %q", uri, got)
		}
		for p, last := u.Path, ""; p != last; {
			if got := path.Clean(p); got != "/X/public" && !strings.HasPrefix(got, "/X/public/") {
				t.Errorf("%q leads to %q", uri, got)
			}
			if last = p; strings.Contains(p, "%") {
				if next, err := url.PathUnescape(p); err == nil {
					p = next
				}
			}
		}
	})
}
