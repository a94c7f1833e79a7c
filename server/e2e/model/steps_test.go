package model

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// modelSteps is what can happen. Each step does it and holds what came of it
// against the rules.
var modelSteps map[string]func(*modelRun, op)

// modelWeights says how often each happens.
var modelWeights = map[string]int{
	"register": 2, "authorize": 10, "approve": 12, "deny": 2, "callback": 12, "sign in": 40, "redeem": 20,
	"use": 30, "refresh": 160, "refresh together": 30, "hang up": 16, "cross": 10,
	"give back": 4, "revoke": 3, "revoke while asked": 8, "revoke all": 1,
	"restart": 4, "kill": 6, "provider": 30, "person": 12, "clock": 30, "brink": 16, "late": 16,
}

func init() {
	modelSteps = map[string]func(*modelRun, op){
		"register": (*modelRun).register, "authorize": (*modelRun).authorize, "approve": (*modelRun).approve, "deny": (*modelRun).deny,
		"callback": (*modelRun).callback, "sign in": (*modelRun).signIn, "redeem": (*modelRun).redeem,
		"use": (*modelRun).useOne, "refresh": (*modelRun).refreshOne, "refresh together": (*modelRun).refreshTogether,
		"hang up": (*modelRun).hangUp, "cross": (*modelRun).cross,
		"give back": (*modelRun).giveBack, "revoke": (*modelRun).revoke, "revoke while asked": (*modelRun).revokeWhileAsked, "revoke all": (*modelRun).revokeAll,
		"restart": (*modelRun).restart, "kill": (*modelRun).kill, "provider": (*modelRun).setProvider, "person": (*modelRun).setPerson, "clock": (*modelRun).moveClock,
		"brink": (*modelRun).brink, "late": (*modelRun).late,
	}
}

func (m *modelRun) useOne(o op) {
	if g := m.newestGrant(o.a); g != nil && len(g.access) > 0 {
		m.use(g, pick(g.access[max(0, len(g.access)-3):], o.b))
	}
}

// newestGrant prefers grants that live, and lately begun ones.
func (m *modelRun) newestGrant(n int) *modelGrant {
	var live []*modelGrant
	for _, g := range m.grants {
		if !g.over && g.gen > 0 {
			live = append(live, g)
		}
	}
	if n%5 == 0 || len(live) == 0 {
		return pick(m.grants, n/5)
	}
	return pick(live[max(0, len(live)-6):], n)
}

// someRefresh picks a grant and one of its refresh tokens, mostly the newest.
func (m *modelRun) someRefresh(o op) (*modelGrant, modelToken) {
	g := m.newestGrant(o.a)
	if g == nil || len(g.refresh) == 0 {
		return nil, modelToken{}
	}
	back := [...]int{0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 2, 0, 0, 1, 3}[o.b%20]
	t := g.refresh[max(0, len(g.refresh)-1-back)]
	if t.text == "" || m.close(t.exp) || m.close(g.rotated.Add(modelGrace)) {
		return nil, modelToken{}
	}
	return g, t
}

func (m *modelRun) refreshOne(o op) {
	if g, t := m.someRefresh(o); g != nil {
		m.refresh(g, t, 1)
	}
}

func (m *modelRun) refreshTogether(o op) {
	if g, t := m.someRefresh(o); g != nil && !g.overDoubt && !g.usedDoubt {
		m.refresh(g, t, 2+o.b%3)
	}
}

// refresh presents t, copies times at once.
func (m *modelRun) refresh(g *modelGrant, t modelToken, copies int) {
	now := m.now()
	kind, mood := g.refreshes(t, now), m.mood(personName(g.person))
	client := m.clients[g.client]
	replies := m.together(copies, func(t2 testing.TB, _ int) *rig.Reply { return m.app.Refresh(t2, client, t.text) })
	m.seen[fmt.Sprintf("refresh: %v, provider says %s", kind, mood)]++
	for _, r := range replies {
		m.judge(g, r, kind, mood, now)
	}
	if g.over || replies[0].Status != http.StatusOK {
		return
	}
	if kind == refreshRotates {
		g.rotate(now)
	}
	for _, r := range replies {
		m.keep(g, m.app.MustTokens(m.t, r), now)
	}
}

// judge holds one answer to a refresh against the rules, and notes the end of a
// grant and of a doubt.
func (m *modelRun) judge(g *modelGrant, r *rig.Reply, kind refreshKind, mood string, now time.Time) {
	over := func() {
		m.end(g)
		g.why += fmt.Sprintf(" (%v, provider says %s: %s)", kind, mood, rig.Clip(r.Body))
	}
	bad := func() {
		m.t.Fatalf("a refresh (%v, provider says %s) is answered %d %q: %s\n%s", kind, mood, r.Status, r.Error(), rig.Clip(r.Body), m.lastRefusals())
	}
	dead := r.Status == http.StatusBadRequest && r.Error() == "invalid_grant"
	later := r.Status == http.StatusServiceUnavailable && r.Error() == "temporarily_unavailable"
	switch {
	case r.Status != http.StatusOK && !dead && !later:
		bad()
	case dead && (g.overDoubt || kind == refreshUnsure):
		over()
	case kind == refreshDead:
		if !dead {
			bad()
		}
	case kind == refreshReplay:
		if !dead {
			bad()
		}
		over()
	case kind == refreshAgain:
		if r.Status != http.StatusOK {
			bad()
		}
	case later && (mood == "later" || m.patient()), r.Status == http.StatusOK && mood == "yes":
		if kind == refreshUnsure { // it has been forgotten
			g.used, g.usedDoubt = false, false
		}
	case dead && mood == "no":
		over()
	default:
		bad()
	}
}

// together makes n requests at once.
func (m *modelRun) together(n int, do func(t testing.TB, i int) *rig.Reply) []*rig.Reply {
	replies, errs := make([]*rig.Reply, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = rig.Softly(m.t, func(t testing.TB) { replies[i] = do(t, i) }) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return replies
}

// lastRefusals is what the app's log says of the latest refused requests.
func (m *modelRun) lastRefusals() string {
	var lines []string
	for line := range strings.Lines(m.app.Log.String()) {
		if strings.Contains(line, "msg=refused path=/token") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-4):], "")
}
