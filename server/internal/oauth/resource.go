package oauth

import (
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// canonicalResource writes a resource indicator (RFC 8707) the way ours are
// written: scheme and host in lower case, no default port, no query (ChatGPT
// adds one), no slash at the end (people paste one). It returns "" for what
// can't be a resource.
func canonicalResource(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Contains(s, "#") {
		return ""
	}
	scheme, host := u.Scheme, hostname.Lower(u.Host) // url.Parse lowers the scheme
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host + strings.TrimSuffix(u.EscapedPath(), "/")
}

// SetResources makes these the MCP URLs that tokens are given for from now on.
// What was given for another lives on and opens nothing: a server that is taken
// away and put back finds its sessions again.
func (s *Grants) SetResources(list []string) { s.resources.Store(&list) }

// target picks the resource that a request is for, of ours. None given means the
// first of ours, since MCP clients older than RFC 8707 name none, and an empty
// one is none (RFC 6749 §3.1). The origin means main, the MCP URL that people
// paste: ChatGPT and Claude Code have sent it. All that are given must be the
// same one of ours: a token is for one place.
func target(given, ours []string, main string) (string, error) {
	chosen := ""
	for _, g := range given {
		if g == "" {
			continue
		}
		r := canonicalResource(g)
		if r == origin(main) {
			r = main
		}
		if !slices.Contains(ours, r) || chosen != "" && chosen != r {
			return "", InvalidTarget("this server is %s; it gives no tokens for another resource", ours[0])
		}
		chosen = r
	}
	if chosen == "" {
		chosen = ours[0]
	}
	return chosen, nil
}

// main is the MCP URL that people paste.
func (s *Grants) main() string { return (*s.resources.Load())[0] }

// origin is scheme and host of a resource.
func origin(resource string) string {
	scheme, rest, _ := strings.Cut(resource, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
