package security

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// remembered is a person who let a client in and chose not to be asked again.
type remembered struct {
	app      *rig.App
	provider *rig.WatchedProvider
	browser  *rig.Browser
	client   rig.Client
	days     atomic.Int64 // since then
}

func newRemembered(t *testing.T) *remembered {
	t.Helper()
	r := &remembered{}
	r.app, r.provider = startPublicApp(t, rig.AppOptions{Now: func() time.Time { return time.Now().AddDate(0, 0, int(r.days.Load())) }})
	r.browser = newPublicBrowser(t, r.app)
	r.client = r.app.Register(t, rig.ClaudeURI, rig.ChatURI)
	consent, form := flowInHand(t, r.browser, authorizeAt(publicURL, r.request("scope", "openid email")))
	if !strings.Contains(consent.Body, `name="remember"`) {
		t.Fatal("the page does not offer to remember")
	}
	form.Values.Set("remember", "on")
	form.Values.Set("action", "approve")
	p := r.browser.Post(consent, publicURL+"/consent", form.Values, "")
	if p := r.browser.Submit(p, "user", "alice", rig.ClaudeURI); p.Query("code") == "" {
		t.Fatal("no code")
	}
	return r
}

// request is one of the remembered client, changed by pairs as in App.Redeem.
func (r *remembered) request(change ...string) *rig.AuthRequest {
	req := r.app.NewAuthRequest(r.client)
	req.Values.Set("scope", "openid email")
	rig.With(req.Values, change)
	return req
}

// asked reports whether b, which says of itself that site sent it, is shown
// the consent page on req.
func (r *remembered) asked(t *testing.T, b *rig.Browser, req *rig.AuthRequest, site string) bool {
	t.Helper()
	before := r.provider.Asked("/authorize")
	begin := b.Hop(rig.Navigation{Method: http.MethodGet, URL: b.Parse(authorizeAt(publicURL, req))}, site)
	p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: b.Parse(begin.Header.Get("Location"))}, site)
	if _, form := p.FormWith("csrf"); p.Status == http.StatusOK && form {
		return true
	}
	if p.Status != http.StatusFound || !strings.HasPrefix(p.Header.Get("Location"), r.provider.Issuer+"/authorize?") || r.provider.Asked("/authorize") != before {
		t.Fatalf("neither asked nor sent to the provider: %d", p.Status)
	}
	return false
}

// T5, GHSA-6x8h-498w-gv8c: a server in the middle sends a person who let a
// client in before to us again. What is remembered holds for what the person
// does by themselves, and for exactly what they agreed to.
func TestSecRememberedConsent(t *testing.T) {
	r := newRemembered(t)
	stranger := newPublicBrowser(t, r.app)
	flowInHand(t, stranger, authorizeAt(publicURL, r.request()))
	twin := r.app.Register(t, rig.ClaudeURI) // the same name and address
	for _, c := range []struct {
		name    string
		browser *rig.Browser
		req     *rig.AuthRequest
		site    string
		asked   bool
	}{
		{"typed into the address bar", r.browser, r.request(), "none", false},
		{"less than what was let in", r.browser, r.request("scope", "openid"), "none", false},
		{"a link on another site", r.browser, r.request(), "cross-site", true},
		{"a link on a neighbour's site", r.browser, r.request(), "same-site", true},
		{"a browser that does not say", r.browser, r.request(), "", true},
		{"a value nobody has defined", r.browser, r.request(), "None", true},
		{"a larger scope", r.browser, r.request("scope", "openid email profile"), "none", true},
		{"the usual scopes, by naming none", r.browser, r.request("scope", ""), "none", true},
		{"lasting access", r.browser, r.request("scope", "openid email offline_access"), "none", true},
		{"another redirect URI of the client", r.browser, r.request("redirect_uri", rig.ChatURI), "none", true},
		{"another client of that name", r.browser, r.request("client_id", twin.ID), "none", true},
		{"the client known in advance", r.browser, r.request("client_id", "drawbridge-demo"), "none", true},
		{"a client that wants it asked", r.browser, r.request("prompt", "consent"), "none", true},
		{"another browser", stranger, r.request(), "none", true},
		{"no cookie at all", newPublicBrowser(t, r.app), r.request(), "none", true},
	} {
		if got := r.asked(t, c.browser, c.req, c.site); got != c.asked {
			t.Errorf("%s: asked %t, want %t", c.name, got, c.asked)
		}
	}
	for _, days := range []int64{31, 0} {
		r.days.Store(days)
		if got := r.asked(t, r.browser, r.request(), "none"); got != (days > 30) {
			t.Errorf("after %d days: asked %t", days, got)
		}
	}
}

// T5, the whole chain: the page of another site begins it, the redirects in
// between do not wash that off.
func TestSecServerInTheMiddle(t *testing.T) {
	r := newRemembered(t)
	evil := &rig.Page{URL: &url.URL{Scheme: "https", Host: "evil.example", Path: "/authorize"}}
	before := r.provider.Asked("/authorize")
	p := r.browser.Follow(evil, authorizeAt(publicURL, r.request()), rig.ClaudeURI)
	if _, form := p.FormWith("csrf"); !form || r.provider.Asked("/authorize") != before {
		t.Fatalf("ended at %s (%d)", rig.WithoutQuery(p.URL), p.Status)
	}
	// POST is another way in, and carries no cookie from another site.
	p = r.browser.Post(evil, publicURL+"/authorize", r.request().Values, rig.ClaudeURI)
	if _, form := p.FormWith("csrf"); !form || r.provider.Asked("/authorize") != before {
		t.Fatalf("by POST, ended at %s (%d)", rig.WithoutQuery(p.URL), p.Status)
	}
}

// RFC 8252 §8.6: on the person's own computer any program may wait at the
// redirect URI, so there is nothing to remember, whatever the form says.
func TestSecNothingRememberedOfLoopback(t *testing.T) {
	for name, uri := range map[string]string{"loopback": rig.ClientURI, "a private scheme": rig.CursorURI} {
		t.Run(name, func(t *testing.T) {
			app := rig.StartApp(t, rig.AppOptions{})
			client := app.Register(t, uri)
			b := rig.NewBrowser(t)
			page, form := flowInHand(t, b, app.NewAuthRequest(client).URL(app))
			if form.Values.Has("remember") || strings.Contains(page.Body, `name="remember"`) {
				t.Error("the page offers to remember")
			}
			form.Values.Set("action", "approve")
			form.Values.Set("remember", "on")
			p := b.Walk(b.Post(page, "/consent", form.Values, uri), "alice", uri)
			if p.Query("code") == "" {
				t.Fatal("no code")
			}
			flowInHand(t, b, app.NewAuthRequest(client).URL(app))
		})
	}
}

// A yes that led to no sign-in is not remembered: not one at the provider's
// refusal, nor one that was taken back.
func TestSecUnfinishedConsentIsNotRemembered(t *testing.T) {
	app, provider := startPublicApp(t, rig.AppOptions{})
	r := &remembered{app: app, provider: provider, browser: newPublicBrowser(t, app), client: app.Register(t, rig.ClaudeURI)}
	provider.Change("alice", func(p *demo.Person) { p.Active = false })
	page, form := flowInHand(t, r.browser, authorizeAt(publicURL, r.request()))
	form.Values.Set("remember", "on")
	form.Values.Set("action", "approve")
	p := r.browser.Submit(r.browser.Post(page, publicURL+"/consent", form.Values, ""), "user", "alice", rig.ClaudeURI)
	if p.Query("error") != "access_denied" || p.Query("iss") != publicURL {
		t.Fatalf("the refusal came back as %q from %q", p.Query("error"), p.Query("iss"))
	}
	if !r.asked(t, r.browser, r.request(), "none") {
		t.Error("a refused sign-in was remembered")
	}
}
