package assets

import (
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what strangers put where a name, a scope or an address belongs.
var hostile = []string{
	`</bdi></h1><script>alert(1)</script><img src=x onerror=alert(1)>`,
	`</style></textarea></title><svg onload=alert(1)>`,
	`"><input name=action value=approve><button name=action value=approve>`,
	`' autofocus onfocus='alert(1)`,
	`{{.CSRF}}{{template "top"}}`,
	"javascript:alert(1)",
	"Cla\u202Eedu\u2066 \u200Bby\u200F mistake",
	"first line\r\nsecond\x00\x1b[31m line\u2028third",
	"not \xff\xfe UTF-8",
	strings.Repeat("W", 200),
	"Z" + strings.Repeat("\u0301", 200) + "a",
	strings.Repeat("many words ", 500),
}

// A hostile value may change the words of a page, never its elements.
func TestPagesShowHostileTextAsText(t *testing.T) {
	for name, write := range map[string]func(w io.Writer, s string) error{
		"consent": func(w io.Writer, s string) error {
			return Consent(w, ConsentPage{ClientName: s, ClientHost: s, RedirectURI: "https://x/" + s, ClientKind: s, ClientID: s,
				Scopes: []string{s}, Provider: s, ServerName: s, MCPURL: s, Flow: "f", CSRF: "c", MayRemember: true})
		},
		"error": func(w io.Writer, s string) error {
			return Error(w, ErrorPage{Title: s, What: s, Do: s, EventID: s, ServerName: s})
		},
		"index": func(w io.Writer, s string) error {
			return Index(w, IndexPage{MCPURL: s, ServerName: s})
		},
	} {
		page := func(s string) string {
			return render(t, func(w io.Writer) error { return write(w, s) })
		}
		want := skeleton(parse(t, page("harmless")))
		for _, s := range hostile {
			got := page(s)
			if skeleton(parse(t, got)) != want {
				t.Errorf("%s: %q changes the page's elements:\n%s", name, s, got)
			}
			if !utf8.ValidString(got) || strings.ContainsFunc(got, disguise) {
				t.Errorf("%s: %q reaches the page with its disguise", name, s)
			}
		}
	}
}

// disguise reports characters that reorder or hide others.
func disguise(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\n' || r == '\u2028' || r == '\u2029'
}

func TestPlain(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"an ordinary name", "Claude", "Claude"},
		{"other scripts and joiners", "می\u200Cخواهم 👩\u200D💻", "می\u200Cخواهم 👩\u200D💻"},
		{"newlines and runs of space", " a\r\n\tb\u00A0\u2003c ", "a b c"},
		{"bidi overrides", "Cla\u202Eedu", "Cla\uFFFDedu"},
		{"zero width and private use", "a\u200Bb\uFEFFc\uE000", "a\uFFFDb\uFFFDc\uFFFD"},
		{"letters that look empty", "\u3164\u2800", ""},
		{"bad UTF-8", "a\xffb", "a\uFFFDb"},
		{"towers of accents", "e" + strings.Repeat("\u0301", 9) + "!", "e\u0301\u0301\u0301!"},
		{"exactly the longest", "0123456789AB", "0123456789AB"},
		{"too long", "0123456789ABC", "0123456789A…"},
	} {
		if got := plain(c.in, 12); got != c.want {
			t.Errorf("%s: %q gives %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"https://claude.ai/cb?a=b&c=%20": "https://claude.ai/cb?a=b&c=%20",
		"xn--80ak6aa92e.com":             "xn--80ak6aa92e.com",
		"[::1]":                          "[::1]",
		"\u0430pple.com":                 "%D0%B0pple.com", // a Cyrillic a
		"a b\n\u202E\xff":                "a%20b%0A%E2%80%AE%FF",
	} {
		if got := address(in); got != want {
			t.Errorf("address(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := plain(s, maxName)
		if n := utf8.RuneCountInString(got); n > maxName {
			t.Errorf("%d characters", n)
		}
		joiner := func(r rune) bool { return r != '\u200C' && r != '\u200D' && (disguise(r) || r == '\n') }
		if strings.ContainsFunc(got, joiner) || !utf8.ValidString(got) {
			t.Errorf("%q keeps its disguise: %q", s, got)
		}
	})
}
