package oauth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A session without a page begins at the token endpoint: the company's provider
// vouches for a person (RFC 7523 with an ID-JAG), or a client acts for itself (RFC
// 6749 §4.4). There is one for each person, client and resource; each further
// request renews it, and it ends when none comes.

// Assertion is what a trusted provider says of a person to one client, verified:
// signature, type, audience and times hold.
type Assertion struct {
	Identity Identity
	ClientID string
	Resource []string // none: not said
	Scope    *string  // nil: not said
	ID       string   // jti
	Expires  time.Time
}

// AssertionSkew is how far the provider's clock may differ from ours.
const AssertionSkew = 30 * time.Second

// How many redeemed assertions are remembered, each for five minutes at most: in
// all, and of one person with one client.
const (
	maxAssertions     = 100_000
	maxAssertionsEach = 500
)

// usedAssertion is the record of one that was redeemed.
type usedAssertion struct {
	Version int       `json:"v"`
	By      string    `json:"by"`
	Until   time.Time `json:"until"`
}

// party is a person with a client; place is where they have their one session.
type (
	party struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		Client  string `json:"client"`
	}
	place struct {
		party
		resource string
	}
)

func (p party) key() string { return onceKey(p.Issuer + "\x00" + p.Subject + "\x00" + p.Client) }

func (r *Grant) place() place {
	return place{party{r.Identity.Issuer, r.Identity.Subject, r.Client.ID}, r.Resource}
}

// block is the record of a [status.Block].
type block struct {
	Version int       `json:"v"`
	Party   party     `json:"party"`
	Session string    `json:"session"`
	Through string    `json:"through"`
	Email   string    `json:"email,omitempty"`
	Name    string    `json:"name,omitempty"`
	Client  string    `json:"client_name"`
	At      time.Time `json:"at"`
}

func (s *Grants) blockOf(r *Grant) block {
	return block{Version: 1, Party: r.place().party, Session: r.ID, Through: r.Through, Email: r.Identity.Email, Name: r.user().Name, Client: r.Client.Name, At: s.opts.Now().UTC()}
}

// Blocked returns who is kept out with which client, newest first.
func (s *Grants) Blocked() []status.Block {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []status.Block
	for _, b := range s.blocks {
		list = append(list, status.Block{ID: b.Session, Client: b.Client, Through: b.Through, At: b.At,
			User: status.User{Sub: b.Party.Subject, Email: b.Email, Name: b.Name}})
	}
	slices.SortFunc(list, func(x, y status.Block) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.ID, y.ID)) })
	return list
}

// Unblock lets who had the session of id come back. It returns [ErrNotFound] if
// nobody is blocked for it.
func (s *Grants) Unblock(id string) error {
	s.mu.RLock()
	var found *block
	for _, b := range s.blocks {
		if b.Session == id {
			found = &b
		}
	}
	s.mu.RUnlock()
	if found == nil {
		return ErrNotFound
	}
	if err := s.opts.Saver.Save([]Change{{Bucket: BucketBlocks, Key: found.Party.key()}}); err != nil {
		return fmt.Errorf("save that the block is lifted: %w", err)
	}
	s.mu.Lock()
	delete(s.blocks, found.Party)
	s.mu.Unlock()
	return nil
}

// RedeemAssertion gives c a token for the person that a vouches for, and reports
// whether they had a session already (RFC 7523 §2.1). Errors are invalid_grant, and
// invalid_target where the request itself names a resource that is none of ours.
// An assertion that is refused can be redeemed later: whoever shows it first must
// not keep out the client that it was made for.
func (s *Grants) RedeemAssertion(c *Client, a Assertion, r TokenRequest) (tokens Tokens, renewed bool, err error) {
	defer func() {
		var e *Error
		if errors.As(err, &e) {
			e.User = who(a.Identity)
		}
	}()
	if a.ClientID != c.ID {
		return Tokens{}, false, BadAssertion(ErrAssertionClient)
	}
	resource, err := target(r.Resource, *s.resources.Load(), s.main())
	if err != nil {
		return Tokens{}, false, err
	}
	if len(a.Resource) > 0 {
		if resource, err = target(append(slices.Clone(r.Resource), a.Resource...), *s.resources.Load(), s.main()); err != nil {
			return Tokens{}, false, BadAssertion(ErrAssertionResource)
		}
	}
	if a.Scope != nil {
		if _, err := parseScope(*a.Scope); err != nil {
			return Tokens{}, false, BadAssertion(fmt.Errorf("%w: its scope can't be read", ErrAssertionForm))
		}
	}
	scopes, err := s.directScopes(r.Scope, a.Scope)
	if err != nil {
		return Tokens{}, false, err
	}
	rec := s.directGrant(c, a.Identity, resource, scopes, r.Remote)
	rec.Through = status.Enterprise
	if a.Identity.Unsaid.Groups {
		s.remember(&rec)
	}
	if err := s.lets(&rec); err != nil {
		return Tokens{}, false, err
	}
	name, by, until := a.Identity.Issuer+"\x00"+a.ID, rec.place().party.key(), a.Expires.Add(AssertionSkew).UTC()
	if !s.presented.First(name, by, until, s.opts.Now()) {
		return Tokens{}, false, BadAssertion(ErrAssertionTwice)
	}
	tokens, renewed, err = s.direct(c, rec, change(BucketAssertions, onceKey(name), usedAssertion{1, by, until}))
	if err != nil {
		s.presented.again(name)
	}
	return tokens, renewed, err
}

// ForMachine gives c a token of its own (RFC 6749 §4.4), and reports whether it had
// a session already.
func (s *Grants) ForMachine(c *Client, r TokenRequest) (Tokens, bool, error) {
	resource, err := target(r.Resource, *s.resources.Load(), s.main())
	if err != nil {
		return Tokens{}, false, err
	}
	scopes, err := s.directScopes(r.Scope, nil)
	if err != nil {
		return Tokens{}, false, err
	}
	rec := s.directGrant(c, Identity{Subject: MachinePrefix + c.Name, Name: c.Name}, resource, scopes, r.Remote)
	rec.Through = status.Machine
	return s.direct(c, rec)
}

// lets refuses a person who is not on the access list.
func (s *Grants) lets(rec *Grant) error {
	if rec.Through == status.Machine {
		return nil
	}
	err := s.access.Load().Check(rec.Identity)
	if err == nil {
		return nil
	}
	return InvalidGrant("%s. Ask the owner of this Drawbridge.", err).Because(fmt.Errorf("%w: %w", ErrNotListed, err)).Telling(err.Error())
}

// MachinePrefix begins the subject of a machine. No provider's subject may.
const MachinePrefix = "machine:"

// directScopes are those of ours that were asked for, and that the provider named
// if it named any. Nothing is ever refreshed, so offline_access is not among them.
func (s *Grants) directScopes(asked string, named *string) ([]string, error) {
	scopes := WithoutOffline(s.opts.Scopes)
	for _, text := range []*string{named, &asked} {
		if text == nil || text == &asked && asked == "" {
			continue
		}
		these, err := parseScope(*text)
		if err != nil {
			return nil, err
		}
		scopes = common(these, scopes)
	}
	return scopes, nil
}

func (s *Grants) directGrant(c *Client, id Identity, resource string, scopes []string, remote string) Grant {
	now := s.opts.Now().UTC()
	return Grant{Version: 1, Client: GrantClient{ID: c.ID, Name: c.Name, Kind: c.Kind, AuthMethod: c.AuthMethod}, Identity: id,
		Provider: s.opts.Issuer, Scopes: scopes, Resource: resource, CreatedAt: now, LastUsedAt: now, Remote: remote}
}

// remember adds to rec what an assertion leaves out and the person's latest
// sign-in in a browser has told, as long as the session of that goes on: it ends
// when the provider no longer stands by it.
func (s *Grants) remember(rec *Grant) {
	id := &rec.Identity
	var newest *Grant
	s.mu.RLock()
	for _, g := range s.grants {
		r := g.record()
		same := r.Identity.Subject == id.Subject && r.Identity.Issuer == id.Issuer ||
			id.EmailVerified && r.Identity.EmailVerified && hostname.Same(r.Identity.Email, id.Email)
		if same && r.Through == "" && r.Generation > 0 && !g.over() && (newest == nil || r.RotatedAt.After(newest.RotatedAt)) {
			newest = r
		}
	}
	s.mu.RUnlock()
	if newest == nil {
		return
	}
	id.Groups, rec.GroupsOf, id.Unsaid.Groups = newest.Identity.Groups, newest.RotatedAt, false
	id.Name = cmp.Or(id.Name, newest.Identity.Name)
}

// direct begins the session of rec with c, or renews the one that is there, and saves more
// with it.
func (s *Grants) direct(c *Client, rec Grant, more ...Change) (Tokens, bool, error) {
	id := newGrantID()
	rec.ID, rec.ExpiresAt = id.String(), rec.CreatedAt.Add(s.accessTTL(&rec))
	fresh := newGrant(id, rec)
	fresh.mu.Lock() // whoever finds it waits until it is saved
	at := rec.place()
	s.mu.Lock()
	blocked, isBlocked := s.blocks[at.party]
	_, known := s.known[rec.Client.ID]
	there, full := s.placed[at], len(s.grants) >= maxGrants
	begins := !isBlocked && (known || rec.Client.Kind != KindStatic) && there == nil && !full
	if begins {
		s.grants[id], s.placed[at] = fresh, fresh
	}
	s.mu.Unlock()
	if begins {
		defer fresh.mu.Unlock()
		var tokens Tokens
		err := s.lets(&rec) // the list may have changed before it was there to be ended
		if err == nil {
			tokens, err = s.rotate(fresh, rec, status.TokenIssued, rec.Remote, append(more, s.uses(c, rec.CreatedAt))...)
		}
		if err != nil {
			fresh.kill()
			fresh.gone = true
			s.mu.Lock()
			s.forget(fresh)
			s.mu.Unlock()
		}
		return tokens, false, err
	}
	fresh.mu.Unlock()
	switch {
	case isBlocked:
		e := InvalidGrant("The owner of this Drawbridge has revoked this session, so no other begins. Ask the owner.").Because(ErrBlocked).
			Telling("the owner revoked the session, which blocks this person with this client; `drawbridge sessions unblock " + blocked.Session + "` lets them in again")
		e.User, e.Session = who(rec.Identity), blocked.Session
		return Tokens{}, false, e
	case there == nil && !full:
		return Tokens{}, false, InvalidClient("This client was deleted.").Because(ErrClientUnknown)
	case there == nil:
		return Tokens{}, false, Unavailable(time.Hour, "There are %d sessions already, which is as many as Drawbridge keeps.", maxGrants)
	}
	var tokens Tokens
	ending := !there.stays()
	err := s.take(there, func() (err error) {
		next := *there.record()
		next.Client, next.Identity, next.Scopes, next.GroupsOf = rec.Client, rec.Identity, rec.Scopes, rec.GroupsOf
		tokens, err = s.rotate(there, next, status.TokenRefreshed, rec.Remote, more...)
		return err
	})
	if ending || errors.Is(err, ErrEnded) { // once it has, a block would say so
		return Tokens{}, false, Unavailable(time.Second, "The session is just ending. Ask again in a moment.").Because(ErrEnded)
	}
	return tokens, true, there.record().about(err)
}

// uses notes that a client was used, and returns the change that keeps that.
func (s *Grants) uses(c *Client, now time.Time) Change {
	r := s.signedIn(c, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[clientKeyOf(c.ID)] = r
	return change(BucketClients, clientKeyOf(c.ID), r)
}
