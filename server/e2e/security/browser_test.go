package security

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// CP-3: where the public URL is https, the cookie is out of reach of other
// hosts and of plain http; on loopback it is as far as that is possible.
func TestSecCookie(t *testing.T) {
	public, _ := startPublicApp(t, rig.AppOptions{})
	local := rig.StartApp(t, rig.AppOptions{})
	for name, c := range map[string]struct {
		app        *rig.App
		b          *rig.Browser
		base, want string
		secure     bool
	}{
		"https":    {public, newPublicBrowser(t, public), publicURL, "__Host-drawbridge", true},
		"loopback": {local, rig.NewBrowser(t), local.URL, "drawbridge", false},
	} {
		t.Run(name, func(t *testing.T) {
			client := c.app.Register(t, rig.ClientURI)
			begin := c.b.Hop(rig.Navigation{Method: http.MethodGet, URL: c.b.Parse(authorizeAt(c.base, c.app.NewAuthRequest(client)))}, "none")
			if len(begin.Header.Values("Set-Cookie")) != 0 {
				t.Error("/authorize sets a cookie before anybody looked")
			}
			page := c.b.Open(begin.Header.Get("Location"))
			if len(page.Header.Values("Set-Cookie")) != 1 {
				t.Fatalf("%d cookies on the consent page, want one", len(page.Header.Values("Set-Cookie")))
			}
			got, err := http.ParseSetCookie(page.Header.Get("Set-Cookie"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != c.want || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" || len(got.Value) != 43 {
				t.Errorf("cookie %s: Secure %t, HttpOnly %t, SameSite %v, Path %q, Domain %q, %d characters", got.Name, got.Secure, got.HttpOnly, got.SameSite, got.Path, got.Domain, len(got.Value))
			}
			if strings.Contains(page.Body, got.Value) {
				t.Error("the page holds the cookie's value")
			}
			for range 20 { // T21, fastmcp #3784: many flows at once add none
				flowInHand(t, c.b, authorizeAt(c.base, c.app.NewAuthRequest(client)))
			}
			if n := len(c.b.Cookies(c.base)); n != 1 {
				t.Errorf("%d cookies after twenty more flows, want 1", n)
			}
		})
	}
}

// An attacker who can set a cookie for our host (from a subdomain, or another
// port of this computer) gives the victim their own browser's cookie, so that
// the victim's sign-in ends a flow that the attacker approved.
func TestSecTossedCookie(t *testing.T) {
	app, provider := startPublicApp(t, rig.AppOptions{})
	local := rig.StartApp(t, rig.AppOptions{})
	// The value that the attacker's own browser was given.
	for name, c := range map[string]struct {
		app  *rig.App
		base string
		new  func() *rig.Browser
		own  bool // the victim has a cookie of its own too
		toss []string
	}{
		"https": {app, publicURL, func() *rig.Browser { return newPublicBrowser(t, app) }, false,
			[]string{"drawbridge", "__host-drawbridge", "__HOST-drawbridge", "$__Host-drawbridge", "__Secure-drawbridge", "x=__Host-drawbridge"}},
		"loopback": {local, local.URL, func() *rig.Browser { return rig.NewBrowser(t) }, true, []string{"drawbridge"}},
	} {
		t.Run(name, func(t *testing.T) {
			client := c.app.Register(t, rig.ClientURI)
			attacker := c.new()
			consent, _ := flowInHand(t, attacker, authorizeAt(c.base, c.app.NewAuthRequest(client)))
			answer := providerAnswer(t, attacker, consent, c.base, "alice")
			value := attacker.Cookies(c.base)[0].Value
			for _, cookie := range c.toss {
				victim := c.new()
				header := cookie + "=" + value
				if c.own {
					flowInHand(t, victim, authorizeAt(c.base, c.app.NewAuthRequest(client)))
					header += "; drawbridge=" + victim.Cookies(c.base)[0].Value
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, answer.String(), nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Cookie", header)
				resp, err := victim.HTTP.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if p := victim.Read(resp); p.Status != http.StatusForbidden || p.Header.Get("Location") != "" {
					t.Errorf("with a cookie tossed as %q the victim's callback answered %d", cookie, p.Status)
				}
			}
		})
	}
	if n := provider.Asked("/token"); n != 0 {
		t.Errorf("%d codes exchanged", n)
	}
}

// A form counts until the person's answer is final: going back and approving
// again works, and nothing does after a no or after the sign-in.
func TestSecFormReplay(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
	again := func(page *rig.Page, form rig.Form, action string) *rig.Page {
		form.Values.Set("action", action)
		return b.Hop(rig.Navigation{Method: http.MethodPost, URL: b.Parse(app.URL + "/consent"), Form: form.Values, From: page}, "same-origin")
	}
	over := func(what string, p *rig.Page) {
		t.Helper()
		if p.Status != http.StatusBadRequest || p.Header.Get("Location") != "" {
			t.Errorf("%s answered %d", what, p.Status)
		}
	}
	page, form := flowInHand(t, b, app.NewAuthRequest(client).URL(app))
	first := callbackWith(t, b, page, app.URL, url.Values{"code": {"x"}})
	if p := b.Open(page.URL.String()); p.Status != http.StatusOK {
		t.Errorf("back to the consent page answered %d", p.Status)
	}
	second := providerAnswer(t, b, page, app.URL, "alice")
	over("the state of an approval that was repeated", b.Hop(rig.Navigation{Method: http.MethodGet, URL: first}, "cross-site"))
	if p := b.OpenUntil(second.String(), rig.ClientURI); p.Query("code") == "" {
		t.Error("the second approval gave no code")
	}
	for _, action := range []string{"approve", "deny"} {
		over(action+" after the sign-in", again(page, form, action))
	}
	over("the page after the sign-in", b.Open(page.URL.String()))

	page, form = flowInHand(t, b, app.NewAuthRequest(client).URL(app))
	answer := providerAnswer(t, b, page, app.URL, "alice")
	if p := again(page, form, "deny"); p.Status != http.StatusFound {
		t.Errorf("a no in another tab answered %d", p.Status)
	}
	over("the provider's answer after a no", b.Hop(rig.Navigation{Method: http.MethodGet, URL: answer}, "cross-site"))
	for _, action := range []string{"approve", "deny"} {
		over(action+" after a no", again(page, form, action))
	}
	over("the page after a no", b.Open(page.URL.String()))
	if n := len(app.Events(t, "signin.succeeded")); n != 1 {
		t.Errorf("%d sign-ins, want 1", n)
	}
}

// Two tabs are two flows: each ends at its own client with its own state,
// whatever the order.
func TestSecTwoTabs(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	b := rig.NewBrowser(t)
	one, two := app.NewAuthRequest(app.Register(t, rig.ClientURI)), app.NewAuthRequest(app.Register(t, "http://localhost:8888/other"))
	pageOne, _ := flowInHand(t, b, one.URL(app))
	pageTwo, _ := flowInHand(t, b, two.URL(app))
	answerOne := providerAnswer(t, b, pageOne, app.URL, "alice")
	answerTwo := providerAnswer(t, b, pageTwo, app.URL, "bob")
	for _, c := range []struct {
		req    *rig.AuthRequest
		answer *url.URL
		email  string
	}{{two, answerTwo, "bob@example.com"}, {one, answerOne, "alice@example.com"}} {
		p := b.Hop(rig.Navigation{Method: http.MethodGet, URL: c.answer}, "cross-site")
		q := wantAnswer(t, p, c.req.Client.RedirectURI, app.URL, c.req.Values.Get("state"))
		app.MustTokens(t, app.Redeem(t, c.req, q.Get("code")))
		if got := app.Sessions(t)[0].User.Email; got != c.email {
			t.Errorf("the session is of %s, want %s", got, c.email)
		}
	}
}

// The provider's answer counts once, however many requests bring it together.
func TestSecParallelCallbacks(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	b := rig.NewBrowser(t)
	page, _ := flowInHand(t, b, app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app))
	answer := providerAnswer(t, b, page, app.URL, "alice")
	var wg sync.WaitGroup
	var codes atomic.Int64
	for range 16 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, answer.String(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range b.Cookies(app.URL) {
				req.AddCookie(&c)
			}
			resp, err := b.HTTP.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.Header.Get("Location") != "" {
				codes.Add(1)
			}
		})
	}
	wg.Wait()
	if n, asked := codes.Load(), provider.Asked("/token"); n != 1 || asked != 1 {
		t.Errorf("%d codes, the provider was asked for %d; want one of each", n, asked)
	}
}

// CP-5: a flow that waits for longer than ten minutes is over at every step.
func TestSecFlowExpires(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	var passed atomic.Int64 // nanoseconds
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer, Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }})
	client := app.Register(t, rig.ClientURI)
	b := rig.NewBrowser(t)
	page, form := flowInHand(t, b, app.NewAuthRequest(client).URL(app))
	waiting, _ := flowInHand(t, b, app.NewAuthRequest(client).URL(app))
	answer := providerAnswer(t, b, waiting, app.URL, "alice")
	passed.Store(int64(10*time.Minute + time.Second))
	form.Values.Set("action", "approve")
	for name, n := range map[string]rig.Navigation{
		"the page":              {Method: http.MethodGet, URL: page.URL},
		"the form":              {Method: http.MethodPost, URL: b.Parse(app.URL + "/consent"), Form: form.Values, From: page},
		"the provider's answer": {Method: http.MethodGet, URL: answer},
	} {
		if p := b.Hop(n, "same-origin"); p.Status != http.StatusBadRequest || p.Header.Get("Location") != "" {
			t.Errorf("%s answered %d", name, p.Status)
		}
	}
	if n := provider.Asked("/token"); n != 0 {
		t.Errorf("%d codes exchanged", n)
	}
}
