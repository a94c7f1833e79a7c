package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// Who asks is the connection's address, or what the nearest trusted proxies
// say: never what stands before the first address that is no such proxy, and
// never anything when the connection comes from somewhere else.
func FuzzForwardedFor(f *testing.F) {
	f.Add("127.0.0.1:1000", "203.0.113.7, 10.0.0.1", "")
	f.Add("10.0.0.9:1000", "6.6.6.6, 203.0.113.7:4711, 10.0.0.1", "10.0.0.2")
	f.Add("[::ffff:10.0.0.9]:1", "evil, [2001:db8::1]:5, fe80::1%eth0", "")
	f.Add("203.0.113.9:5", "10.0.0.1", "127.0.0.1")
	f.Add("10.0.0.9:1", ",,,", " ")
	p := trusted([]string{"10.0.0.0/8", "127.0.0.1", "2001:db8::/32"})
	f.Fuzz(func(t *testing.T, from, header, second string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = from
		r.Header["X-Forwarded-For"] = []string{header, second}
		var got string
		p.wrap(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })(nil, r)
		if want := naiveRemote(from, header+","+second); want != hostOnly(got) {
			t.Errorf("from %q by %q and %q: %q, want %q", from, header, second, got, want)
		}
	})
}

// naiveRemote walks the list from its end by hand.
func naiveRemote(from, list string) string {
	inside := func(a netip.Addr) bool {
		s := a.Unmap().WithZone("").String()
		return strings.HasPrefix(s, "10.") || s == "127.0.0.1" || strings.HasPrefix(s, "2001:db8:")
	}
	connection, err := netip.ParseAddrPort(from)
	if err != nil || !inside(connection.Addr()) {
		return hostOnly(from)
	}
	who := hostOnly(from)
	for list != "" {
		at := strings.LastIndex(list, ",")
		word := strings.TrimSpace(list[at+1:])
		list = list[:max(at, 0)]
		addr, err := netip.ParseAddr(word)
		if err != nil {
			withPort, err := netip.ParseAddrPort(word)
			if err != nil {
				break
			}
			addr = withPort.Addr()
		}
		who = addr.Unmap().WithZone("").String()
		if !inside(addr) {
			break
		}
	}
	return who
}

func hostOnly(s string) string {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().String()
	}
	return s
}
