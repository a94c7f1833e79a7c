package model

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Steps of the owner, the provider, the computer and its clock.

// giveBack is RFC 7009, by the client or by another.
func (m *modelRun) giveBack(o op) {
	g := m.newestGrant(o.a)
	if g == nil || len(g.access) == 0 {
		return
	}
	token := pick(g.access, o.b).text
	if t := pick(g.refresh, o.b); o.b%2 == 0 && t.text != "" {
		token = t.text
	}
	who := g.client
	if o.b%3 == 0 {
		who = (who + 1) % len(m.clients)
	}
	if r := m.app.Revoke(m.t, m.clients[who], token); r.Status != http.StatusOK {
		m.t.Fatalf("giving a token back is answered %d", r.Status)
	}
	m.seen[fmt.Sprintf("token given back, by its client: %t", who == g.client)]++
	if who == g.client {
		m.end(g)
	}
}

// revoke is a click on Revoke.
func (m *modelRun) revoke(o op) {
	g := m.newestGrant(o.a)
	if g == nil || g.id == "" {
		return
	}
	c := m.app.Control(m.t)
	defer c.Close()
	err := c.Revoke(m.t.Context(), g.id)
	if !g.overDoubt && !g.swept && (err != nil) != g.over {
		m.t.Fatalf("revoking a session that is over (%t): %v", g.over, err)
	}
	m.end(g)
}

func (m *modelRun) revokeAll(o op) {
	if o.b%4 != 0 {
		return
	}
	m.seen["all revoked"]++
	c := m.app.Control(m.t)
	defer c.Close()
	if _, err := c.RevokeAll(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	for _, g := range m.grants {
		m.end(g)
	}
}

func (m *modelRun) restart(o op) {
	m.stop()
	if m.clock != nil && o.b%3 == 0 { // with or without one of them on the list
		m.off = pick([]string{"", "alice", "bob"}, o.a)
		m.app.Config.Access.Emails = []string{"carol@example.com"}
		for _, who := range []string{"alice", "bob"} {
			if who != m.off {
				m.app.Config.Access.Emails = append(m.app.Config.Access.Emails, who+"@example.com")
			}
		}
	}
	m.app.Start()
	m.forgotten()
}

func (m *modelRun) kill(o op) {
	if m.clock == nil {
		m.app.Kill()
	} else {
		m.killCopy()
	}
	m.app.Start()
	m.seen["killed"]++
	for _, g := range m.grants {
		g.killed()
		g.spared = g.spared || g.gen == 0 // it was in memory alone, and what the provider gave for it
	}
	m.forgotten()
}

// forgotten is what no restart keeps, and whom the access list sends away.
func (m *modelRun) forgotten() {
	for _, f := range m.flows {
		f.over = true
	}
	m.flows, m.awayEnd = nil, time.Time{}
	for _, c := range m.codes {
		c.unknown = true
	}
	ids := m.sessionIDs()
	for _, g := range m.grants {
		if g.gen == 0 || personName(g.person) == m.off {
			m.end(g)
		}
		if g.overDoubt && !m.now().Before(g.expires) { // not listed either way, and the clock may yet go back
			g.overDoubt, g.swept = false, true
		}
		if g.overDoubt { // nothing goes on any more that could end it unseen
			g.over, g.overDoubt = g.over || !slices.Contains(ids, g.id), false
			g.swept = g.over
		}
	}
}

func (m *modelRun) setProvider(o op) {
	mode := pick([]string{"away", "refusing", "misconfigured", "garbled", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok"}, o.b)
	m.provider.set(func(p *modelProvider) {
		if p.mode == "away" {
			m.awayEnd = m.now().Add(31*time.Second + m.setBack)
			m.setBack = 0
		}
		p.mode, p.silent = mode, o.a%8 == 0
	})
}

func (m *modelRun) setPerson(o op) {
	m.provider.set(func(p *modelProvider) { p.away[personName(o.a%2)] = o.b%5 == 0 })
}

func (m *modelRun) moveClock(o op) {
	if m.clock == nil {
		return
	}
	jumps := []time.Duration{10 * time.Second, 31 * time.Second, 45 * time.Second, 59 * time.Second, 61 * time.Second, 61 * time.Second, 61 * time.Second,
		2 * time.Minute, 5 * time.Minute, 5 * time.Minute, 11 * time.Minute, 31 * time.Minute, -10 * time.Second, -2 * time.Minute, -40 * time.Minute}
	d := pick(jumps, o.b)
	if o.a%100 == 0 {
		d = 25 * time.Hour
	}
	if o.a%150 == 1 {
		d = 721 * time.Hour
	}
	if d > 20*time.Hour {
		for _, g := range m.grants { // the provider's tokens are given up on after a day
			g.spared = g.spared || g.over && g.upstream != "" && m.provider.lives(g.upstream)
		}
	}
	switch { // a pause between two tries is measured by this clock, which unlike a real one has no monotonic reading
	case d > 0:
	case m.now().Before(m.awayEnd):
		m.awayEnd = m.awayEnd.Add(-d)
	case m.provider.isAway():
		m.setBack -= d
	}
	m.advance(d)
}
