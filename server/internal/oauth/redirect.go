package oauth

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// RedirectPolicy says where answers may be sent at all, whatever a client
// registered. It holds at registration and at every authorization request.
type RedirectPolicy struct {
	URIs     []string // allowed, byte for byte; an http loopback entry at any port
	Loopback bool     // also http on localhost, 127.0.0.1 and [::1], any port and path
	Own      []string // host:port of our own listeners and public URL, which are never a client
}

// neverSchemes can run or read something in the browser that follows the
// redirect. They are refused even if an entry of the list names them.
var neverSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source", "ws", "wss", "ftp", "chrome", "edge", "mailto", "tel", "sms", "intent"}

// answerParameters are those an authorization answer carries (RFC 6749
// §4.1.2, RFC 9207): a redirect URI that has one already would carry it twice.
var answerParameters = []string{"code", "state", "iss", "error", "error_description", "error_uri"}

// Check returns an invalid_redirect_uri [Error] unless uri is safe and allowed.
func (p RedirectPolicy) Check(uri string) error {
	u, err := safeRedirect(uri)
	if err != nil {
		return err
	}
	if p.own(u) {
		return InvalidRedirectURI("a redirect URI can't be on this server itself")
	}
	if p.Loopback && isLoopback(u) {
		return nil
	}
	if slices.ContainsFunc(p.URIs, func(allowed string) bool { return sameRedirect(allowed, uri) }) {
		return nil
	}
	return InvalidRedirectURI("this redirect URI is not on the list of those allowed here ([clients] redirect_uris)").Because(&NotAllowedError{URI: uri})
}

// own reports whether u leads to a listener of ours, under any loopback name.
func (p RedirectPolicy) own(u *url.URL) bool {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	for _, own := range p.Own {
		ownHost, ownPort, err := net.SplitHostPort(own)
		here := hostname.Loopback(ownHost) || ownHost == "0.0.0.0" || ownHost == "::" // the last two: every address, loopback too
		if err == nil && port == ownPort && (hostname.Same(host, ownHost) || hostname.Loopback(host) && here) {
			return true
		}
	}
	return false
}

// safeRedirect parses uri and refuses every shape that a browser and we might
// read differently.
func safeRedirect(uri string) (*url.URL, error) {
	bad := func(what string) (*url.URL, error) { return nil, InvalidRedirectURI("the redirect URI %s", what) }
	if uri == "" || len(uri) > 2000 {
		return bad("is empty or longer than 2,000 characters")
	}
	for _, c := range []byte(uri) {
		if c <= 0x20 || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return bad("has a character that RFC 3986 does not allow")
		}
	}
	u, err := url.Parse(uri)
	if err != nil {
		return bad("can't be parsed")
	}
	scheme := strings.ToLower(u.Scheme)
	switch {
	case scheme == "" || u.Opaque != "" || u.Host == "" && !privateUse(scheme, u):
		return bad("must be absolute, with scheme and host, or com.example.app:/path (RFC 8252 §7.1)")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return bad("must not hold a user name or password")
	case strings.Contains(uri, "#"):
		return bad("must not have a fragment (RFC 6749 §3.1.2)")
	case slices.Contains(neverSchemes, scheme):
		return bad("has a scheme that is never allowed")
	case !plainPort(u.Port()):
		return bad("has a port that is none, or is written with zeros in front")
	case scheme == "http" && !isLoopback(u):
		return bad("must be https, or http on localhost, 127.0.0.1 or [::1]")
	case DotSegments(u.EscapedPath()):
		return bad("must not have dot segments")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return bad("has a malformed query")
	}
	for _, name := range answerParameters {
		if query.Has(name) {
			return bad("must not have the parameter " + name + ", which the answer will carry")
		}
	}
	return u, nil
}

// privateUse reports whether u is an address without host of an app's own, as
// RFC 8252 §7.1 has it: the scheme is a domain name backwards. One without a
// period any program could claim (§8.4); browsers read "https:/x" as a host.
func privateUse(scheme string, u *url.URL) bool {
	name, rest, dotted := strings.Cut(scheme, ".")
	return dotted && name != "" && rest != "" && !strings.HasSuffix(scheme, ".") && !strings.Contains(scheme, "..") && strings.HasPrefix(u.Path, "/")
}

// plainPort reports whether a port is absent or written as it is compared: a
// browser takes ":08000" for ":8000".
func plainPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && port == strconv.FormatUint(n, 10)
}

// DotSegments reports whether a path has "." or ".." in any spelling: a
// browser resolves them, so the place compared is not the place reached.
func DotSegments(escaped string) bool {
	plain := strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/").Replace(escaped)
	for _, segment := range strings.Split(plain, "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

// isLoopback reports whether u is http to this computer by one of the three
// names that can mean nothing else (RFC 8252 §7.3).
func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && hostname.ClientLoopback(u.Hostname()) && !strings.HasSuffix(u.Host, ":")
}

// sameRedirect reports whether a presented redirect URI is the registered one:
// byte for byte, but for the port of a loopback address, which a program on
// the computer gets anew each time (RFC 8252 §7.3; Claude Code and Zed publish
// theirs without one).
func sameRedirect(registered, presented string) bool {
	if registered == presented {
		return true
	}
	r, err1 := url.Parse(registered)
	p, err2 := url.Parse(presented)
	if err1 != nil || err2 != nil || !isLoopback(r) || !isLoopback(p) {
		return false
	}
	return withoutPort(registered, r) == withoutPort(presented, p)
}

func withoutPort(uri string, u *url.URL) string {
	if u.Port() == "" {
		return uri
	}
	return strings.Replace(uri, u.Host, strings.TrimSuffix(u.Host, ":"+u.Port()), 1)
}

// RedirectHost is what people are shown of a redirect URI: its host, or the scheme
// of an app's own (RFC 8252 §7.1).
func RedirectHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return cmp.Or(u.Hostname(), u.Scheme)
}
