package e2e

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
	t    testing.TB
	jar  *jar
	http *http.Client

	// Trail lists every URL visited by the latest navigation, last one last.
	Trail []*url.URL
}

// NewBrowser returns a browser with no cookies.
func NewBrowser(t testing.TB) *Browser {
	return &Browser{t: t, jar: &jar{}, http: &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// navigation is one trip: what a click, a form or the address bar starts.
type navigation struct {
	method string
	url    *url.URL
	form   url.Values
	from   *Page // nil: typed into the address bar
	stop   string
}

// Open goes to rawURL as if it were typed, and follows redirects.
func (b *Browser) Open(rawURL string) *Page {
	b.t.Helper()
	return b.OpenUntil(rawURL, "")
}

// OpenUntil is Open, but stops before it would visit a URL that is stop but for
// its query. The page it then returns has Status 0 and that URL: this is how a
// test catches the client's redirect URI, where nobody need listen.
func (b *Browser) OpenUntil(rawURL, stop string) *Page {
	b.t.Helper()
	return b.navigate(navigation{method: http.MethodGet, url: b.parse(rawURL), stop: stop})
}

// Follow goes to rawURL as a link on page from does: with from's site as the
// one that started it. A page need not have been visited: &Page{URL: …} will do
// for a page of an attacker.
func (b *Browser) Follow(from *Page, rawURL, stop string) *Page {
	b.t.Helper()
	return b.navigate(navigation{method: http.MethodGet, url: from.URL.ResolveReference(b.parse(rawURL)), from: from, stop: stop})
}

// Post submits values to rawURL as a form on page from does.
func (b *Browser) Post(from *Page, rawURL string, values url.Values, stop string) *Page {
	b.t.Helper()
	return b.navigate(navigation{method: http.MethodPost, url: from.URL.ResolveReference(b.parse(rawURL)), form: values, from: from, stop: stop})
}

// Cookies returns the names and values of the cookies kept for the host of rawURL.
func (b *Browser) Cookies(rawURL string) []http.Cookie {
	host := b.parse(rawURL).Hostname()
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

func (b *Browser) navigate(n navigation) *Page {
	b.t.Helper()
	b.Trail = nil
	site := "none"
	if n.from != nil {
		site = "same-origin"
	}
	for range 30 {
		b.Trail = append(b.Trail, n.url)
		if n.stop != "" && withoutQuery(n.url) == n.stop {
			return &Page{URL: n.url}
		}
		if n.from != nil {
			site = worse(site, siteOf(n.from.URL, n.url))
		}
		resp := b.send(n, site)
		page := b.read(resp)
		location := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 399 || location == "" {
			return page
		}
		if n.from == nil { // the chain began in the address bar: it stays the person's own
			site = "none"
		}
		n.url = page.URL.ResolveReference(b.parse(location))
		if resp.StatusCode != http.StatusTemporaryRedirect && resp.StatusCode != http.StatusPermanentRedirect {
			n.method, n.form = http.MethodGet, nil
		}
	}
	b.t.Fatalf("more than 30 redirects, the last to %s", withoutQuery(n.url))
	return nil
}

func (b *Browser) send(n navigation, site string) *http.Response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), n.method, n.url.String(), strings.NewReader(n.form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	setChrome(req, n, site)
	for _, c := range b.jar.of(n.url, n.method, site == "cross-site") {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", n.method, withoutQuery(n.url), err)
	}
	b.jar.set(resp)
	return resp
}

func (b *Browser) read(resp *http.Response) *Page {
	b.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("read %s: %v", withoutQuery(resp.Request.URL), err)
	}
	return &Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

func (b *Browser) parse(rawURL string) *url.URL {
	b.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}
