package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// Addresses that the attacks use. Nobody serves any of them.
const (
	claudeURI = "https://claude.ai/api/mcp/auth_callback"
	chatURI   = "https://chatgpt.com/connector_platform_oauth_redirect"
	cursorURI = "cursor://anysphere.cursor-mcp/oauth/callback"
	evilURI   = "https://evil.example/callback"
)

// watchedProvider is the demo's provider behind a wall with a counter, so that
// a test sees whether it was asked. It can also pretend that a Drawbridge whose
// public URL is https is on loopback, which is all that the demo's provider
// takes.
type watchedProvider struct {
	*demo.Provider
	Issuer string

	mu       sync.Mutex // guards asked
	asked    map[string]int
	callback string // https; "" if there is none to hide

	secret string // of our client, if not the demo's

	// saw, if set before the first request, is told of each request, with its
	// body, and the answer.
	saw func(r *http.Request, body []byte, answer *httptest.ResponseRecorder)
}

// standIn is what the provider sees instead of an https callback.
const standIn = "http://127.0.0.1:9/auth/callback"

func watchProvider(t testing.TB, publicURL string) *watchedProvider {
	t.Helper()
	w := &watchedProvider{asked: map[string]int{}}
	if publicURL != "" {
		w.callback = publicURL + "/auth/callback"
	}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	w.Issuer = srv.URL
	p, err := demo.New(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.Provider = p
	return w
}

// Asked returns how often path was requested.
func (p *watchedProvider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func (p *watchedProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	p.mu.Unlock()
	if p.callback == "" {
		p.Provider.ServeHTTP(w, r)
		return
	}
	hide := strings.NewReplacer(url.QueryEscape(p.callback), url.QueryEscape(standIn))
	r.URL.RawQuery = hide.Replace(r.URL.RawQuery)
	body, _ := io.ReadAll(r.Body)
	body = []byte(hide.Replace(string(body)))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if id, secret, ok := r.BasicAuth(); ok && p.secret != "" && secret == p.secret {
		r.SetBasicAuth(id, demo.ClientSecret)
	}
	answer := httptest.NewRecorder()
	p.Provider.ServeHTTP(answer, r)
	if p.saw != nil {
		p.saw(r, body, answer)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	if to, ok := strings.CutPrefix(answer.Header().Get("Location"), standIn); ok {
		w.Header().Set("Location", p.callback+to)
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// publicURL is where the Drawbridge of startPublicApp is on the internet.
const publicURL = "https://bridge.example"

// startPublicApp starts a Drawbridge whose public URL is https. The App
// returned reaches it on loopback, as a tunnel does, so programs can use it as
// they use any other; its MCPURL is the public one.
func startPublicApp(t testing.TB, o AppOptions) (*App, *watchedProvider) {
	t.Helper()
	p := watchProvider(t, publicURL)
	configure := o.Config
	o.Issuer = p.Issuer
	o.Config = func(c *config.Config) {
		c.PublicURL = publicURL
		if configure != nil {
			configure(c)
		}
	}
	app := StartApp(t, o)
	app.URL = app.Status(t).LocalURL
	return app, p
}

// tunnelled carries what goes to publicURL to a listener on loopback.
type tunnelled struct{ listener string }

func (tr tunnelled) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r
	if "https://"+r.URL.Host == publicURL {
		inner = r.Clone(r.Context())
		inner.URL.Scheme, inner.URL.Host, inner.Host = "http", strings.TrimPrefix(tr.listener, "http://"), r.URL.Host
	}
	resp, err := http.DefaultTransport.RoundTrip(inner)
	if err == nil {
		resp.Request = r
	}
	return resp, err
}

// newPublicBrowser is NewBrowser for the app of startPublicApp.
func newPublicBrowser(t testing.TB, app *App) *Browser {
	t.Helper()
	b := NewBrowser(t)
	b.http.Transport = tunnelled{app.Status(t).LocalURL}
	return b
}

// hop makes one request as b and follows nothing, so that a Location can be
// compared byte for byte. site is the value of Sec-Fetch-Site.
func (b *Browser) hop(n navigation, site string) *Page {
	b.t.Helper()
	return b.read(b.send(n, site))
}

// authorizeAt is the address of req where browsers see Drawbridge.
func authorizeAt(base string, req *AuthRequest) string {
	return base + "/authorize?" + req.Values.Encode()
}

// flowInHand opens a consent page in b and returns it with its form.
func flowInHand(t testing.TB, b *Browser, address string) (*Page, Form) {
	t.Helper()
	page := b.Open(address)
	form, ok := page.FormWith("csrf")
	if page.Status != http.StatusOK || !ok {
		t.Fatalf("no consent page: %d at %s: %s", page.Status, withoutQuery(page.URL), clip(page.Text()))
	}
	return page, form
}

// providerAnswer lets user sign in at the provider from an approved consent
// page on, and returns the callback's URL without visiting it.
func providerAnswer(t testing.TB, b *Browser, consent *Page, base, user string) *url.URL {
	t.Helper()
	callback := base + "/auth/callback"
	back := b.Submit(b.Submit(consent, "action", "approve", callback), "user", user, callback)
	if back.Status != 0 {
		t.Fatalf("the provider did not answer: %d at %s", back.Status, withoutQuery(back.URL))
	}
	return back.URL
}

// callbackWith is the provider's answer as an attacker writes it, for the state
// that a browser was sent to the provider with.
func callbackWith(t testing.TB, b *Browser, consent *Page, base string, answer url.Values) *url.URL {
	t.Helper()
	page := b.Submit(consent, "action", "approve", "")
	state := ""
	for _, u := range b.Trail {
		if s := u.Query().Get("state"); s != "" {
			state = s
		}
	}
	if state == "" {
		t.Fatalf("no state on the way to the provider, at %s", withoutQuery(page.URL))
	}
	answer.Set("state", state)
	return b.parse(base + "/auth/callback?" + answer.Encode())
}

// wantAnswer checks an answer that goes to a client by redirect: the redirect
// URI is there byte for byte, then one state and one iss, both right (T17, RFC
// 9207). It returns the parameters that were added.
func wantAnswer(t testing.TB, p *Page, redirectURI, issuer, state string) url.Values {
	t.Helper()
	location := p.Header.Get("Location")
	rest, ok := strings.CutPrefix(location, redirectURI)
	if p.Status != http.StatusFound || !ok {
		t.Fatalf("answered %d to %q, want 302 to %q", p.Status, clip(location), redirectURI)
	}
	if !strings.Contains(redirectURI, "?") {
		if rest, ok = strings.CutPrefix(rest, "?"); !ok {
			t.Fatalf("no query behind %q", redirectURI)
		}
	}
	added, err := url.ParseQuery(strings.TrimPrefix(rest, "&"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	if iss := whole.Query()["iss"]; len(iss) != 1 || iss[0] != issuer {
		t.Errorf("iss %q, want exactly one %q", iss, issuer)
	}
	if got := added["state"]; state != "" && (len(got) != 1 || got[0] != state) || state == "" && got != nil {
		t.Errorf("state %q, want %q", got, state)
	}
	if strings.Contains(location, "#") {
		t.Error("the answer has a fragment")
	}
	return added
}

// toss puts a cookie into b's jar for the host of rawURL, as a page on another
// port of that host can.
func (b *Browser) toss(rawURL string, c http.Cookie) {
	if c.Path == "" {
		c.Path = "/"
	}
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	b.jar.cookies = append([]stored{{b.parse(rawURL).Hostname(), c}}, b.jar.cookies...)
}

func cloned(v url.Values) url.Values {
	c := url.Values{}
	for name, values := range v {
		c[name] = slices.Clone(values)
	}
	return c
}
