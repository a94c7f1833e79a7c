package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// proxies are the reverse proxies that the person trusts to say who asks.
type proxies []netip.Prefix

func trusted(list []string) proxies {
	var p proxies
	for _, s := range list {
		if prefix, err := config.ParseProxy(s); err == nil { // validated when it was read
			p = append(p, prefix)
		}
	}
	return p
}

func (p proxies) has(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// wrap gives requests of trusted proxies the address of whom the proxy speaks
// for: the last in X-Forwarded-For that is no trusted proxy itself. What stands
// before it anyone can send. Of all other requests the header counts for nothing.
func (p proxies) wrap(next http.HandlerFunc) http.HandlerFunc {
	if len(p) == 0 {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !p.has(from.Addr()) {
			next(w, r)
			return
		}
		hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
		for _, hop := range slices.Backward(hops) {
			addr, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				break
			}
			r.RemoteAddr = net.JoinHostPort(addr.String(), "0")
			if !p.has(addr) {
				break
			}
		}
		next(w, r)
	}
}

// parseHop reads an address, with a port as some proxies add it or without.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap().WithZone(""), err == nil
}
