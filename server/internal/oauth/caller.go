package oauth

import (
	"context"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Caller is who makes a request at an MCP path: the grant its access token
// belongs to, as it was when the request came. It is never changed.
type Caller struct {
	Session string // the grant's ID
	User    status.User
	Groups  []string

	EmailVerified bool   // User.Email is
	Domain        string // see [Identity]

	Client status.SessionClient
	Scopes []string
	Remote string // address of the request

	ended <-chan struct{} // closes when the grant ends
}

// Ended reports whether the grant is over by now. A context of the request ends
// with the grant too, but a moment later.
func (c *Caller) Ended() bool {
	select {
	case <-c.ended:
		return true
	default: // also if it is nil, in a test
		return false
	}
}

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
