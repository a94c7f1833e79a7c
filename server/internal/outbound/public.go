package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// ErrPrivate stops a fetch that strangers make us do from reaching what only this
// computer or its network can (server-side request forgery).
var ErrPrivate = errors.New("the address is not on the public internet")

// blocked are the parts of otherwise public space that lead elsewhere: the
// IANA special-purpose registries (RFC 6890), IPv6 ways around IPv4 rules
// (6to4, Teredo) among them. NAT64 and IPv4-mapped lie outside 2000::/3.
var blocked = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	p := make([]netip.Prefix, len(list))
	for i, s := range list {
		p[i] = netip.MustParsePrefix(s)
	}
	return p
}

// public reports whether addr is on the public internet.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" || addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, p := range blocked {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// Side is where a server is, by its name alone: DNS is not asked, since whoever
// answers for a name can answer otherwise the next time.
type Side int

// The sides. What a server names may be on its own side or further out.
const (
	Outside Side = iota // the public internet
	Inside              // a private network
	Here                // this computer
)

// SideOf is the side of a host, a name or an address.
func SideOf(host string) Side {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case hostname.Loopback(host):
		return Here
	case err == nil && !public(addr), err != nil && !publicName(host):
		return Inside
	}
	return Outside
}

// reaches reports whether what is named from s may be at addr. Link-local
// addresses are nobody's: there clouds keep their secrets.
func (s Side) reaches(addr netip.Addr) bool {
	return public(addr) || s >= Inside && addr.Unmap().IsPrivate() || s == Here && addr.Unmap().IsLoopback()
}

// Public fetches what strangers name: public addresses only, no redirects, little
// time.
func (n *Network) Public() *http.Client { return n.Named("") }

// Named fetches what the server at host names. It is Public, but that host itself
// may be anywhere, and what else there is on its side of the network. A proxy
// resolves names for us, so by it nobody can look at the address: then a name has
// to be one that the public internet could have.
func (n *Network) Named(host string) *http.Client {
	side, patience := Outside, time.Duration(1) // clients wait ten seconds for the whole of /authorize
	if host != "" {
		side, patience = SideOf(host), 5
	}
	free := &net.Dialer{Timeout: 3 * time.Second}
	dialer := &net.Dialer{Timeout: 3 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		// The address really dialled, so that a name that resolves differently the
		// second time gains nothing.
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial %s: %w", address, err)
		}
		if !side.reaches(ap.Addr()) {
			return ErrPrivate
		}
		return nil
	}}
	direct, proxied := n.Transport(), n.Transport()
	direct.Proxy, direct.DialContext = nil, func(ctx context.Context, network, address string) (net.Conn, error) {
		if to, _, _ := net.SplitHostPort(address); host != "" && hostname.Same(to, strings.Trim(host, "[]")) {
			return free.DialContext(ctx, network, address)
		}
		return dialer.DialContext(ctx, network, address)
	}
	for _, t := range []*http.Transport{direct, proxied} {
		t.TLSHandshakeTimeout, t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes, t.DisableKeepAlives = 3*patience*time.Second, 4*patience*time.Second, 16<<10, true
	}
	return &http.Client{
		Timeout:       5 * patience * time.Second,
		Transport:     byProxy{n, side, direct, proxied},
		CheckRedirect: noRedirects,
	}
}

// byProxy takes the proxy where there is one for a URL.
type byProxy struct {
	network         *Network
	side            Side
	direct, proxied http.RoundTripper
}

func (t byProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := t.network.ProxyOf(req.URL)
	switch {
	case err != nil:
		return nil, err
	case proxy == nil:
		return t.direct.RoundTrip(req)
	case SideOf(req.URL.Hostname()) > t.side || t.side == Outside && !publicName(req.URL.Hostname()):
		return nil, ErrPrivate
	}
	return t.proxied.RoundTrip(req)
}

// inside are the last labels of names that are never public (RFC 6761, 6762,
// 8375; ICANN reserved internal).
var inside = []string{"localhost", "local", "internal", "arpa", "test", "invalid", "onion", "lan", "home", "corp", "intranet"}

// publicName reports whether host is a name of several labels, no address in any
// spelling (WHATWG: one whose last label is a number is one), and not of a
// network's own.
func publicName(host string) bool {
	at := strings.LastIndexByte(host, '.')
	last := hostname.Lower(host[at+1:])
	return at > 0 && hostname.Valid(host) && !strings.ContainsAny(last[:1], "0123456789") && !slices.Contains(inside, last)
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
