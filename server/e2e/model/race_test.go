package model

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Steps in which two things meet, or a time is just up.

// hangUp is a client that goes away while the provider is asked. The rotation
// takes place, and the client never hears of it.
func (m *modelRun) hangUp(o op) {
	g, t := m.rotatable(o)
	if g == nil {
		return
	}
	m.seen["a client hung up"]++
	seen := m.refreshedEvents(g)
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	release := m.hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.text}, "client_id": {m.clients[g.client].ID}}
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, m.app.URL+"/token", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if resp, err := rig.PlainHTTP.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	m.waitAsked(release)
	cancel()
	<-done
	release()
	rig.WaitFor(m.t, "the rotation to be over", func() bool { return m.refreshedEvents(g) != seen })
	g.rotate(m.now())
	g.refresh = append(g.refresh, modelToken{}) // known to nobody yet
}

// rotatable picks a grant whose newest refresh token is known and would be
// answered with the next.
func (m *modelRun) rotatable(o op) (*modelGrant, modelToken) {
	g, t := m.someRefresh(op{a: o.a})
	if g == nil || g.overDoubt || m.mood(personName(g.person)) != "yes" || m.patient() || g.refreshes(t, m.now()) != refreshRotates {
		return nil, t
	}
	return g, t
}

// refreshedEvents names the latest rotation of g in the history.
func (m *modelRun) refreshedEvents(g *modelGrant) (last string) {
	for _, e := range m.app.Events(m.t, "token.refreshed") {
		if e.Session == g.id {
			last = fmt.Sprint(e.ID, " ", e.Count) // several are one event
		}
	}
	return last
}

// hold makes the provider wait with its answers to refreshes.
func (m *modelRun) hold() (release func()) {
	hold := make(chan struct{})
	m.provider.set(func(p *modelProvider) { p.hold = hold })
	var once sync.Once
	return func() {
		once.Do(func() {
			m.provider.set(func(p *modelProvider) { p.hold = nil })
			close(hold)
		})
	}
}

func (m *modelRun) waitAsked(release func()) {
	select {
	case <-m.provider.asked:
	case <-time.After(20 * time.Second):
		release()
		m.t.Fatal("the provider was not asked")
	}
}

// brink is a request a millisecond before a time is up, at it, or after it.
func (m *modelRun) brink(o op) {
	if m.clock == nil {
		return
	}
	nudge := time.Duration(o.b%3-1) * time.Millisecond
	to := func(moment time.Time) bool {
		d := moment.Add(nudge).Sub(m.now())
		if d > 0 && d < time.Hour {
			m.advance(d)
		}
		return d > 0 && d < time.Hour
	}
	g := m.newestGrant(o.a)
	switch c := pick(m.codes[max(0, len(m.codes)-3):], o.b); {
	case o.a%7 == 0 && c != nil && !c.used && to(c.issued.Add(modelCode)):
		if !c.grant.swept { // at the very end of its life the sweeper may be first
			m.redeemCode(c, "")
		}
	case g == nil || g.gen == 0:
	case o.a%7 < 3:
		if a := g.access[len(g.access)-1]; to(a.exp) {
			m.use(g, a)
		}
	case g.gen > 1 && g.refresh[g.gen-2].text != "" && to(g.rotated.Add(modelGrace)):
		m.refresh(g, g.refresh[g.gen-2], 1)
	}
}

// late presents the token before the newest after more than a minute, with the
// newest used or not, before a restart, a kill or neither.
func (m *modelRun) late(o op) {
	g, _ := m.rotatable(o)
	if g == nil || g.gen < 2 || g.refresh[g.gen-2].text == "" || m.clock == nil {
		return
	}
	if a := g.access[len(g.access)-1]; o.b%3 > 0 && a.gen == g.gen {
		m.use(g, a)
	}
	switch o.b % 5 {
	case 0:
		m.restart(op{b: 1})
	case 1:
		m.kill(op{})
	}
	m.advance(modelGrace)
	m.refresh(g, g.refresh[g.gen-2], 1)
}

// cross presents a refresh token and the one before it at once. Whichever is
// first decides.
func (m *modelRun) cross(o op) {
	g, t := m.rotatable(o)
	if g == nil || g.gen < 2 || g.refresh[g.gen-2].text == "" || m.now().Sub(g.rotated) >= modelGrace || m.clock == nil {
		return
	}
	m.seen["two refreshes crossed"]++
	now, client := m.now(), m.clients[g.client]
	r := m.together(2, func(t2 testing.TB, i int) *rig.Reply { return m.app.Refresh(t2, client, g.refresh[g.gen-1-i].text) })
	if r[1].Status == http.StatusOK { // the older was first, and given the newer
		if got := m.app.MustTokens(m.t, r[1]); got.Refresh != t.text {
			m.t.Fatal("the older token is answered with a stranger")
		}
		g.rotate(now)
		m.keep(g, m.app.MustTokens(m.t, r[0]), now)
		return
	}
	r[1].Want(m.t, http.StatusBadRequest, "invalid_grant")
	m.app.MustTokens(m.t, r[0])
	m.end(g)
}

// revokeWhileAsked revokes while the provider keeps a refresh waiting: nobody
// waits for the provider, and the refresh gets nothing.
func (m *modelRun) revokeWhileAsked(o op) {
	g, t := m.rotatable(o)
	if g == nil {
		return
	}
	m.seen["revoked while the provider was asked"]++
	release := m.hold()
	defer release()
	answer := make(chan *rig.Reply, 1)
	go func() {
		var r *rig.Reply
		_ = rig.Softly(m.t, func(t2 testing.TB) { r = m.app.Refresh(t2, m.clients[g.client], t.text) })
		answer <- r
	}()
	m.waitAsked(release)
	if o.b%2 == 0 {
		m.revoke(op{a: 5 * slices.Index(m.grants, g)})
	} else if r := m.app.Revoke(m.t, m.clients[g.client], t.text); r.Status != http.StatusOK {
		m.t.Fatalf("giving a token back is answered %d", r.Status)
	}
	m.end(g)
	if r := <-answer; r == nil || r.Error() != "invalid_grant" {
		m.t.Fatalf("a refresh of a session that was revoked meanwhile: %+v", r)
	}
}
