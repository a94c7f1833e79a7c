package security

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// clientOf registers, publishes or names a client of each kind that has one
// redirect URI.
var clientOf = map[string]func(testing.TB, *rig.App, string) rig.Client{
	"registered": func(t testing.TB, app *rig.App, uri string) rig.Client { return app.Register(t, uri) },
	"document":   func(t testing.TB, app *rig.App, uri string) rig.Client { return rig.ServeMetadata(t, uri).Client() },
	"known in advance": func(t testing.TB, app *rig.App, uri string) rig.Client {
		return rig.Client{ID: "drawbridge-demo", RedirectURI: uri}
	},
}

// T1, GHSA-c2jp-c369-7pvx: a client sends the victim a link. All clients share
// ours at the provider, which would let them through; so no kind of client and
// no kind of GET gets past a person's yes, the second time neither.
func TestSecConsentComesBeforeTheProvider(t *testing.T) {
	for kind, of := range clientOf {
		t.Run(kind, func(t *testing.T) {
			provider := rig.WatchProvider(t, "")
			app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
			client := of(t, app, rig.ClientURI)
			b := rig.NewBrowser(t)
			for range 2 {
				before := provider.Asked("/authorize")
				req := app.NewAuthRequest(client)
				page, form := flowInHand(t, b, req.URL(app))
				form.Values.Set("action", "approve")
				answer := app.URL + "/consent?" + form.Values.Encode()
				for _, n := range []rig.Navigation{{Method: http.MethodGet, URL: b.Parse(answer)}, {Method: http.MethodHead, URL: b.Parse(answer)}} {
					if p := b.Hop(n, "none"); p.Status != http.StatusOK || p.Header.Get("Location") != "" {
						t.Errorf("%s of an approval answered %d", n.Method, p.Status)
					}
				}
				app.Get(t, "/auth/callback?code=x&state="+form.Values.Get("flow")).Want(t, http.StatusBadRequest, "invalid_request")
				if n := provider.Asked("/authorize"); n != before {
					t.Fatal("the provider was asked before the person")
				}
				if p := b.Walk(page, "alice", rig.ClientURI); p.Query("code") == "" {
					t.Fatal("a person's yes gave no code")
				}
			}
			if n := app.CountEvents(t, "consent.approved"); n != 2 {
				t.Errorf("%d approvals in the history, want 2", n)
			}
		})
	}
}

// T2, GHSA-rww4-4w9c-7733, CVE-2026-27124: the attacker says yes in their own
// browser and lets the victim sign in. The victim's code stays unused, and the
// flow is still the one who began it's.
func TestSecCallbackInAnotherBrowser(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	client := app.Register(t, rig.ClientURI)
	attacker := rig.NewBrowser(t)
	req := app.NewAuthRequest(client)
	consent, _ := flowInHand(t, attacker, req.URL(app))
	answer := providerAnswer(t, attacker, consent, app.URL, "alice")

	bystander := rig.NewBrowser(t)
	flowInHand(t, bystander, app.NewAuthRequest(client).URL(app))
	forger := rig.NewBrowser(t)
	forger.Toss(app.URL, http.Cookie{Name: "drawbridge", Value: strings.Repeat("A", 43)})
	errorOf := func(q url.Values) *url.URL {
		q.Set("state", answer.Query().Get("state"))
		return attacker.Parse(app.URL + "/auth/callback?" + q.Encode())
	}
	for name, victim := range map[string]*rig.Browser{"without a cookie": rig.NewBrowser(t), "with a cookie of its own": bystander, "with an invented cookie": forger} {
		for what, u := range map[string]*url.URL{"code": answer, "error": errorOf(url.Values{"error": {"access_denied"}})} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				p := victim.Hop(rig.Navigation{Method: method, URL: u}, "cross-site")
				if p.Status != http.StatusForbidden || p.Header.Get("Location") != "" {
					t.Errorf("%s %s in a browser %s answered %d", method, what, name, p.Status)
				}
			}
		}
	}
	if n := provider.Asked("/token"); n != 0 {
		t.Fatalf("the provider's code was exchanged %d times for somebody else", n)
	}
	p := attacker.Hop(rig.Navigation{Method: http.MethodGet, URL: answer}, "cross-site")
	if q := wantAnswer(t, p, rig.ClientURI, app.URL, req.Values.Get("state")); q.Get("code") == "" {
		t.Error("the right browser got no code")
	}
	if p := attacker.Hop(rig.Navigation{Method: http.MethodGet, URL: answer}, "cross-site"); p.Status != http.StatusBadRequest {
		t.Errorf("the provider's answer counted twice: %d", p.Status)
	}
	if n := provider.Asked("/token"); n != 1 {
		t.Errorf("the provider's code was exchanged %d times, want once", n)
	}
}

// T3, the follow-up of GHSA-rww4-4w9c-7733: the victim's browser is made to
// post the attacker's form, or its own page's without the victim.
func TestSecFormOfAnotherBrowser(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	client := app.Register(t, rig.ClientURI)
	consent := func(b *rig.Browser) url.Values {
		_, form := flowInHand(t, b, app.NewAuthRequest(client).URL(app))
		form.Values.Set("action", "approve")
		return form.Values
	}
	attacker, victim := rig.NewBrowser(t), rig.NewBrowser(t)
	theirs, own, other := consent(attacker), consent(victim), consent(victim)
	unseen := victim.Hop(rig.Navigation{Method: http.MethodGet, URL: victim.Parse(app.NewAuthRequest(client).URL(app))}, "none")
	unseenFlow := victim.Parse(unseen.Header.Get("Location")).Query().Get("flow")

	post := func(b *rig.Browser, form url.Values, site, origin string) *rig.Page {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app.URL+"/consent", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range map[string]string{"Sec-Fetch-Site": site, "Origin": origin} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		for _, c := range b.Cookies(app.URL) {
			req.AddCookie(&c)
		}
		resp, err := b.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return b.Read(resp)
	}
	for _, c := range []struct {
		name, site, origin string
		browser            *rig.Browser
		form               url.Values
	}{
		{"the attacker's form", "cross-site", "https://evil.example", victim, theirs},
		{"the attacker's form, as if it came from our page", "same-origin", "", victim, theirs},
		{"the attacker's form, from an old browser", "", "null", victim, theirs},
		{"the attacker's form, in a browser without a cookie", "same-origin", "", rig.NewBrowser(t), theirs},
		{"the victim's form with the attacker's secret", "same-origin", "", victim, rig.With(cloned(own), []string{"csrf", theirs.Get("csrf")})},
		{"the victim's form with the secret of its other tab", "same-origin", "", victim, rig.With(cloned(own), []string{"csrf", other.Get("csrf")})},
		{"the victim's form without its secret", "same-origin", "", victim, rig.With(cloned(own), []string{"csrf", ""})},
		{"a flow that nobody has looked at", "same-origin", "", victim, rig.With(cloned(own), []string{"flow", unseenFlow})},
		{"the victim's own form, from another site", "cross-site", "", victim, own},
		{"the victim's own form, from another port of this host", "same-site", "", victim, own},
		{"the victim's own form, by another origin", "", "https://evil.example", victim, own},
		{"the victim's own form, by an origin that ours begins", "", app.URL + "0", victim, own},
	} {
		for _, action := range []string{"approve", "deny"} {
			c.form.Set("action", action)
			if p := post(c.browser, c.form, c.site, c.origin); p.Status != http.StatusForbidden || p.Header.Get("Location") != "" {
				t.Errorf("%s: %s answered %d", c.name, action, p.Status)
			}
		}
	}
	if n := app.CountEvents(t, "consent.approved") + app.CountEvents(t, "consent.denied") + provider.Asked("/authorize"); n != 0 {
		t.Fatalf("%d things came of forged answers", n)
	}
	for name, site := range map[string]string{"a browser without fetch metadata": "", "our own page": "same-origin"} {
		own.Set("action", "approve")
		if p := post(victim, own, site, "null"); p.Status != http.StatusFound {
			t.Errorf("the person's own answer, from %s, answered %d", name, p.Status)
		}
	}
}

// CP-2, AS-17, AS-18: the page says who asks, where the answer goes (with a
// warning if that is a program on this device), what for, and where next. It
// never takes a client's word for its name.
func TestSecConsentPageTells(t *testing.T) {
	provider := rig.WatchProvider(t, "")
	app := rig.StartApp(t, rig.AppOptions{Issuer: provider.Issuer})
	document := rig.Publish(t, rig.ClientURI, rig.ClaudeURI)
	for _, c := range []struct {
		name      string
		client    rig.Client
		says      []string
		doesntSay []string
	}{
		{"registered, on the web", app.Register(t, rig.ClaudeURI), []string{"Test client", "calls itself", "Not verified", "claude.ai", rig.ClaudeURI}, []string{"device you are using"}},
		{"registered, on loopback", app.Register(t, rig.ClientURI), []string{"Not verified", "localhost", rig.ClientURI, "device you are using"}, []string{"Verified:"}},
		{"registered, behind a private scheme", app.Register(t, rig.CursorURI), []string{"Not verified", "cursor:", rig.CursorURI, "device you are using"}, []string{"Verified:"}},
		{"document, on the web", rig.Client{ID: document.ID, RedirectURI: rig.ClaudeURI}, []string{"Published client", "Verified:", strings.Split(document.ID, "/")[2], rig.ClaudeURI}, []string{"Not verified"}},
		{"document, on loopback", rig.Client{ID: document.ID, RedirectURI: rig.ClientURI}, []string{"without proof", rig.ClientURI, "device you are using"}, []string{"Verified:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			page, form := flowInHand(t, rig.NewBrowser(t), app.NewAuthRequest(c.client).URL(app))
			text := page.Text()
			for _, s := range append(c.says, app.MCPURL, strings.TrimPrefix(provider.Issuer, "http://"), "email address") {
				if !strings.Contains(text, s) {
					t.Errorf("the page does not say %q", s)
				}
			}
			for _, s := range c.doesntSay {
				if strings.Contains(text, s) {
					t.Errorf("the page says %q", s)
				}
			}
			// Enter in a form presses its first button: that must be the harmless one.
			if buttons := form.Buttons["action"]; len(buttons) != 2 || buttons[0] != "deny" {
				t.Errorf("buttons %q", buttons)
			}
		})
	}
}
