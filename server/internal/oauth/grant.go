package oauth

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Grant is the record of one sign-in: a person let a client in. It is what
// lasts, and it owns every token that came of it.
type Grant struct {
	Version         int         `json:"v"`
	ID              string      `json:"id"`
	Client          GrantClient `json:"client"`
	Identity        Identity    `json:"identity"`
	Provider        string      `json:"provider"` // the issuer configured at sign-in; the identity's may be one of its tenants
	Scopes          []string    `json:"scopes"`
	Dropped         []string    `json:"dropped,omitempty"` // scopes that were asked for at sign-in and not granted
	Resource        string      `json:"resource"`          // canonical; tokens are good there only (RFC 8707)
	CreatedAt       time.Time   `json:"created_at"`
	ExpiresAt       time.Time   `json:"expires_at"`     // of the newest refresh token; without one, of the access token
	Generation      uint32      `json:"generation"`     // of the newest tokens; 0 while the code waits
	RotatedAt       time.Time   `json:"rotated_at"`     // when Generation began
	Used            bool        `json:"used,omitempty"` // a token of Generation has been seen
	UpstreamRefresh string      `json:"upstream_refresh,omitempty"`
	LastUsedAt      time.Time   `json:"last_used_at"`
	Requests        int64       `json:"requests"`
	LastTool        string      `json:"last_tool,omitempty"`
	Remote          string      `json:"remote,omitempty"`
	Label           string      `json:"label,omitempty"`    // what the owner calls it: "laptop"
	Leaving         time.Time   `json:"leaving,omitzero"`   // when it ends, since the owner has revoked it
	Through         string      `json:"through,omitempty"`  // [status.Enterprise] or [status.Machine]; "" is a browser
	GroupsOf        time.Time   `json:"groups_of,omitzero"` // see [status.Session]
}

// GrantClient is what a grant remembers of its client.
type GrantClient struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	RedirectURI string `json:"redirect_uri"`
	AuthMethod  string `json:"auth_method"`
}

// grant is a Grant in memory. The record is replaced, never changed, by who
// holds mu; use is counted beside it, so that a tool call waits for nothing.
// There may be a hundred thousand of them, so each byte counts.
type grant struct {
	id   grantID
	mu   sync.Mutex                    // who holds it may change the record
	gone bool                          // guarded by mu: somebody has seen to it that the record goes
	dead atomic.Bool                   // somebody wants g to end: from then on it opens nothing
	used atomic.Pointer[life]          // made when it is asked for
	kept atomic.Pointer[chan struct{}] // while it leaves; closed if it stays after all

	rec    atomic.Pointer[Grant]
	caller atomic.Pointer[Caller] // made of rec when it is asked for

	lastUsed atomic.Int64 // Unix milliseconds
	requests atomic.Int64
	lastTool atomic.Pointer[string] // nil: as in rec
	remote   atomic.Pointer[string] // nil: as in rec
	usedGen  atomic.Uint32          // newest generation of which a token was seen
	dirty    atomic.Bool            // in Grants.dirty
}

func newGrant(id grantID, r Grant) *grant {
	g := &grant{id: id}
	g.lastUsed.Store(r.LastUsedAt.UnixMilli())
	g.requests.Store(r.Requests)
	if r.Used {
		g.usedGen.Store(r.Generation)
	}
	g.set(r)
	return g
}

func (g *grant) record() *Grant { return g.rec.Load() }

// set replaces the record. The caller holds mu, or nobody else has g yet.
func (g *grant) set(r Grant) {
	for _, s := range []*string{&r.Client.ID, &r.Client.Name, &r.Client.Kind, &r.Client.RedirectURI, &r.Client.AuthMethod,
		&r.Identity.Issuer, &r.Identity.Domain, &r.Provider, &r.Resource} {
		*s = unique.Make(*s).Value() // many grants have these in common
	}
	g.rec.Store(&r)
	g.caller.Store(nil)
}

func (g *grant) over() bool { return g.dead.Load() }

// life lasts until somebody wants a grant to end.
type life struct {
	context.Context
	end context.CancelFunc
}

func (g *grant) life() *life {
	l := g.used.Load()
	if l == nil {
		l = &life{}
		l.Context, l.end = context.WithCancel(context.Background())
		if !g.used.CompareAndSwap(nil, l) {
			l = g.used.Load()
		}
	}
	if g.over() {
		l.end()
	}
	return l
}

func (g *grant) kill() {
	g.dead.Store(true)
	if l := g.used.Load(); l != nil {
		l.end()
	}
}

// claim has g open nothing any more, waits for whoever changes it, and reports
// whether it is the caller who has to end it. With only set, it does so if that
// is true of the record by then.
func (g *grant) claim(only func(*Grant) bool) bool {
	if only == nil {
		g.kill()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone || only != nil && !only(g.record()) {
		return false
	}
	g.kill()
	g.gone = true
	return true
}

// live reports whether a person would call g a session: signed in, not over.
func (g *grant) live(now time.Time) bool {
	r := g.record()
	return !g.over() && r.Generation > 0 && now.Before(r.ExpiresAt)
}

// withUse returns the record with the counters as they stand.
func (g *grant) withUse(r Grant) Grant {
	r.LastUsedAt = time.UnixMilli(g.lastUsed.Load()).UTC()
	r.Requests = g.requests.Load()
	if tool := g.lastTool.Load(); tool != nil {
		r.LastTool = *tool
	}
	if remote := g.remote.Load(); remote != nil {
		r.Remote = *remote
	}
	r.Used = r.Generation > 0 && g.usedGen.Load() >= r.Generation
	return r
}

func (r *Grant) user() status.User {
	return status.User{Sub: r.Identity.Subject, Email: r.Identity.Email, Name: status.Clean(r.Identity.Name, maxName)}
}

func (r *Grant) client() status.SessionClient {
	return status.SessionClient{ID: r.Client.ID, Name: r.Client.Name, Kind: r.Client.Kind, RedirectHost: RedirectHost(r.Client.RedirectURI)}
}

func (g *grant) session() status.Session {
	r := g.withUse(*g.record())
	vouched := ""
	if r.Through == status.Enterprise {
		vouched = r.Identity.Issuer
	}
	return status.Session{ID: r.ID, Label: r.Label, Leaving: r.Leaving, User: r.user(), Client: r.client(), Scopes: r.Scopes, CreatedAt: r.CreatedAt,
		LastUsedAt: r.LastUsedAt, ExpiresAt: r.ExpiresAt, Requests: r.Requests, LastTool: r.LastTool, Remote: r.Remote, Through: r.Through, Provider: vouched, GroupsOf: r.GroupsOf,
		Server: status.ServerOf(strings.TrimPrefix(r.Resource, origin(r.Resource)))}
}

// event starts an event about this grant.
func (r *Grant) event(typ, outcome, reason, remote string) status.Event {
	return status.Event{Type: typ, Outcome: outcome, User: who(r.Identity), Client: r.Client.Name, Session: r.ID, Reason: reason, Remote: remote}
}

// Sessions returns every live grant as a person sees it, newest first.
func (s *Grants) Sessions() []status.Session {
	now := s.opts.Now()
	s.mu.RLock()
	list := make([]status.Session, 0, len(s.grants))
	for _, g := range s.grants {
		if g.live(now) {
			list = append(list, g.session())
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b status.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Count is how many live grants there are.
func (s *Grants) Count() (n int) {
	now := s.opts.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.grants {
		if g.live(now) {
			n++
		}
	}
	return n
}

// find returns the grant of id unless it has ended.
func (s *Grants) find(id grantID) (*grant, bool) {
	s.mu.RLock()
	g, ok := s.grants[id]
	s.mu.RUnlock()
	return g, ok
}

// LastSignIn is whoever signed in last with an address that the provider vouches
// for, as far as there is still a session.
func (s *Grants) LastSignIn(email string) (Identity, bool) {
	var newest *Grant
	for _, g := range s.all() {
		r := g.record()
		if r.Identity.EmailVerified && hostname.Same(r.Identity.Email, email) && (newest == nil || r.CreatedAt.After(newest.CreatedAt)) {
			newest = r
		}
	}
	if newest == nil {
		return Identity{}, false
	}
	return newest.Identity, true
}
