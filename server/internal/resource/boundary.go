package resource

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// BoundaryOptions say under which names the public listener may be called.
type BoundaryOptions struct {
	Public string // what clients see, e.g. "https://name.ngrok.app"; a path is ignored
	Local  string // the listener itself, e.g. "http://127.0.0.1:8000"; its port is used, "" if there is none

	Timeline *timeline.Recorder // of attempts to connect; nil: none
}

// Boundary refuses what a browser can be tricked into sending: a request for
// another host (DNS rebinding) and a request of somebody else's page. It also
// answers CORS, since both decisions look at the same header. One Boundary
// stands before everything else on the public listener.
type Boundary struct {
	host    string          // the public host in its usual form, compared first
	hosts   map[string]bool // all accepted values of Host, lower case
	origins map[string]bool // our own origins

	timeline *timeline.Recorder
}

// NewBoundary returns the boundary for o, or an error if a URL is unusable.
func NewBoundary(o BoundaryOptions) (*Boundary, error) {
	b := &Boundary{hosts: map[string]bool{}, origins: map[string]bool{}, timeline: o.Timeline}
	public, err := parseBase(o.Public)
	if err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	b.host = hostname.Lower(public.Host)
	b.add(public.Scheme, public.Hostname(), public.Port())
	if o.Local == "" {
		return b, nil
	}
	local, err := parseBase(o.Local)
	if err != nil {
		return nil, fmt.Errorf("local URL: %w", err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		b.add(local.Scheme, name, local.Port())
	}
	return b, nil
}

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not an http or https URL", s)
	}
	return u, nil
}

// add accepts a host and its origin, with and without the scheme's own port.
func (b *Boundary) add(scheme, name, port string) {
	name = hostname.Lower(name)
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	usual := map[string]string{"http": "80", "https": "443"}[scheme]
	if port == "" || port == usual {
		b.hosts[name], b.hosts[name+":"+usual] = true, true
		b.origins[scheme+"://"+name] = true
		return
	}
	b.hosts[name+":"+port] = true
	b.origins[scheme+"://"+name+":"+port] = true
}

// Wrap returns next behind the boundary.
func (b *Boundary) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The target of an absolute-form request is its host too (RFC 9112
		// §3.2.2); net/http copies it to r.Host, and we don't rely on it.
		if !b.knows(r.Host) || (r.URL.Host != "" && !b.knows(r.URL.Host)) {
			b.timeline.Saw(r, timeline.Facts{What: timeline.WrongHost, Host: r.Host})
			refuse(w, r, http.StatusForbidden, "invalid_request", "This server does not answer for that host.")
			return
		}
		rule := ruleOf(r.URL.Path)
		if rule.open {
			w.Header().Set("Access-Control-Allow-Origin", "*")
		}
		origins := r.Header["Origin"]
		if len(origins) == 0 || rule.free {
			next.ServeHTTP(w, r)
			return
		}
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if rule.open {
			if preflight {
				answerPreflight(w, "GET, HEAD", "MCP-Protocol-Version")
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		// MCP Streamable HTTP "Security & Endpoint" 1: a present and invalid
		// Origin is answered 403. Two of them, or "null", are invalid.
		if len(origins) != 1 || !(b.origins[origins[0]] || loopbackOrigin(origins[0])) {
			b.timeline.Saw(r, timeline.Facts{What: timeline.WrongOrigin})
			refuse(w, r, http.StatusForbidden, "invalid_request", "Requests of that origin are not accepted here.")
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origins[0])
		h.Add("Vary", "Origin")
		if preflight {
			answerPreflight(w, rule.methods, allowHeaders)
			return
		}
		h.Set("Access-Control-Expose-Headers", exposeHeaders)
		next.ServeHTTP(w, r)
	})
}

func (b *Boundary) knows(host string) bool {
	return host == b.host || b.hosts[host] || b.hosts[hostname.Lower(host)]
}

const (
	allowHeaders  = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID"
	exposeHeaders = "WWW-Authenticate, Mcp-Session-Id, Retry-After"
)

func answerPreflight(w http.ResponseWriter, methods, headers string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// originRule is how a path treats a request's Origin.
type originRule struct {
	open    bool   // metadata: readable by any page
	free    bool   // pages a browser navigates to: no rule here, no CORS
	methods string // otherwise: our own and loopback origins, with these methods
}

func ruleOf(path string) originRule {
	switch {
	case isMCP(path):
		return originRule{methods: "GET, POST, DELETE"}
	case path == "/token", path == "/register", path == "/revoke":
		return originRule{methods: "POST"}
	case strings.HasPrefix(path, "/.well-known/"), path == "/mcp/.well-known/openid-configuration":
		return originRule{open: true}
	}
	return originRule{free: true}
}

// isMCP reports whether path is an MCP endpoint: /mcp, /mcp/ or /s/NAME/mcp.
func isMCP(path string) bool {
	return path == "/mcp" || path == "/mcp/" || strings.HasPrefix(path, "/s/")
}

// loopbackOrigin reports whether origin is a page served on this machine, as
// the MCP Inspector's is. Such a page still needs a token.
func loopbackOrigin(origin string) bool {
	rest, ok := strings.CutPrefix(origin, "http://")
	if !ok {
		return false
	}
	name := rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		var port string
		name, port = rest[:i], rest[i+1:]
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
	}
	return name != "::1" && hostname.ClientLoopback(name)
}
