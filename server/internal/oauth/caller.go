package oauth

import (
	"context"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Caller is who makes a request at an MCP path: the grant its access token
// belongs to, as it was when the request came. It is never changed.
type Caller struct {
	Session string // the grant's ID
	Issuer  string // of the provider that names them
	User    status.User
	Groups  []string

	EmailVerified bool   // User.Email is
	Domain        string // see [Identity]

	Through string // how the session began, see [status.Session]

	Client status.SessionClient
	Scopes []string
	Remote string // address of the request

	life context.Context // ends with the grant; nil in tests
	of   *Grant          // the record it was made of
}

// callerOf is who g's tokens stand for, but for the address.
func (g *grant) callerOf() *Caller {
	r := g.record()
	if c := g.caller.Load(); c != nil && c.of == r {
		return c
	}
	c := &Caller{Session: r.ID, Issuer: r.Identity.Issuer, User: r.user(), Groups: r.Identity.Groups, EmailVerified: r.Identity.EmailVerified, Through: r.Through,
		Domain: r.Identity.Domain, Client: r.client(), Scopes: r.Scopes, life: g.life(), of: r}
	g.caller.Store(c)
	return c
}

// Ended reports whether the grant is over by now. A context of the request ends
// with the grant too, but a moment later.
func (c *Caller) Ended() bool { return c.life != nil && c.life.Err() != nil }

// Identity is what rules look at, see [AccessList].
func (c *Caller) Identity() Identity {
	return Identity{Subject: c.User.Sub, Email: c.User.Email, EmailVerified: c.EmailVerified, Name: c.User.Name, Groups: c.Groups, Domain: c.Domain}
}

type callerKey struct{}

// WithCaller returns ctx carrying c.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller that resource.Guard put in ctx, or nil.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
