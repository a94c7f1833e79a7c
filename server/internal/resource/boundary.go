package resource

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
)

// BoundaryOptions say under which names the public listener may be called.
type BoundaryOptions struct {
	Public string // what clients see, e.g. "https://name.ngrok.app"; a path is ignored
	Local  string // the listener itself, e.g. "http://127.0.0.1:8000"; its port is used, "" if there is none

	Timeline *timeline.Recorder // of attempts to connect; nil: none
}

// Boundary refuses what a browser can be tricked into sending, and answers CORS,
// since both look at the same headers. One Boundary stands before everything
// else on the public listener.
//
// Its first rule is the Host: DNS rebinding makes a request come for a name that
// is not ours. Its second is the Origin, at the endpoints that no cookie opens:
//   - On the public host every page may ask, as every program may. It has no more
//     than it brings: a token that a person's consent gave it, or none. Web and
//     desktop clients are such pages, with origins that nobody could list
//     (https://claude.ai, vscode-file://vscode-app, null).
//   - On a loopback host only pages of this machine may. Whoever is there is not
//     on the internet, and a page of the internet has no business on it (MCP
//     Streamable HTTP, "Security & Endpoint" 1).
//
// Answers never allow credentials, so no page sees what a cookie opens.
type Boundary struct {
	host    string          // the public host in its usual form, compared first
	public  bool            // that host is no loopback one
	hosts   map[string]bool // accepted values of Host, lower case; true: public
	origins map[string]bool // our own origins on loopback

	timeline *timeline.Recorder
}

// NewBoundary returns the boundary for o, or an error if a URL is unusable.
func NewBoundary(o BoundaryOptions) (*Boundary, error) {
	b := &Boundary{hosts: map[string]bool{}, origins: map[string]bool{}, timeline: cmp.Or(o.Timeline, timeline.New(time.Now))}
	public, err := parseBase(o.Public)
	if err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	b.host, b.public = hostname.Lower(public.Host), !hostname.Loopback(public.Hostname())
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

// add accepts a host, with and without the scheme's own port, and on loopback
// its origin.
func (b *Boundary) add(scheme, name, port string) {
	name = hostname.Lower(name)
	public := !hostname.Loopback(name)
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	authority := name + ":" + port
	if usual := map[string]string{"http": "80", "https": "443"}[scheme]; port == "" || port == usual {
		authority = name
		b.hosts[name+":"+usual] = public
	}
	b.hosts[authority] = public
	if !public {
		b.origins[scheme+"://"+authority] = true
	}
}

// Wrap returns next behind the boundary.
func (b *Boundary) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		public, known := b.knows(r.Host)
		if r.URL.Host != "" && known {
			// The target of an absolute-form request is its host too (RFC 9112
			// §3.2.2); net/http copies it to r.Host, and we don't rely on it.
			also, ok := b.knows(r.URL.Host)
			public, known = public && also, ok
		}
		if !known {
			b.timeline.Saw(r, timeline.Facts{What: timeline.WrongHost, Host: r.Host})
			refuse(w, r, http.StatusForbidden, "invalid_request", "This server does not answer for that host.")
			return
		}
		methods := corsMethods(r.URL.Path)
		if methods == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		if !public {
			h.Add("Vary", "Origin")
		}
		switch origins := r.Header["Origin"]; {
		case len(origins) > 1: // no browser sends two
			b.refuseOrigin(w, r, "A request has one Origin header at most.")
			return
		case public:
			h["Access-Control-Allow-Origin"] = anyOrigin
		case len(origins) == 0:
			next.ServeHTTP(w, r)
			return
		case !b.origins[origins[0]] && !loopbackOrigin(origins[0]):
			b.refuseOrigin(w, r, "At a loopback address only pages of this computer may ask. Use Drawbridge's public URL.")
			return
		default:
			h.Set("Access-Control-Allow-Origin", origins[0])
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			answerPreflight(w, methods, r.Header["Access-Control-Request-Headers"])
			return
		}
		h["Access-Control-Expose-Headers"] = exposedHeaders
		next.ServeHTTP(w, r)
	})
}

func (b *Boundary) refuseOrigin(w http.ResponseWriter, r *http.Request, why string) {
	b.timeline.Saw(r, timeline.Facts{What: timeline.WrongOrigin})
	refuse(w, r, http.StatusForbidden, "invalid_request", why)
}

// knows reports whether host is ours, and whether it is our public one.
func (b *Boundary) knows(host string) (public, known bool) {
	if host == b.host {
		return b.public, true
	}
	if public, known = b.hosts[host]; !known {
		public, known = b.hosts[hostname.Lower(host)]
	}
	return public, known
}

// allowedHeaders are those that MCP clients send. A preflight may ask for more,
// such as the Mcp-Param-* of MCP 2026-07-28.
const allowedHeaders = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID"

// Values of headers, made once.
var (
	anyOrigin      = []string{"*"}
	exposedHeaders = []string{"WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After"}
)

// answerPreflight allows what is asked for: what a header says decides nothing
// here that a program could not say too.
func answerPreflight(w http.ResponseWriter, methods string, asked []string) {
	headers := allowedHeaders
	if more := strings.Join(asked, ","); len(more) <= maxAsked && isHeaderList(more) {
		headers += ", " + more
	}
	h := w.Header()
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// maxAsked is how long the list of headers that a preflight asks for may be.
const maxAsked = 2048

// isHeaderList reports whether s is names of headers and commas.
func isHeaderList(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_, ", c)
	})
}

// corsMethods are the methods of an endpoint that no cookie opens; "" for pages
// that a browser navigates to, which have no rule here.
func corsMethods(path string) string {
	switch {
	case isMCP(path):
		return "GET, POST, DELETE"
	case path == "/token", path == "/register", path == "/revoke":
		return "POST"
	case strings.HasPrefix(path, "/.well-known/"), path == "/mcp/.well-known/openid-configuration":
		return "GET, HEAD"
	}
	return ""
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
