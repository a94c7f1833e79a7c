// Package serverauth signs people in at mounted servers that want a sign-in of
// their own (MCP, "Authorization", the client's side): it finds out where, as
// which client, keeps what it is given, refreshes it ahead of time, and gives it
// back when it is over.
//
// It serves no HTTP and decides nothing about who may use a server. A token goes
// to the very URL that it was asked for, and in the name of the person who signed
// in; nothing of it is in a log, an error or a link.
//
// Start at [SignIns].
package serverauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Options make [SignIns].
type Options struct {
	Base     string         // our public URL, no slash at the end
	Loopback func() string  // where the owner's browser comes back to, the same
	DataKey  []byte         // names the servers in addresses
	Keystore keystore.Store // of the owner's tokens, and of the secrets of clients that they registered
	Saver    oauth.Saver
	Records  oauth.Records
	Network  *outbound.Network
	Changed  func(server string)                       // hears of another state; must not block
	Told     func(session, server, elicitation string) // hears that the person of a session has signed in, as they were asked to; the same
	Now      func() time.Time
	Log      *slog.Logger

	Client func(host string) *http.Client // nil: Network.Named
}

// SignIns is what we have at the mounted servers. Its methods may be called
// concurrently.
type SignIns struct {
	o       Options
	flights singleflight.Group // refreshes
	ending  sync.WaitGroup
	saving  sync.Mutex // held while a record changes

	mu         sync.Mutex // guards all below
	servers    map[string]config.Server
	records    map[key]*record
	challenges map[string]map[string]string // the last of each server
	flows      map[string]*flow             // by state
	links      map[string]*link
}

// key is whose sign-in at which server.
type key struct{ server, person string } // person "" is the owner

// New returns what was saved. The error is that of Records.
func New(o Options) (*SignIns, error) {
	s := &SignIns{o: o, servers: map[string]config.Server{}, records: map[key]*record{}, challenges: map[string]map[string]string{},
		flows: map[string]*flow{}, links: map[string]*link{}}
	if s.o.Client == nil {
		s.o.Client = o.Network.Named
	}
	return s, s.load()
}

// Needed says that somebody has to sign in before a call can be made.
type Needed struct {
	Server string
	Link   string // where the caller signs in; "": the owner does, on their computer
	Asked  string // the ID of the elicitation that leads to Link
	Again  bool   // what was given is taken no longer
}

// Error is a sentence without the server's name, and without the link, which is
// for the person alone.
func (e *Needed) Error() string {
	switch {
	case e.Link != "":
		return "needs you to sign in there with your own account."
	case e.Again:
		return "no longer accepts its sign-in. Sign in again under Servers in the console, or with `drawbridge server sign-in " + e.Server + "`."
	}
	return "needs a sign-in of its own. Sign in under Servers in the console, or with `drawbridge server sign-in " + e.Server + "`."
}

// keyFor is whose sign-in a request of who uses; nil and whoever is nobody is
// Drawbridge itself.
func (s *SignIns) keyFor(server string, who *oauth.Caller) key {
	if who == nil || who.User.Sub == "" || s.as(server) != status.AsEach {
		return key{server: server}
	}
	return key{server, personOf(who.Issuer, who.User.Sub)}
}

// personOf names a person as their provider does, and nobody else.
func personOf(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *SignIns) as(server string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers[server].SignIn == status.AsEach {
		return status.AsEach
	}
	return status.AsOwner
}

// Token is what a request of who to a server at address carries; "" if it has
// none. It is refreshed first if it is about to end. The error is a sentence for
// now: the keychain or the server's provider is away.
func (s *SignIns) Token(ctx context.Context, server, address string, who *oauth.Caller) (string, error) {
	if s == nil {
		return "", nil
	}
	k := s.keyFor(server, who)
	s.mu.Lock()
	r := s.records[k]
	s.mu.Unlock()
	if r == nil || r.Server != address {
		return "", nil
	}
	r, err := s.opened(ctx, k, r)
	if err != nil {
		return "", err
	}
	now := s.o.Now()
	over := !r.Expires.IsZero() && !now.Before(r.Expires)
	if r.Refresh != "" && !r.Ended && !r.Ahead.IsZero() && !now.Before(r.Ahead) {
		fresh, err := s.refresh(ctx, k, r)
		switch {
		case fresh != nil:
			return fresh.Access, nil
		case over && err != nil:
			return "", err
		}
	}
	if over || r.Ended {
		return "", nil
	}
	return r.Access, nil
}

// Refused hears that a server at address refused a request of who, which carried
// token, with a challenge. It reports whether the same request may succeed with
// another token now; else err is a [Needed].
func (s *SignIns) Refused(ctx context.Context, server, address string, who *oauth.Caller, token string, code int, values []string) (again bool, err error) {
	if s == nil || code != http.StatusUnauthorized && code != http.StatusForbidden {
		return false, nil
	}
	schemes := Challenges(values)
	bearer, ok := schemes["bearer"]
	more := code == http.StatusForbidden && bearer["error"] == "insufficient_scope"
	if schemes["basic"] != nil && !ok || code != http.StatusUnauthorized && !more {
		return false, nil
	}
	k := s.keyFor(server, who)
	s.mu.Lock()
	r := s.records[k]
	if _, mounted := s.servers[server]; !mounted {
		s.mu.Unlock()
		return false, nil
	}
	if ok {
		s.challenges[server] = bearer
	} else if s.challenges[server] == nil {
		s.challenges[server] = map[string]string{}
	}
	s.mu.Unlock()
	if r != nil && r.Server == address {
		if r, err = s.opened(ctx, k, r); err != nil {
			return false, err
		}
		switch {
		case more:
			if err := s.wants(k, r, strings.Fields(bearer["scope"])); err != nil {
				return false, nil // it has what the server asks for
			}
		case token == "":
		case token != r.Access: // somebody else has refreshed it meanwhile
			return true, nil
		case r.Refresh != "" && !r.Ended && s.o.Now().Sub(r.Given) > refreshPause:
			if fresh, err := s.refresh(ctx, k, r); fresh != nil {
				return true, nil
			} else if err != nil {
				return false, err
			}
		default:
			s.end(k, r)
		}
	}
	needed := &Needed{Server: server, Again: r != nil && r.Server == address}
	if k.person != "" {
		needed.Link, needed.Asked = s.linkFor(k, address, who)
	}
	s.o.Changed(server)
	return false, needed
}

// refreshPause is how old a token is at least that is refreshed because it was
// refused: a server that refuses a new one refuses the next, too.
const refreshPause = 5 * time.Second

// Status is the owner's sign-in at a server.
func (s *SignIns) Status(server string) status.SignIn {
	as := s.as(server)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := status.SignIn{As: as}
	for k := range s.records {
		if k.server == server && k.person != "" {
			st.People++
		}
	}
	switch r := s.records[key{server: server}]; {
	case r != nil && (r.Ended || len(r.Wants) > 0):
		st.State, st.Account, st.Since = status.SignInAgain, r.Account, r.Since
	case r != nil:
		st.State, st.Account, st.Since = status.SignInOK, r.Account, r.Since
	case s.challenges[server] != nil:
		st.State = status.SignInNeeded
	case st.People == 0:
		return status.SignIn{}
	}
	return st
}

// Keep takes over what mcp.json and config.toml say. Sign-ins at servers that are
// gone end, if all says that these are all there are; those at servers that are
// elsewhere now; and people's own where they are wanted no longer.
func (s *SignIns) Keep(servers []config.Server, all bool) {
	s.mu.Lock()
	before := s.servers
	s.servers = make(map[string]config.Server, len(servers))
	for _, one := range servers {
		if one.URL != "" {
			s.servers[one.Name] = one
		}
		if before[one.Name].URL != one.URL {
			delete(s.challenges, one.Name)
		}
	}
	over := func(k key, written string) bool {
		one, ok := s.servers[k.server]
		return !ok && all || ok && (written != one.URL || k.person != "" && one.SignIn != status.AsEach)
	}
	maps.DeleteFunc(s.flows, func(_ string, f *flow) bool { return over(f.key, f.written) })
	maps.DeleteFunc(s.links, func(_ string, l *link) bool { return over(l.key, before[l.key.server].URL) })
	s.mu.Unlock()
	s.forget(func(k key, r *record) bool { return over(k, r.Written) })
}

// SetAccess says who may sign in to us: what others have at servers ends. Of a
// person is known what our provider said when they signed in there.
func (s *SignIns) SetAccess(list oauth.AccessList) {
	s.forget(func(k key, r *record) bool { return k.person != "" && list.Check(r.Who) != nil })
}

// SignOut ends every sign-in at a server, those under way too; at all of them if it
// is "".
func (s *SignIns) SignOut(server string) {
	s.saving.Lock() // what is being saved is there, or comes to nothing
	s.mu.Lock()
	maps.DeleteFunc(s.flows, func(_ string, f *flow) bool { return server == "" || f.key.server == server })
	s.mu.Unlock()
	s.saving.Unlock()
	s.forget(func(k key, _ *record) bool { return server == "" || k.server == server })
}

// Forget drops the links of sessions that have ended.
func (s *SignIns) Forget(over func(session string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, l := range s.links {
		if over(l.session) {
			delete(s.links, id)
		}
	}
	for state, f := range s.flows {
		if f.session != "" && over(f.session) {
			delete(s.flows, state)
		}
	}
}

// Close waits until what is being given back has been, for a while.
func (s *SignIns) Close() { s.ending.Wait() }

// id names a server in addresses, which strangers may learn. With an address of
// its own for each server, an answer that was meant for one is none for another.
func (s *SignIns) id(server string) string {
	mac := hmac.New(sha256.New, s.o.DataKey)
	mac.Write([]byte("drawbridge sign-in at a server, v1\n" + server))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// union is a with what of b it lacks.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, one := range b {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}
