package rig

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Browser is a person's browser without a screen: it keeps cookies, follows
// redirects itself and sends with every navigation what Chrome would send. One
// Browser is one person at one machine; two never share a cookie.
type Browser struct {
	T    testing.TB
	jar  *jar
	HTTP *http.Client

	// Trail lists every URL visited by the latest navigation, last one last.
	Trail []*url.URL
}

// NewBrowser returns a browser with no cookies.
func NewBrowser(t testing.TB) *Browser {
	return &Browser{T: t, jar: &jar{}, HTTP: &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Navigation is one trip: what a click, a form or the address bar starts.
type Navigation struct {
	Method string
	URL    *url.URL
	Form   url.Values
	From   *Page // nil: typed into the address bar
	stop   string
}

// Open goes to rawURL as if it were typed, and follows redirects.
func (b *Browser) Open(rawURL string) *Page {
	b.T.Helper()
	return b.OpenUntil(rawURL, "")
}

// OpenUntil is Open, but stops before it would visit a URL that is stop but for
// its query. The page it then returns has Status 0 and that URL: this is how a
// test catches the client's redirect URI, where nobody need listen.
func (b *Browser) OpenUntil(rawURL, stop string) *Page {
	b.T.Helper()
	return b.navigate(Navigation{Method: http.MethodGet, URL: b.Parse(rawURL), stop: stop})
}

// Follow goes to rawURL as a link on page from does: with from's site as the
// one that started it. A page need not have been visited: &Page{URL: …} will do
// for a page of an attacker.
func (b *Browser) Follow(from *Page, rawURL, stop string) *Page {
	b.T.Helper()
	return b.navigate(Navigation{Method: http.MethodGet, URL: from.URL.ResolveReference(b.Parse(rawURL)), From: from, stop: stop})
}

// Post submits values to rawURL as a form on page from does.
func (b *Browser) Post(from *Page, rawURL string, values url.Values, stop string) *Page {
	b.T.Helper()
	return b.navigate(Navigation{Method: http.MethodPost, URL: from.URL.ResolveReference(b.Parse(rawURL)), Form: values, From: from, stop: stop})
}

// Cookies returns the names and values of the cookies kept for the host of rawURL.
func (b *Browser) Cookies(rawURL string) []http.Cookie {
	host := b.Parse(rawURL).Hostname()
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	var out []http.Cookie
	for _, c := range b.jar.cookies {
		if c.host == host {
			out = append(out, c.Cookie)
		}
	}
	return out
}

func (b *Browser) navigate(n Navigation) *Page {
	b.T.Helper()
	b.Trail = nil
	site := "none"
	if n.From != nil {
		site = "same-origin"
	}
	for range 30 {
		b.Trail = append(b.Trail, n.URL)
		if n.stop != "" && WithoutQuery(n.URL) == n.stop {
			return &Page{URL: n.URL}
		}
		if n.From != nil {
			site = worse(site, siteOf(n.From.URL, n.URL))
		}
		resp := b.send(n, site)
		page := b.Read(resp)
		location := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 399 || location == "" {
			return page
		}
		if n.From == nil { // the chain began in the address bar: it stays the person's own
			site = "none"
		}
		n.URL = page.URL.ResolveReference(b.Parse(location))
		if resp.StatusCode != http.StatusTemporaryRedirect && resp.StatusCode != http.StatusPermanentRedirect {
			n.Method, n.Form = http.MethodGet, nil
		}
	}
	b.T.Fatalf("more than 30 redirects, the last to %s", WithoutQuery(n.URL))
	return nil
}

func (b *Browser) send(n Navigation, site string) *http.Response {
	b.T.Helper()
	req, err := http.NewRequestWithContext(b.T.Context(), n.Method, n.URL.String(), strings.NewReader(n.Form.Encode()))
	if err != nil {
		b.T.Fatal(err)
	}
	setChrome(req, n, site)
	for _, c := range b.jar.of(n.URL, n.Method, site == "cross-site") {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	resp, err := b.HTTP.Do(req)
	if err != nil {
		b.T.Fatalf("%s %s: %v", n.Method, WithoutQuery(n.URL), err)
	}
	b.jar.set(resp)
	return resp
}

func (b *Browser) Read(resp *http.Response) *Page {
	b.T.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.T.Fatalf("read %s: %v", WithoutQuery(resp.Request.URL), err)
	}
	return &Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

func (b *Browser) Parse(rawURL string) *url.URL {
	b.T.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		b.T.Fatal(err)
	}
	return u
}

// Hop makes one request as b and follows nothing, so that a Location can be
// compared byte for byte. site is the value of Sec-Fetch-Site.
func (b *Browser) Hop(n Navigation, site string) *Page {
	b.T.Helper()
	return b.Read(b.send(n, site))
}

// Toss puts a cookie into b's jar for the host of rawURL, as a page on another
// port of that host can.
func (b *Browser) Toss(rawURL string, c http.Cookie) {
	if c.Path == "" {
		c.Path = "/"
	}
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	b.jar.cookies = append([]stored{{b.Parse(rawURL).Hostname(), c}}, b.jar.cookies...)
}
