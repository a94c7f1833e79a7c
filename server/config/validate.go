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
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// Validate checks every value and returns all problems, joined, each an
// [*Error] without a place. A value that is not set is no problem here; see
// [Config.Missing].
func (c Config) Validate() error {
	var p problems
	p.keys(fileKeys, c, "", "")
	bad := func(key, says string) { p.add(key, display(strings.Split(key, "."))+" "+says) }
	if c.Listen == "" {
		bad("listen", checks["listen"](""))
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
	if e := c.Enterprise; e.Access < 5*time.Minute || e.Access > time.Hour {
		bad("enterprise.access", `must be between "5m" and "1h"`)
	}
	if slices.ContainsFunc(c.Trusted(), ManyTenants) {
		bad("enterprise.issuers", "must name the issuer of your tenant: that of many tenants signs nothing, since each signs as its own")
	}
	if n := c.Limits.CallsPerMinute; n < 0 || n > maxCallsPerMinute {
		bad("limits.calls_per_minute", fmt.Sprintf("must be between 0, which is no limit, and %d", maxCallsPerMinute))
	}
	for i, r := range c.Access.Rules {
		p.rule(fmt.Sprintf("%s[%d]", ruleTable, i), r)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		table, head := serverTable+"."+name, "["+serverTable+"."+quoted(name)+"]"
		if says := checkName(name); says != "" {
			p.add(table, head+": "+says)
		}
		p.keys(serverKeys, c.Servers[name], table+".", head)
	}
	return errors.Join(p...)
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
	if checks["public URL"](c.PublicURL) == "" {
		u, _ := url.Parse(c.PublicURL)
		host := hostname.Lower(u.Host)
		if u.Scheme == "https" {
			host = strings.TrimSuffix(host, ":443")
		} else {
			host = strings.TrimSuffix(host, ":80")
		}
		c.PublicURL = u.Scheme + "://" + strings.TrimSuffix(host, ":")
	}
	unsetEmpty(fileKeys, reflect.ValueOf(c).Elem())
	if len(c.Access.Rules) == 0 {
		c.Access.Rules = nil
	}
	if len(c.Servers) == 0 {
		c.Servers = nil
	}
	c.Servers = maps.Clone(c.Servers) // the caller's stays as it is
	for name, s := range c.Servers {
		unsetEmpty(serverKeys, reflect.ValueOf(&s).Elem())
		s.Idle = max(s.Idle, never)
		c.Servers[name] = s
	}
}

// unsetEmpty makes an empty list one that is not set, where both say the same.
func unsetEmpty(keys []key, v reflect.Value) {
	for _, k := range keys {
		if field := k.in(v); field.Kind() == reflect.Slice && field.Len() == 0 && k.path != "clients.redirect_uris" {
			field.SetZero()
		}
	}
}

// must returns "" for what fits, else what it must be.
func must(fits func(string) bool, says string) func(string) string {
	return func(s string) string {
		if fits(s) {
			return ""
		}
		return says
	}
}

// checks are what values must be, by the names that keys' tags have for them.
// Those of durations stand in keys.go.
var checks = map[string]func(string) string{
	"public URL": must(func(s string) bool {
		u := webURL(s)
		return u != nil && (u.Path == "" || u.Path == "/")
	}, "must be https://HOST, with nothing after the host (http only on this machine: localhost, 127.0.0.1, [::1])"),
	"issuer": must(func(s string) bool { return webURL(s) != nil },
		"must be the https URL that the provider calls its issuer, such as https://dev-123.okta.com/oauth2/default (http only on this machine)"),
	"feed": must(func(s string) bool { return webURL(s) != nil },
		"must be the https URL of a release feed, such as https://api.github.com/repos/NAME/NAME/releases/latest (http only on this machine)"),
	"listen":        must(isHostPort, `must be an address and a port, such as "127.0.0.1:8000" ("0.0.0.0:8000" listens to the whole network)`),
	"host":          must(hostname.Valid, `must be a host name alone, such as "name.ngrok.app"`),
	"host and port": must(isHostPort, `must be a host and a port, such as "host.example.com:443"`),
	"printable": must(func(s string) bool {
		return s != "" && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, notPrintable)
	},
		"must be a printable text without space around it"),
	// A scope-token of RFC 6749 §3.3.
	"scope": must(func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r > '~' })
	}, "must have one scope in each text, without spaces"),
	// Entra's: a sign-in names its tenant by nothing else.
	"tenant": must(regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString,
		`must have one tenant ID in each text, such as "9188040d-6c67-4c5b-b112-36a304b66dad": Entra shows it as Directory (tenant) ID`),
	"sign-in":         must(func(s string) bool { return s == "owner" || s == "each" }, `must be "owner" or "each"`),
	"tunnel provider": must(func(s string) bool { return s == TunnelNgrok || s == TunnelNone }, `must be "ngrok" or "none"`),
	"proxy address": must(func(s string) bool {
		_, err := ParseProxy(s)
		return err == nil
	}, `must have one IP address or network in each text, such as "127.0.0.1" or "10.0.0.0/8"`),
	// What NO_PROXY has between its commas.
	"proxy bypass": must(func(s string) bool {
		_, err := netip.ParsePrefix(s)
		return err == nil || s != "" && !strings.ContainsAny(s, ",;/") && !strings.ContainsFunc(s, notVisible)
	}, `must have one host, domain or network in each text, such as "intranet.example.com", ".example.com" or "10.0.0.0/8"`),
	"redirect URI": must(isRedirectURI,
		"must have one exact URL in each text: https, http on this machine, or an app's own scheme; no #, no patterns"),
	"email": checkEmail, "domain": checkDomain, "glob": checkGlob, "proxy": checkProxy,
}

// checkProxy takes the URL of a forward proxy. A password is a secret.
func checkProxy(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" || !isHost(u.Hostname()) ||
		u.Path != "" && u.Path != "/" || strings.ContainsAny(s, "?#") || u.Port() != "" && !isPort(u.Port()):
		return `must be the URL of a proxy, such as "http://proxy.example.com:8080"`
	case u.User != nil:
		if _, has := u.User.Password(); has {
			return "must not hold a password, since this file holds no secret: leave `:PASSWORD` out here, and run `drawbridge setup`, which puts it in the keychain"
		}
	}
	return ""
}

// webURL parses an https URL, or an http URL on loopback, that has neither
// user, query nor fragment; else it returns nil.
func webURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsAny(s, "?#@\\") || strings.ContainsFunc(s, notPrintable) || !isHost(u.Hostname()) ||
		u.Port() != "" && !isPort(u.Port()) || u.Scheme != "https" && (u.Scheme != "http" || !hostname.Loopback(u.Hostname())) {
		return nil
	}
	return u
}

func isHost(s string) bool { return hostname.Valid(s) || net.ParseIP(s) != nil }

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && isPort(port) && isHost(host)
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

// isRedirectURI takes what RFC 6749 §3.1.2 and RFC 8252 §7 allow: https,
// http on loopback, or an app's own scheme.
func isRedirectURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.User != nil || strings.ContainsAny(s, "#*\\") || strings.ContainsFunc(s, notVisible) {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		return hostname.ClientLoopback(u.Hostname())
	case "javascript", "data", "file", "vbscript", "blob", "about", "ftp", "ws", "wss":
		return false
	}
	return u.Opaque == "" && (u.Host != "" || strings.Contains(u.Scheme, ".")) // RFC 8252 §7.1 and §8.4
}

// notPrintable takes what stands for bytes that are no UTF-8 as well: TOML has
// no way to write those.
func notPrintable(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }
func notVisible(r rune) bool   { return !strconv.IsGraphic(r) || r == ' ' || notPrintable(r) }
