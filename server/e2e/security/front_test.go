package security

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// publicURL is where the Drawbridge of startPublicApp is on the internet.
const publicURL = "https://bridge.example"

// startPublicApp starts a Drawbridge whose public URL is https. The App
// returned reaches it on loopback, as a tunnel does, so programs can use it as
// they use any other; its MCPURL is the public one.
func startPublicApp(t testing.TB, o rig.AppOptions) (*rig.App, *rig.WatchedProvider) {
	t.Helper()
	p := rig.WatchProvider(t, publicURL)
	configure := o.Config
	o.Issuer = p.Issuer
	o.Config = func(c *config.Config) {
		c.PublicURL = publicURL
		if configure != nil {
			configure(c)
		}
	}
	app := rig.StartApp(t, o)
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
func newPublicBrowser(t testing.TB, app *rig.App) *rig.Browser {
	t.Helper()
	b := rig.NewBrowser(t)
	b.HTTP.Transport = tunnelled{app.Status(t).LocalURL}
	return b
}

// authorizeAt is the address of req where browsers see Drawbridge.
func authorizeAt(base string, req *rig.AuthRequest) string {
	return base + "/authorize?" + req.Values.Encode()
}

// flowInHand opens a consent page in b and returns it with its form.
func flowInHand(t testing.TB, b *rig.Browser, address string) (*rig.Page, rig.Form) {
	t.Helper()
	page := b.Open(address)
	form, ok := page.FormWith("csrf")
	if page.Status != http.StatusOK || !ok {
		t.Fatalf("no consent page: %d at %s: %s", page.Status, rig.WithoutQuery(page.URL), rig.Clip(page.Text()))
	}
	return page, form
}

// providerAnswer lets user sign in at the provider from an approved consent
// page on, and returns the callback's URL without visiting it.
func providerAnswer(t testing.TB, b *rig.Browser, consent *rig.Page, base, user string) *url.URL {
	t.Helper()
	callback := base + "/auth/callback"
	back := b.Submit(b.Submit(consent, "action", "approve", callback), "user", user, callback)
	if back.Status != 0 {
		t.Fatalf("the provider did not answer: %d at %s", back.Status, rig.WithoutQuery(back.URL))
	}
	return back.URL
}

// callbackWith is the provider's answer as an attacker writes it, for the state
// that a browser was sent to the provider with.
func callbackWith(t testing.TB, b *rig.Browser, consent *rig.Page, base string, answer url.Values) *url.URL {
	t.Helper()
	page := b.Submit(consent, "action", "approve", "")
	state := ""
	for _, u := range b.Trail {
		if s := u.Query().Get("state"); s != "" {
			state = s
		}
	}
	if state == "" {
		t.Fatalf("no state on the way to the provider, at %s", rig.WithoutQuery(page.URL))
	}
	answer.Set("state", state)
	return b.Parse(base + "/auth/callback?" + answer.Encode())
}

// wantAnswer checks an answer that goes to a client by redirect: the redirect
// URI is there byte for byte, then one state and one iss, both right (T17, RFC
// 9207). It returns the parameters that were added.
func wantAnswer(t testing.TB, p *rig.Page, redirectURI, issuer, state string) url.Values {
	t.Helper()
	location := p.Header.Get("Location")
	rest, ok := strings.CutPrefix(location, redirectURI)
	if p.Status != http.StatusFound || !ok {
		t.Fatalf("answered %d to %q, want 302 to %q", p.Status, rig.Clip(location), redirectURI)
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

func cloned(v url.Values) url.Values {
	c := url.Values{}
	for name, values := range v {
		c[name] = slices.Clone(values)
	}
	return c
}
