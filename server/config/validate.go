package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// Validate checks every value and returns all problems, joined, each an
// [*Error] without a place. A value that is not set is no problem here; see
// [Config.Missing].
func (c Config) Validate() error {
	errs := checkKeys(fileKeys, reflect.ValueOf(c), "", func(k key) string { return display(strings.Split(k.path, ".")) + " " })
	bad := func(key, says string) {
		errs = append(errs, &Error{Key: key, Msg: display(strings.Split(key, ".")) + " " + says})
	}
	if c.Listen == "" {
		bad("listen", checkListen(""))
	}
	if len(c.IDP.Tenants) == 0 && ManyTenants(c.IDP.Issuer) && c.decidesByTenant() {
		bad("idp.tenants", "must name the tenants that may sign in: this issuer stands for every organisation at Microsoft, and any of them may have a group of the same name")
	}
	if !slices.Contains(c.IDP.Scopes, "openid") {
		bad("idp.scopes", `must contain "openid": without it the provider does not say who signs in`)
	}
	switch t := c.Tokens; {
	case t.Access <= t.Refresh:
	case t.Access == Default().Tokens.Access: // the other one was written
		bad("tokens.refresh", "must not be shorter than `access`, which is 30m unless set")
	default:
		bad("tokens.access", "must not be longer than `refresh`, which ends the session")
	}
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

var manyTenants = regexp.MustCompile(`^https://(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net|([a-z0-9-]+\.)?ciamlogin\.com)/(common|organizations)/v2\.0$`)

// ManyTenants reports whether issuer stands for many of Entra's tenants, each of
// which calls itself by its own.
func ManyTenants(issuer string) bool { return manyTenants.MatchString(issuer) }

// decidesByTenant reports whether it depends on what a tenant's own
// administrator says who may sign in or use what: groups, and addresses without
// Microsoft's word for them.
func (c Config) decidesByTenant() bool {
	people := append([]Rule{{Emails: c.Access.Emails, Domains: c.Access.Domains, Groups: c.Access.Groups}}, c.Access.Rules...)
	return slices.ContainsFunc(people, func(r Rule) bool {
		return len(r.Groups)+len(r.Domains) > 0 || c.IDP.TrustEmail && len(r.Emails) > 0
	})
}

// maxCallsPerMinute is more than one session can make, and finds what was meant
// for something else.
const maxCallsPerMinute = 1_000_000

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
		if len(s.ToolsOff) == 0 {
			s.ToolsOff = nil
		}
		s.Idle = max(s.Idle, never)
		c.Servers[name] = s
	}
}

// checks are what the tag check names: each returns "" or what the value must
// be. Durations have theirs in keys.go.
var checks = map[string]func(string) string{
	"public URL": checkPublicURL, "issuer": checkIssuer, "listen": checkListen, "host": checkHost, "host and port": checkHostPort,
	"printable": checkPrintable, "scope": checkScope, "tenant": checkTenant, "tunnel provider": checkTunnelProvider, "proxy address": checkProxyAddress,
	"email": checkEmail, "domain": checkDomain, "redirect URI": checkRedirectURI, "glob": checkGlob, "proxy": checkProxy, "proxy bypass": checkBypass,
}

func checkTunnelProvider(s string) string {
	if s != TunnelNgrok && s != TunnelNone {
		return `must be "ngrok" or "none"`
	}
	return ""
}

var tenantID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// checkTenant takes Entra's tenant IDs: a sign-in names its tenant by nothing
// else.
func checkTenant(s string) string {
	if !tenantID.MatchString(s) {
		return `must have one tenant ID in each text, such as "9188040d-6c67-4c5b-b112-36a304b66dad": Entra shows it as Directory (tenant) ID`
	}
	return ""
}

// checkProxy takes the URL of a forward proxy. A password is a secret.
func checkProxy(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" || checkHost(u.Hostname()) != "" && net.ParseIP(u.Hostname()) == nil ||
		u.Path != "" && u.Path != "/" || strings.ContainsAny(s, "?#") || u.Port() != "" && !isPort(u.Port()):
		return `must be the URL of a proxy, such as "http://proxy.example.com:8080"`
	case u.User != nil:
		if _, has := u.User.Password(); has {
			return "must not hold a password, since this file holds no secret: leave `:PASSWORD` out here, and run `drawbridge setup`, which puts it in the keychain"
		}
	}
	return ""
}

// checkBypass takes what NO_PROXY has between its commas.
func checkBypass(s string) string {
	if s == "" || strings.ContainsAny(s, ",;/") && !isNetwork(s) || strings.ContainsFunc(s, notVisible) {
		return `must have one host, domain or network in each text, such as "intranet.example.com", ".example.com" or "10.0.0.0/8"`
	}
	return ""
}

func isNetwork(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

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
	if err != nil || strings.ContainsAny(s, "?#@\\") || strings.ContainsFunc(s, notPrintable) {
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

// checkProxyAddress takes what [ParseProxy] does.
func checkProxyAddress(s string) string {
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

// otherLetters is said of a domain as no address is compared with it: some
// letters look the same, and one of them is somebody else's.
const otherLetters = `must have a domain of the letters a to z, digits and "-" (RFC 1123); one with other letters is written in its xn-- form`

func checkEmail(s string) string {
	name, domain, ok := strings.Cut(s, "@")
	switch {
	case !ok || name == "" || domain == "" || strings.Contains(domain, "@") || strings.ContainsFunc(s, notVisible) || strings.ContainsAny(s, "*,;"):
		return `must have one whole address in each text, such as "ana@example.com"; whole organisations go into domains`
	case !hostname.Valid(domain):
		return otherLetters
	}
	return ""
}

func checkDomain(s string) string {
	s = strings.TrimPrefix(s, "@")
	switch {
	case s == "" || strings.ContainsAny(s, "@*,;/:") || strings.ContainsFunc(s, notVisible):
		return `must have one domain in each text, such as "example.com", without patterns`
	case !hostname.Valid(s):
		return otherLetters
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
	default: // RFC 8252 §7.1 and §8.4
		if u.Opaque != "" || u.Host == "" && !strings.Contains(u.Scheme, ".") {
			return says
		}
	}
	return ""
}

// notPrintable takes what stands for bytes that are no UTF-8 as well: TOML has
// no way to write those.
func notPrintable(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }
func notVisible(r rune) bool   { return !strconv.IsGraphic(r) || r == ' ' || notPrintable(r) }
