package rig

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// jar keeps cookies as Chrome does where it matters here: by host without
// port, Secure cookies also towards loopback http, and SameSite enforced. The
// jar of net/http knows none of the three.
type jar struct {
	mu      sync.Mutex // guards cookies
	cookies []stored
}

type stored struct {
	host string
	http.Cookie
}

// set keeps what resp sets, or drops what it expires.
func (j *jar) set(resp *http.Response) {
	j.mu.Lock()
	defer j.mu.Unlock()
	host := resp.Request.URL.Hostname()
	for _, c := range resp.Cookies() {
		if strings.HasPrefix(c.Name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != "") {
			continue // RFC 6265bis §4.1.3.2
		}
		if !strings.HasPrefix(c.Path, "/") {
			c.Path = defaultPath(resp.Request.URL)
		}
		j.cookies = dropCookie(j.cookies, host, c.Name, c.Path)
		if c.MaxAge >= 0 && (c.Expires.IsZero() || c.Expires.Year() > 1990) {
			j.cookies = append(j.cookies, stored{host, *c})
		}
	}
}

func dropCookie(all []stored, host, name, path string) []stored {
	var kept []stored
	for _, c := range all {
		if c.host != host || c.Name != name || c.Path != path {
			kept = append(kept, c)
		}
	}
	return kept
}

// of returns the cookies that go with a navigation to u by method, started
// from another site or not.
func (j *jar) of(u *url.URL, method string, crossSite bool) []stored {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []stored
	for _, c := range j.cookies {
		switch {
		case c.host != u.Hostname(), !pathMatches(c.Path, u.Path):
		case c.Secure && u.Scheme != "https" && !loopback(u.Hostname()):
		case crossSite && c.SameSite == http.SameSiteStrictMode:
		case crossSite && method != http.MethodGet && c.SameSite != http.SameSiteNoneMode:
		default:
			out = append(out, c)
		}
	}
	return out
}

// pathMatches is RFC 6265 §5.1.4.
func pathMatches(cookiePath, path string) bool {
	if path == "" {
		path = "/"
	}
	return path == cookiePath || strings.HasPrefix(path, strings.TrimSuffix(cookiePath, "/")+"/")
}

func defaultPath(u *url.URL) string {
	if i := strings.LastIndex(u.Path, "/"); i > 0 {
		return u.Path[:i]
	}
	return "/"
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}
