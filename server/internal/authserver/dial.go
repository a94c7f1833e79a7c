package authserver

import (
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
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// errPrivateAddress stops a fetch that strangers make us do from reaching what
// only this computer or its network can (server-side request forgery).
var errPrivateAddress = errors.New("the address is not on the public internet")

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

// publicOnly is a dialer's Control: it sees the address really dialled, so a
// name that resolves differently the second time gains nothing.
func publicOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	if !public(ap.Addr()) {
		return errPrivateAddress
	}
	return nil
}

// PublicClient fetches what strangers name: public addresses only, no redirects,
// little time. A proxy resolves names for us, so by it nobody can look at the
// address: then a name has to be one that the public internet could have.
func PublicClient(n *outbound.Network) *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second, Control: publicOnly}
	direct, proxied := n.Transport(), n.Transport()
	direct.Proxy, direct.DialContext = nil, dialer.DialContext
	for _, t := range []*http.Transport{direct, proxied} {
		t.TLSHandshakeTimeout, t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes, t.DisableKeepAlives = 3*time.Second, 4*time.Second, 16<<10, true
	}
	return &http.Client{
		Timeout:       5 * time.Second, // clients wait ten for the whole of /authorize
		Transport:     byProxy{n, direct, proxied},
		CheckRedirect: noRedirects,
	}
}

// byProxy takes the proxy where there is one for a URL.
type byProxy struct {
	network         *outbound.Network
	direct, proxied http.RoundTripper
}

func (t byProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := t.network.ProxyOf(req.URL)
	switch {
	case err != nil:
		return nil, err
	case proxy == nil:
		return t.direct.RoundTrip(req)
	case !publicName(req.URL.Hostname()):
		return nil, errPrivateAddress
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
