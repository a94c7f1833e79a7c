package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"time"
)

// grant is one sign-in: what its code, and then its tokens, belong to. Each of
// them begins with its ID.
type grant struct {
	request
	id, user string
	code     string
	redeemed bool
	refresh  string // the one refresh token that works; "" before the code is redeemed, or if none was asked for
	begun    time.Time
	ended    bool
}

// begin keeps a new grant, and forgets the oldest if there are too many. The
// caller holds mu.
func (p *Provider) begin(req request, user string) *grant {
	g := &grant{request: req, id: rand.Text(), user: user, begun: time.Now()}
	g.code = g.newToken()
	p.grants[g.id] = g
	p.order = append(p.order, g.id)
	for len(p.order) > maxGrants {
		delete(p.grants, p.order[0])
		p.order = p.order[1:]
	}
	return g
}

func (g *grant) newToken() string { return g.id + "." + rand.Text() }

// owner returns the living grant to which a code or a refresh token belongs, be
// it one that was used before; nil if there is none. The caller holds mu.
func (p *Provider) owner(token string) *grant {
	id, _, _ := strings.Cut(token, ".")
	if g := p.grants[id]; g != nil && !g.ended && time.Since(g.begun) < grantTTL {
		return g
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
