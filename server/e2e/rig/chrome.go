package rig

import (
	"net/http"
	"net/url"
	"strings"
)

// setChrome gives req the headers that Chrome sends when it navigates. Fetch
// metadata goes to loopback http too, since Chrome trusts it.
func setChrome(req *http.Request, n Navigation, site string) {
	h := req.Header
	h.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36")
	h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8")
	h.Set("Accept-Language", "en-GB,en;q=0.9")
	h.Set("Upgrade-Insecure-Requests", "1")
	h.Set("Sec-Fetch-Site", site)
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-User", "?1")
	if n.Method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", originOf(n.From))
	}
}

// originOf is the Origin header of a form on page. A page that asks for
// no-referrer hides its origin too (Fetch, "append a request Origin header"),
// so a server can't count on it.
func originOf(page *Page) string {
	if page == nil || strings.Contains(page.Header.Get("Referrer-Policy"), "no-referrer") {
		return "null"
	}
	return page.URL.Scheme + "://" + page.URL.Host
}

// siteOf is Sec-Fetch-Site of a request to u that a page at from starts. A site
// is scheme and host without port; hosts in tests have no subdomains.
func siteOf(from, u *url.URL) string {
	switch {
	case from.Scheme == u.Scheme && from.Host == u.Host:
		return "same-origin"
	case from.Scheme == u.Scheme && from.Hostname() == u.Hostname():
		return "same-site"
	}
	return "cross-site"
}

// worse returns the less trusted of two values of Sec-Fetch-Site: a chain of
// redirects keeps the worst it has seen.
func worse(a, b string) string {
	rank := map[string]int{"none": 0, "same-origin": 1, "same-site": 2, "cross-site": 3}
	if rank[a] > rank[b] {
		return a
	}
	return b
}

func WithoutQuery(u *url.URL) string {
	c := *u
	c.RawQuery, c.Fragment = "", ""
	return c.String()
}
