package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// ErrNotFound says that no session has that id.
var ErrNotFound = errors.New("no such session")

// ending is why a grant ends, for its last event.
type ending struct {
	typ     string
	outcome string // "" means ok
	reason  string
	remote  string
}

// take runs fn while nobody else changes g. It returns ErrEnded without running
// fn if the grant is over by then.
func (s *Grants) take(g *grant, fn func() error) error {
	<-g.turn
	defer func() { g.turn <- struct{}{} }()
	if g.over() {
		return ErrEnded
	}
	return fn()
}

// end ends a grant: record gone, saved, event told, streams cut, and the
// provider's refresh token put down to be revoked there. Every way to end a
// session comes here. The caller holds g's turn, or nobody else has g yet.
//
// What can't be saved ends all the same, and is saved when the disk has room
// again: a session that somebody wanted ended must not live on because a disk
// is full. Until then a restart would bring it back, which is why the error is
// returned.
func (s *Grants) end(g *grant, why ending, more ...Change) error {
	rec := g.record()
	changes := append([]Change{{Bucket: BucketGrants, Key: rec.ID}}, more...)
	var pending *revocation
	if rec.UpstreamRefresh != "" && rec.Provider == s.opts.Issuer {
		pending = &revocation{Version: 1, Token: rec.UpstreamRefresh, Issuer: rec.Provider, Since: s.opts.Now().UTC()}
		changes = append(changes, change(BucketRevocations, rec.ID, pending))
	}
	if why.outcome == "" {
		why.outcome = status.OK
	}
	event := rec.event(why.typ, why.outcome, why.reason, why.remote)
	err := s.opts.Saver.Save(changes, event)
	s.mu.Lock()
	delete(s.grants, g.id)
	if pending != nil {
		s.revocations[rec.ID] = *pending
	}
	s.applyConsents(more, consentRecord{})
	if err != nil {
		s.unsaved = append(s.unsaved, unsavedEnd{changes, event})
	}
	s.mu.Unlock()
	close(g.ended)
	s.opts.Ended(rec.ID, why.reason)
	if pending != nil {
		poke(s.newRevoke)
	}
	if err != nil {
		s.expirySoon()
		return fmt.Errorf("the session has ended, but that could not be saved yet, so a restart would bring it back: %w", err)
	}
	return nil
}

// unsavedEnd is an end that is still to be written.
type unsavedEnd struct {
	changes []Change
	event   status.Event
}

// saveEnds writes the ends that could not be saved, and reports whether none
// is left.
func (s *Grants) saveEnds() bool {
	s.mu.Lock()
	unsaved := s.unsaved
	s.unsaved = nil
	s.mu.Unlock()
	for i, u := range unsaved {
		if err := s.opts.Saver.Save(u.changes, u.event); err != nil {
			s.mu.Lock()
			s.unsaved = append(unsaved[i:], s.unsaved...)
			s.mu.Unlock()
			return false
		}
	}
	return true
}

// Revoke ends the session of id on the owner's word, and forgets what consents
// were remembered for its client. It returns [ErrNotFound] if there is none.
func (s *Grants) Revoke(id, reason string) error {
	gid, ok := parseGrantID(id)
	if !ok {
		return ErrNotFound
	}
	g, ok := s.find(gid)
	if !ok {
		return ErrNotFound
	}
	client := g.record().Client.ID
	g.endSoon()
	err := s.take(g, func() error {
		return s.end(g, ending{typ: status.SessionRevoked, reason: reason},
			s.forgetConsents(func(c consentRecord) bool { return c.ClientID == client })...)
	})
	if errors.Is(err, ErrEnded) {
		return ErrNotFound
	}
	return err
}

// RevokeAll ends every session, forgets every remembered consent, and returns
// how many sessions there were. It goes on after a failure and returns the
// first. The consents go before, so that no session looks for its own in them.
func (s *Grants) RevokeAll(reason string) (int, error) {
	forgotten := s.forgetConsents(func(consentRecord) bool { return true })
	var first error
	if len(forgotten) > 0 {
		if first = s.opts.Saver.Save(forgotten); first == nil {
			s.mu.Lock()
			s.applyConsents(forgotten, consentRecord{})
			s.mu.Unlock()
		}
	}
	n, err := s.RevokeWhere(func(status.Session) bool { return true }, reason)
	return n, cmp.Or(first, err)
}

// atOnce is how many sessions end together: their ends share the writes to disk.
const atOnce = 256

// RevokeWhere ends the sessions that match returns true for, those too whose
// code has not been redeemed yet.
func (s *Grants) RevokeWhere(match func(status.Session) bool, reason string) (int, error) {
	var n atomic.Int64
	var group errgroup.Group // goes on after a failure
	group.SetLimit(atOnce)
	for _, g := range s.all() {
		if !match(g.session()) {
			continue
		}
		group.Go(func() error {
			err := s.Revoke(g.id.String(), reason)
			if errors.Is(err, ErrNotFound) {
				return nil // it has ended meanwhile
			}
			if err == nil {
				n.Add(1)
			}
			return err
		})
	}
	err := group.Wait()
	return int(n.Load()), err
}

// all is every grant of the moment.
func (s *Grants) all() []*grant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.grants))
}

// RevokeToken is RFC 7009: the client gives back a token, access or refresh,
// and its whole grant ends. A token that is not good, or another client's, is
// no error (§2.2): it is not good afterwards either.
func (s *Grants) RevokeToken(text, clientID, remote string) error {
	t, err := s.tokenKey.open(text)
	if err != nil {
		return nil
	}
	g, ok := s.find(t.grant)
	if !ok || g.record().Client.ID != clientID {
		return nil
	}
	g.endSoon()
	err = s.take(g, func() error {
		return s.end(g, ending{typ: status.SessionRevoked, reason: "the client gave its token back", remote: remote})
	})
	if err != nil && !errors.Is(err, ErrEnded) {
		return ServerError(err)
	}
	return nil
}

// revocation is a provider's refresh token that nobody needs any more, until
// the provider knows.
type revocation struct {
	Version int       `json:"v"`
	Token   string    `json:"token"`
	Issuer  string    `json:"issuer"`
	Since   time.Time `json:"since"`
}

// giveUpAfter is when a provider's token is left to its own expiry.
const giveUpAfter = 24 * time.Hour

// discard gives up what the provider granted to a sign-in that we refused. It
// is tried once: nothing of it was kept.
func (s *Grants) discard(up Upstream) {
	if up.RefreshToken == "" {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), askTime)
		defer cancel()
		if err := s.opts.Provider.Revoke(ctx, up.RefreshToken); err != nil {
			s.opts.Log.Info("provider's token not revoked", "cause", err)
		}
	}()
}

// revokeUpstream revokes at the provider what sessions left behind, and tries
// again after failures, with pauses from 5 s to 10 min.
func (s *Grants) revokeUpstream(ctx context.Context) {
	pause := 5 * time.Second
	for {
		if s.revokeOnce(ctx) {
			pause = 5 * time.Second
			select {
			case <-ctx.Done():
				return
			case <-s.newRevoke:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.newRevoke:
		case <-time.After(pause):
			pause = min(2*pause, 10*time.Minute)
		}
	}
}

// revokeOnce tries every waiting revocation and reports whether none is left.
func (s *Grants) revokeOnce(ctx context.Context) bool {
	s.mu.RLock()
	ids := make([]string, 0, len(s.revocations))
	for id := range s.revocations {
		ids = append(ids, id)
	}
	s.mu.RUnlock()
	slices.Sort(ids)
	done := true
	for _, id := range ids {
		s.mu.RLock()
		r := s.revocations[id]
		s.mu.RUnlock()
		if r.Issuer == s.opts.Issuer && s.opts.Now().Sub(r.Since) < giveUpAfter {
			try, cancel := context.WithTimeout(ctx, askTime)
			err := s.opts.Provider.Revoke(try, r.Token)
			cancel()
			if err != nil && ctx.Err() != nil {
				return false
			}
			if err != nil {
				s.opts.Log.Info("provider's token not revoked yet", "session", id, "cause", err)
				done = false
				continue
			}
		}
		if err := s.opts.Saver.Save([]Change{{Bucket: BucketRevocations, Key: id}}); err != nil {
			s.opts.Log.Warn("revocation not noted", "session", id, "cause", err)
			done = false
			continue
		}
		s.mu.Lock()
		delete(s.revocations, id)
		s.mu.Unlock()
	}
	return done
}

// poke wakes whoever reads c, now or next.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
