package hostname_test

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// The spellings of this machine, and of what only looks like it.
func TestLoopback(t *testing.T) {
	for host, want := range map[string]struct{ loopback, client bool }{
		"localhost": {true, true}, "127.0.0.1": {true, true}, "::1": {true, true}, "[::1]": {true, true},
		"LOCALHOST": {true, false}, "LocalHost": {true, false}, "127.0.0.2": {true, false}, "127.255.255.255": {true, false},
		"::ffff:127.0.0.1": {true, false}, "[::ffff:127.0.0.1]": {true, false}, "::FFFF:7f00:1": {true, false}, "0:0:0:0:0:0:0:1": {true, false},
		"localhost.": {}, "127.0.0.1.": {}, "a.localhost": {}, "localhost.evil.com": {}, "127.0.0.1.evil.com": {},
		"localhost:80": {}, "127.0.0.1:80": {}, "[::1]:80": {}, "[::1": {}, "::1]": {}, "[localhost]": {}, "[127.0.0.1]": {}, "::1%lo": {}, "[::1%25lo]": {},
		"127.1": {}, "0177.0.0.1": {}, "0x7f.0.0.1": {}, "2130706433": {}, "127.0.0.01": {}, "128.0.0.1": {}, "126.255.255.255": {},
		"0.0.0.0": {}, "::": {}, "::2": {}, "::127.0.0.1": {}, "64:ff9b::127.0.0.1": {}, "10.0.0.1": {}, "": {}, " localhost": {},
		"lo\u212aalhost": {}, "loca\u017fhost": {}, "localho\u017ft": {}, "ｌocalhost": {}, "①27.0.0.1": {}, "127。0。0。1": {},
	} {
		if got := hostname.Loopback(host); got != want.loopback {
			t.Errorf("Loopback(%q) is %v", host, got)
		}
		if got := hostname.ClientLoopback(host); got != want.client {
			t.Errorf("ClientLoopback(%q) is %v", host, got)
		}
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"kraken.io", "KRAKEN.io", true}, {"a-z@[`{", "A-Z@[`{", true}, {"", "", true},
		{"kraken.io", "\u212araken.io", false}, {"kraken.io", "kraken.\u0130o", false}, {"kraken.io", "kraken.\u0131o", false},
		{"sales.example", "\u017fales.example", false}, {"kraken.io", "kraken.io.", false}, {"[", "{", false}, {"@", "`", false}, {"ä", "Ä", false},
	} {
		if got := hostname.Same(c.a, c.b); got != c.same {
			t.Errorf("Same(%q, %q) is %v", c.a, c.b, got)
		}
	}
	for in, want := range map[string]string{"": "", "abc": "abc", "aBZ@[`{Ä": "abz@[`{Ä", "\u212aA": "\u212aa"} {
		if got := hostname.Lower(in); got != want {
			t.Errorf("Lower(%q) is %q", in, got)
		}
	}
}

func TestDomainOf(t *testing.T) {
	for address, want := range map[string]string{
		"eve@kraken.io": "kraken.io", "Eve@KRAKEN.IO": "kraken.io", "jürgen@example.com": "example.com", "eve@xn--bcher-kva.example": "xn--bcher-kva.example",
		"eve@\u212araken.io": "", "eve@kraken.\u0130o": "", "eve@kraken.io\u200b": "", "eve@bücher.example": "", "eve@kraken.io.": "", "eve@.kraken.io": "",
		"eve@evil.example@kraken.io": "", `"eve@evil.example"@kraken.io`: "kraken.io", `"eve@evil.example@kraken.io`: "", `"@kraken.io`: "kraken.io", `"@"@kraken.io`: "kraken.io", `@"@kraken.io`: "", "@kraken.io": "", "kraken.io": "", "eve@": "", "": "", "eve@kraken.io ": "", "eve@kraken\x00.io": "",
	} {
		if got := hostname.DomainOf(address); got != want {
			t.Errorf("DomainOf(%q) is %q, want %q", address, got, want)
		}
	}
	long := ""
	for range 63 {
		long += "a"
	}
	for name, want := range map[string]bool{
		"example.com": true, "a_b.example": true, "localhost": true, long: true, long + "a": false, "-a.example": false, "a-.example": false, "a..b": false, "": false,
		long + "." + long + "." + long + "." + long[:61]: true, long + "." + long + "." + long + "." + long[:62]: false, "a/b": false, "a:1": false, "@": false, "A.Z9": true, "a`": false, "a[": false, "a{": false, "a:": false,
	} {
		if got := hostname.Valid(name); got != want {
			t.Errorf("Valid(%q) is %v", name, got)
		}
	}
}
