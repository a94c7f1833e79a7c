package model

import (
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// What follows is a second, small implementation of the life of tokens: the
// rules as they are decided, without a store, keys, locks or a disk. model_run
// takes random steps against a real Drawbridge and holds every answer against
// it. It knows doubt where the real thing may do either, and only there:
//
//   - after kill -9, up to ten seconds of "a token of n+1 was seen" are
//     forgotten, so a late n may be answered once more or end the grant;
//   - after the clock went forward past a grant's end and back again, the
//     sweeper may have met it in between, or not;
//   - a used code is remembered for ten minutes at least.

const (
	modelGrace   = time.Minute
	modelCode    = time.Minute
	modelFlow    = 10 * time.Minute
	modelAccess  = 30 * time.Minute
	modelRefresh = 720 * time.Hour
	modelUsage   = 10 * time.Second // real time, whatever the app's clock says
)

// verdict is what the rules say of a request.
type verdict int

const (
	refused verdict = iota
	granted
	either // the two are right, and which it was tells how the doubt ends
	ends   // refused, and the grant is over
)

func (v verdict) String() string {
	return [...]string{"refused", "granted", "either", "ends"}[v]
}

// modelGrant is a grant as the rules see it.
type modelGrant struct {
	client, person int
	id             string // as the owner sees it; "" until the code was redeemed
	upstream       string // its id at the provider; "" if no refresh token was given
	gen            int    // 0 until the code was redeemed
	rotated        time.Time
	expires        time.Time
	used           bool      // a token of gen has been seen
	usedAt         time.Time // real time
	usedDoubt      bool      // perhaps forgotten by kill -9
	over           bool
	why            string // it is over
	overDoubt      bool   // perhaps over
	swept          bool   // its time was up once, whatever the clock says now
	spared         bool   // ended too long ago, or at a time when the provider can't be held to it

	access  []modelToken
	refresh []modelToken // of generation i+1
}

type modelToken struct {
	text string
	gen  int
	exp  time.Time
}

// modelCodeState is an authorization code.
type modelCodeState struct {
	text    string
	req     *rig.AuthRequest
	grant   *modelGrant
	issued  time.Time
	used    bool
	unknown bool // forgotten for certain, by a restart
	aged    bool // perhaps forgotten: issued longer ago than used codes are kept
}

// opens is whether an access token works.
func (g *modelGrant) opens(a modelToken, now time.Time) verdict {
	switch {
	case g.over || !now.Before(a.exp):
		return refused
	case g.overDoubt:
		return either
	}
	return granted
}

// saw notes that a token of generation gen has worked.
func (g *modelGrant) saw(gen int) {
	if gen == g.gen && (!g.used || g.usedDoubt) {
		g.used, g.usedDoubt, g.usedAt = true, false, time.Now()
	}
}

// refreshKind is what becomes of a refresh.
type refreshKind int

const (
	refreshDead    refreshKind = iota // the grant is over, or the token is: nothing changes
	refreshRotates                    // the provider is asked, and a generation begins
	refreshAgain                      // the same successor, at once
	refreshAsks                       // the same successor, once the provider has been asked
	refreshReplay                     // the grant ends
	refreshUnsure                     // refreshAsks or refreshReplay
)

func (k refreshKind) String() string {
	return [...]string{"dead", "rotates", "again", "asks", "replay", "unsure"}[k]
}

// refreshes says what refresh token t is good for.
func (g *modelGrant) refreshes(t modelToken, now time.Time) refreshKind {
	switch {
	case g.over, !now.Before(t.exp), !now.Before(g.expires):
		return refreshDead
	case t.gen == g.gen:
		return refreshRotates
	case t.gen == g.gen-1 && now.Sub(g.rotated) < modelGrace:
		return refreshAgain
	case t.gen == g.gen-1 && !g.used:
		return refreshAsks
	case t.gen == g.gen-1 && g.usedDoubt:
		return refreshUnsure
	}
	return refreshReplay
}

// rotate begins the next generation.
func (g *modelGrant) rotate(now time.Time) {
	g.gen++
	g.rotated, g.used, g.usedDoubt = now, false, false
	g.expires = now.Add(modelAccess)
	if g.upstream != "" {
		g.expires = now.Add(modelRefresh)
	}
	g.swept, g.overDoubt = false, false
}

// accessExpiry is when an access token made at now ends.
func (g *modelGrant) accessExpiry(now time.Time) time.Time {
	if end := now.Add(modelAccess); end.Before(g.expires) {
		return end
	}
	return g.expires
}

// killed is what kill -9 may do to what is known of a grant.
func (g *modelGrant) killed() {
	if g.used && time.Since(g.usedAt) < 3*modelUsage { // written after ten seconds, on a machine that is not busy
		g.usedDoubt = true
	}
}

// redeems is what becomes of a code that its own client presents with all that
// belongs to it.
func (c *modelCodeState) redeems(now time.Time) verdict {
	g := c.grant
	switch {
	case c.unknown, g.over:
		return refused
	case c.aged && c.used:
		return either
	case c.used, now.Sub(c.issued) > modelCode:
		return ends
	case g.overDoubt:
		return either
	}
	return granted
}

// clockMoved notes what the sweeper may have met.
func (g *modelGrant) clockMoved(now time.Time) {
	if !now.Before(g.expires) {
		g.swept = true
	} else if g.swept && !g.over {
		g.overDoubt = true
	}
}

// listed are the sessions that the owner must see, and those they may.
func listed(grants []*modelGrant, now time.Time) (must, may []string) {
	for _, g := range grants {
		switch {
		case g.over || g.gen == 0 || !now.Before(g.expires):
		case g.overDoubt:
			may = append(may, g.id)
		default:
			must = append(must, g.id)
		}
	}
	slices.Sort(must)
	return must, may
}
