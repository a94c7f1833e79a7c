package limit

import (
	"net"
	"net/netip"
)

// Actor is what one household or host counts as, wherever room or requests are
// divided: an IPv4 address, or the /64 that an IPv6 host can pick its addresses
// from. What is no address at all counts as one.
func Actor(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits) // bits fit by construction
	return p
}

// Address is the address in an [http.Request]'s RemoteAddr, without its port.
// What stands in X-Forwarded-* anyone can send, so it counts for nothing here.
func Address(remoteAddr string) string {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}
	return host
}
