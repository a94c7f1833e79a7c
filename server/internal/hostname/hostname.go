// Package hostname says what a host name is, when two are the same, and which
// of them are this machine.
//
// It never asks DNS. It folds ASCII letters only: under Unicode's rules the
// Kelvin sign equals "k", and a name on a list could be had by registering a
// look-alike.
//
// Start at [Loopback] and [Same].
package hostname

import (
	"net/netip"
	"strings"
)

// Loopback reports whether host, a name or an address without a port, with or
// without brackets, can only be this machine: localhost, 127.0.0.0/8, ::1 and
// the IPv4-mapped form. A name below localhost, a trailing dot, a zone and the
// short and octal forms of IPv4 are not: programs differ in where they lead.
func Loopback(host string) bool {
	if Same(host, "localhost") {
		return true
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok || !strings.Contains(host, ":") {
			return false
		}
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// ClientLoopback reports whether host is one of the three spellings under which
// a client on this machine is reached (RFC 8252 §7.3): redirect URIs and origins
// are compared byte for byte, so every other spelling is another place.
func ClientLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]"
}

// Lower is s with its ASCII letters in lower case.
func Lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// Same reports whether two names, or two addresses of people, differ at most in
// the case of ASCII letters.
func Same(a, b string) bool { return len(a) == len(b) && Lower(a) == Lower(b) }

// Valid reports whether s is a host name as DNS has them: ASCII letters, digits,
// "-" and "_", in labels (RFC 1123 §2.1). Other letters have their A-label.
func Valid(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}

// DomainOf is the domain of a person's address in lower case, or "" if what
// stands there is no host name. Of several "@" the last counts if those before
// it are quoted (RFC 5321 §4.1.2), else none: programs differ.
func DomainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || !Valid(address[at+1:]) {
		return ""
	}
	name := address[:at]
	if quoted := len(name) > 2 && name[0] == '"' && name[at-1] == '"'; strings.Contains(name, "@") && !quoted {
		return ""
	}
	return Lower(address[at+1:])
}
