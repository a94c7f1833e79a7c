package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// Validate checks every value and returns all problems, joined, each an
// [*Error] without a place. A value that is not set is no problem here; see
// [Config.Missing].
func (c Config) Validate() error {
	var errs []error
	bad := func(key, says string) {
		if says != "" {
			errs = append(errs, &Error{Key: key, Msg: display(strings.Split(strings.TrimRight(key, "[]0123456789"), ".")) + " " + says})
		}
	}
	each := func(key string, all []string, check func(string) string) {
		for i, s := range all {
			bad(fmt.Sprintf("%s[%d]", key, i), check(s))
		}
	}
	optional := func(key, s string, check func(string) string) {
		if s != "" {
			bad(key, check(s))
		}
	}
	optional("public_url", c.PublicURL, checkPublicURL)
	bad("listen", checkListen(c.Listen))
	optional("idp.issuer", c.IDP.Issuer, checkIssuer)
	optional("idp.client_id", c.IDP.ClientID, checkPrintable)
	optional("idp.audience", c.IDP.Audience, checkPrintable)
	each("idp.scopes", c.IDP.Scopes, checkScope)
	if !slices.Contains(c.IDP.Scopes, "openid") {
		bad("idp.scopes", `must contain "openid": without it the provider does not say who signs in`)
	}
	if p := c.Tunnel.Provider; p != "" && p != TunnelNgrok && p != TunnelNone {
		bad("tunnel.provider", `must be "ngrok" or "none"`)
	}
	optional("tunnel.domain", c.Tunnel.Domain, checkHost)
	optional("tunnel.connect_url", c.Tunnel.ConnectURL, checkHostPort)
	optional("tunnel.connect_cas", c.Tunnel.ConnectCAs, checkPrintable)
	each("tunnel.trusted_proxies", c.Tunnel.TrustedProxies, checkProxy)
	each("access.emails", c.Access.Emails, checkEmail)
	each("access.domains", c.Access.Domains, checkDomain)
	each("access.groups", c.Access.Groups, checkPrintable)
	each("clients.redirect_uris", c.Clients.RedirectURIs, checkRedirectURI)
	each("clients.allowed", c.Clients.Allowed, checkRedirectURI)
	checkTokens(c.Tokens, bad)
	if n := c.Limits.CallsPerMinute; n < 0 || n > maxCallsPerMinute {
		bad("limits.calls_per_minute", fmt.Sprintf("must be between 0, which is no limit, and %d", maxCallsPerMinute))
	}
	for i, r := range c.Access.Rules {
		errs = append(errs, checkRule(fmt.Sprintf("%s[%d]", ruleTable, i), r)...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		errs = append(errs, checkSettings(name, c.Servers[name])...)
	}
	return errors.Join(errs...)
}

// maxCallsPerMinute is more than one session can make, and finds what was meant
// for something else.
const maxCallsPerMinute = 1_000_000

func checkTokens(t Tokens, bad func(key, says string)) {
	if t.Access < time.Second {
		bad("tokens.access", shortDuration)
	}
	if t.Refresh < time.Second {
		bad("tokens.refresh", shortDuration)
	}
	switch {
	case t.Access <= t.Refresh:
	case t.Access == Default().Tokens.Access: // the other one was written
		bad("tokens.refresh", "must not be shorter than `access`, which is 30m unless set")
	default:
		bad("tokens.access", "must not be longer than `refresh`, which ends the session")
	}
}

// normalise writes what can be spelled in several ways in one way: tokens are
// bound to the public URL's letters.
func (c *Config) normalise() {
	if checkPublicURL(c.PublicURL) == "" {
		u, _ := url.Parse(c.PublicURL)
		host := hostname.Lower(u.Host)
		if u.Scheme == "https" {
			host = strings.TrimSuffix(host, ":443")
		} else {
			host = strings.TrimSuffix(host, ":80")
		}
		c.PublicURL = u.Scheme + "://" + strings.TrimSuffix(host, ":")
	}
	for _, l := range []*[]string{&c.Tunnel.TrustedProxies, &c.Access.Emails, &c.Access.Domains, &c.Access.Groups} {
		if len(*l) == 0 {
			*l = nil
		}
	}
	if len(c.Access.Rules) == 0 {
		c.Access.Rules = nil
	}
	if len(c.Servers) == 0 {
		c.Servers = nil
	}
	c.Servers = maps.Clone(c.Servers) // the caller's stays as it is
	for name, s := range c.Servers {
		if len(s.Ask) == 0 {
			s.Ask = nil
		}
		s.Idle = max(s.Idle, never)
		c.Servers[name] = s
	}
}

// Each check returns "" or what the value must be.

func checkPublicURL(s string) string {
	const says = "must be https://HOST, with nothing after the host (http only on this machine: localhost, 127.0.0.1, [::1])"
	u := webURL(s)
	if u == nil || strings.Trim(u.Path, "/") != "" || len(u.Path) > 1 {
		return says
	}
	return ""
}

func checkIssuer(s string) string {
	if webURL(s) == nil {
		return "must be the https URL that the provider calls its issuer, such as https://dev-123.okta.com/oauth2/default (http only on this machine)"
	}
	return ""
}

// webURL parses an https URL, or an http URL on loopback, that has neither
// user, query nor fragment; else it returns nil.
func webURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || strings.ContainsAny(s, "?#@\\") || strings.ContainsFunc(s, notPrintable) {
		return nil
	}
	if checkHost(u.Hostname()) != "" && net.ParseIP(u.Hostname()) == nil {
		return nil
	}
	if p := u.Port(); p != "" && !isPort(p) {
		return nil
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !hostname.Loopback(u.Hostname())) {
		return nil
	}
	return u
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

func checkListen(s string) string {
	if checkHostPort(s) != "" {
		return `must be an address and a port, such as "127.0.0.1:8000" ("0.0.0.0:8000" listens to the whole network)`
	}
	return ""
}

func checkHostPort(s string) string {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !isPort(port) || checkHost(host) != "" && net.ParseIP(host) == nil {
		return `must be a host and a port, such as "host.example.com:443"`
	}
	return ""
}

// checkProxy takes what [ParseProxy] does.
func checkProxy(s string) string {
	if _, err := ParseProxy(s); err != nil {
		return `must have one IP address or network in each text, such as "127.0.0.1" or "10.0.0.0/8"`
	}
	return ""
}

// ParseProxy reads one of [Tunnel.TrustedProxies]; a single address is a
// network of its own.
func ParseProxy(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return addr.Prefix(addr.BitLen())
}

// checkHost takes a host name as DNS has them.
func checkHost(s string) string {
	if !hostname.Valid(s) {
		return `must be a host name alone, such as "name.ngrok.app"`
	}
	return ""
}

// checkScope takes a scope-token of RFC 6749 §3.3.
func checkScope(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r > '~' }) {
		return "must have one scope in each text, without spaces"
	}
	return ""
}

func checkEmail(s string) string {
	name, domain, ok := strings.Cut(s, "@")
	if !ok || name == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsFunc(s, notVisible) || strings.ContainsAny(s, "*,;") {
		return `must have one whole address in each text, such as "ana@example.com"; whole organisations go into domains`
	}
	return ""
}

func checkDomain(s string) string {
	s = strings.TrimPrefix(s, "@")
	if s == "" || strings.ContainsAny(s, "@*,;/:") || strings.ContainsFunc(s, notVisible) {
		return `must have one domain in each text, such as "example.com", without patterns`
	}
	return ""
}

func checkPrintable(s string) string {
	if s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, notPrintable) {
		return "must be a printable text without space around it"
	}
	return ""
}

// checkRedirectURI takes what RFC 6749 §3.1.2 and RFC 8252 §7 allow: https,
// http on loopback, or an app's own scheme.
func checkRedirectURI(s string) string {
	const says = "must have one exact URL in each text: https, http on this machine, or an app's own scheme; no #, no patterns"
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.User != nil || strings.ContainsAny(s, "#*\\") || strings.ContainsFunc(s, notVisible) {
		return says
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return says
		}
	case "http":
		if !hostname.ClientLoopback(u.Hostname()) {
			return says
		}
	case "javascript", "data", "file", "vbscript", "blob", "about", "ftp", "ws", "wss":
		return says
	}
	return ""
}

// notPrintable takes what stands for bytes that are no UTF-8 as well: TOML has
// no way to write those.
func notPrintable(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }
func notVisible(r rune) bool   { return !strconv.IsGraphic(r) || r == ' ' || notPrintable(r) }
