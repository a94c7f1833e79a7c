package model

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Steps of sign-ins.

func (m *modelRun) register(o op) {
	if len(m.clients) < 4 {
		m.advance(time.Second)
		m.clients = append(m.clients, m.app.Register(m.t, fmt.Sprintf("http://localhost:%d/callback", 7700+len(m.clients))))
	}
}

func (m *modelRun) authorize(o op) {
	waiting := 0
	for _, f := range m.flows {
		if !f.over {
			waiting++
		}
	}
	if waiting > 300 { // some would be pushed out
		m.advance(modelFlow + time.Second)
		return
	}
	f := &modelFlowState{req: m.app.NewAuthRequest(pick(m.clients, o.a)), browser: rig.NewBrowser(m.t), started: m.now()}
	f.page = f.browser.Open(f.req.URL(m.app))
	f.page.WantStatus(m.t, http.StatusOK)
	m.flows = append(m.flows, f)
}

// alive is whether a pending sign-in may go on.
func (m *modelRun) alive(f *modelFlowState) verdict {
	switch {
	case f.over || m.now().Sub(f.started) > modelFlow:
		return refused
	case f.aged:
		return either
	}
	return granted
}

func (m *modelRun) approve(o op) {
	f := m.newestFlow(o.a)
	if f == nil || m.close(f.started.Add(modelFlow)) {
		return
	}
	m.provider.set(func(p *modelProvider) { p.person = personName(o.b % 2); f.person = p.person })
	f.browser.T = m.t
	page := f.browser.Submit(f.page, "action", "approve", m.app.URL+"/auth/callback")
	want := m.alive(f)
	switch {
	case page.Status == 0 && want == refused:
		m.t.Fatal("a sign-in that was over went on to the provider")
	case page.Status == 0:
		if f.back != "" {
			f.old = append(f.old, f.back)
		}
		f.back = page.URL.String()
	case want == granted && m.mood(f.person) != "later" && !m.patient():
		m.t.Fatalf("a sign-in that waits could not be approved: %d %s", page.Status, rig.Clip(page.Text()))
	case want != refused && page.Status >= 500: // the provider could not be asked: the state sent before counts no more
		if f.back != "" {
			f.old, f.back = append(f.old, f.back), ""
		}
	}
}

// newestFlow prefers sign-ins that began lately.
func (m *modelRun) newestFlow(n int) *modelFlowState {
	return pick(m.flows[max(0, len(m.flows)-8):], n)
}

func (m *modelRun) deny(o op) {
	f := m.newestFlow(o.a)
	if f == nil || m.close(f.started.Add(modelFlow)) {
		return
	}
	f.browser.T = m.t
	page := f.browser.Submit(f.page, "action", "deny", f.req.Client.RedirectURI)
	want := m.alive(f)
	denied := page.Status == 0 && page.Query("error") == "access_denied" && page.Query("code") == ""
	if want != either && denied != (want == granted) {
		m.t.Fatalf("a refusal counts: %t (%d)", denied, page.Status)
	}
	f.over = f.over || denied
}

// callback goes back with the provider's answer, or with an older one.
func (m *modelRun) callback(o op) {
	f := m.newestFlow(o.a)
	if f == nil || f.back == "" || m.close(f.started.Add(modelFlow)) {
		return
	}
	f.browser.T = m.t
	from := &rig.Page{URL: f.browser.Parse(m.provider.URL + "/")}
	if len(f.old) > 0 && o.b%4 == 0 {
		if page := f.browser.Follow(from, f.old[0], f.req.Client.RedirectURI); page.Status != http.StatusBadRequest {
			m.t.Fatalf("an answer to an earlier approval is answered %d", page.Status)
		}
		return
	}
	want := m.alive(f)
	page := f.browser.Follow(from, f.back, f.req.Client.RedirectURI)
	if want != granted && page.Status == http.StatusBadRequest {
		return
	}
	if want == refused {
		m.t.Fatalf("a sign-in that was over goes on: %d", page.Status)
	}
	f.over = true
	m.arrived(f, page)
}

// arrived looks at where the browser is after our callback.
func (m *modelRun) arrived(f *modelFlowState, page *rig.Page) {
	back, _ := url.Parse(f.back)
	mode := m.mood("nobody")
	denied := back.Query().Get("error") != ""
	switch code := page.Query("code"); {
	case denied || f.person == m.off && mode != "later":
		if page.Status != 0 || page.Query("error") != "access_denied" || code != "" {
			m.t.Fatalf("who may not sign in is answered %d, error %q", page.Status, page.Query("error"))
		}
	case mode == "later":
		if page.Status != http.StatusBadGateway && page.Status != http.StatusServiceUnavailable {
			m.t.Fatalf("without the provider a sign-in ends with %d, error %q", page.Status, page.Query("error"))
		}
	case code == "" && m.patient():
	case page.Status != 0 || code == "":
		m.t.Fatalf("a sign-in ends with %d, error %q: %s", page.Status, page.Query("error"), page.Query("error_description"))
	default:
		now := m.now()
		g := &modelGrant{person: slices.Index([]string{"alice", "bob"}, f.person), expires: now.Add(modelCode)}
		g.client = slices.IndexFunc(m.clients, func(c rig.Client) bool { return c.ID == f.req.Client.ID })
		m.provider.set(func(p *modelProvider) {
			if p.grants[p.last].refresh != "" {
				g.upstream = p.last
			}
		})
		m.grants = append(m.grants, g)
		m.codes = append(m.codes, &modelCodeState{text: code, req: f.req, grant: g, issued: now})
	}
}

// signIn is a whole sign-in without a pause, so that there are enough.
func (m *modelRun) signIn(o op) {
	if m.mood("nobody") != "yes" && o.b%4 != 0 {
		return
	}
	n := len(m.codes)
	m.authorize(o)
	last := len(m.flows) - 1 - (max(0, len(m.flows)-8))
	m.approve(op{a: last, b: o.b})
	m.callback(op{a: last, b: 1})
	if len(m.codes) > n {
		m.redeemCode(m.codes[n], "")
	}
}

func (m *modelRun) redeem(o op) {
	if c := pick(m.codes[max(0, len(m.codes)-6):], o.a); c != nil && (!c.used || o.b%3 == 0) {
		m.redeemCode(c, pick([]string{"", "", "", "", "verifier", "client", "redirect", "resource"}, o.b))
	}
}

// redeemCode presents a code, with one thing wrong if wrong says so.
func (m *modelRun) redeemCode(c *modelCodeState, wrong string) {
	g, now := c.grant, m.now()
	if m.close(c.issued.Add(modelCode)) {
		return
	}
	want := c.redeems(now)
	var change []string
	switch wrong {
	case "verifier":
		change = []string{"code_verifier", strings.Repeat("a", 43)}
	case "client":
		other := m.clients[(g.client+1)%len(m.clients)]
		if other.ID == c.req.Client.ID {
			return
		}
		change = []string{"client_id", other.ID}
	case "redirect":
		change = []string{"redirect_uri", "http://localhost:9/"}
	case "resource":
		change = []string{"resource", "https://other.example/mcp"}
	}
	m.seen[fmt.Sprintf("code: %v, wrong %q", want, wrong)]++
	r := m.app.Redeem(m.t, c.req, c.text, change...)
	if wrong == "resource" {
		if r.Error() != "invalid_target" && (!c.unknown && !c.aged && !g.overDoubt || r.Error() != "invalid_grant") {
			m.t.Fatalf("a code for another resource is answered %d %q", r.Status, r.Error())
		}
		return
	}
	if wrong != "" && want == granted {
		want = ends
	}
	if r.Status == http.StatusOK && (want == granted || want == either && wrong == "" && !c.used) {
		c.used = true
		tokens := m.app.MustTokens(m.t, r)
		g.rotate(now)
		m.keep(g, tokens, now)
		g.id = m.newSession()
		return
	}
	r.Want(m.t, http.StatusBadRequest, "invalid_grant")
	switch {
	case want == granted:
		m.t.Fatal("a good code is refused")
	case want == ends, want == either && !c.used:
		c.used = true
		m.end(g)
	case want == either: // a second use of a code that may be forgotten: the list tells
		if g.gen > 0 && now.Before(g.expires) {
			g.over = !slices.Contains(m.sessionIDs(), g.id)
		} else {
			g.overDoubt, g.spared = true, true
		}
	}
}

// keep notes what a token answer holds.
func (m *modelRun) keep(g *modelGrant, tokens rig.Tokens, now time.Time) {
	g.access = append(g.access, modelToken{tokens.Access, g.gen, g.accessExpiry(now)})
	for len(g.refresh) < g.gen {
		g.refresh = append(g.refresh, modelToken{})
	}
	newest := &g.refresh[g.gen-1]
	if newest.text != "" && tokens.Refresh != newest.text {
		m.t.Fatalf("generation %d has two different refresh tokens", g.gen)
	}
	if (tokens.Refresh == "") != (g.upstream == "") {
		m.t.Fatalf("a refresh token was given: %t; the provider gave one: %t", tokens.Refresh != "", g.upstream != "")
	}
	*newest = modelToken{tokens.Refresh, g.gen, g.expires}
}

func (m *modelRun) sessionIDs() (ids []string) {
	for _, s := range m.app.Sessions(m.t) {
		ids = append(ids, s.ID)
	}
	return ids
}

// newSession is the id that the model has not seen yet.
func (m *modelRun) newSession() string {
	for _, id := range m.sessionIDs() {
		if !slices.ContainsFunc(m.grants, func(g *modelGrant) bool { return g.id == id }) {
			return id
		}
	}
	m.t.Fatal("a session that just began is not listed")
	return ""
}
