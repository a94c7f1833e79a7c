package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	block   bool // a session without a page: the owner means who it is of, not this one alone
}

// take runs fn while nobody else changes g. It returns ErrEnded without running
// fn if the grant is over by then.
func (s *Grants) take(g *grant, fn func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over() {
		return ErrEnded
	}
	return fn()
}

// endTaken ends a grant whose mu the caller holds.
func (s *Grants) endTaken(g *grant, why ending) error {
	g.kill()
	g.gone = true
	return s.end([]*grant{g}, always(why))
}

func always(why ending) func(*Grant) ending { return func(*Grant) ending { return why } }

const (
	endBatch = 5000 // grants whose ends are saved together
	endAlone = 100  // as many ends at once are an event each, more are one in all
)

// end ends grants: records gone, saved, events told, what is kept for them
// dropped, and the provider's refresh tokens put down to be revoked there. Every
// way to end a session comes here. The caller has claimed the grants, so their
// tokens open nothing any more and their streams are cut.
//
// What can't be saved ends all the same, and is saved when the disk has room
// again: a session that somebody wanted ended must not live on because a disk
// is full. Until then a restart would bring it back, which is why the error is
// returned.
func (s *Grants) end(grants []*grant, why func(*Grant) ending, more ...Change) error {
	var first error
	all := len(grants)
	// Neighbours on disk end together, so that each page is written once.
	slices.SortFunc(grants, func(a, b *grant) int { return strings.Compare(a.record().ID, b.record().ID) })
	for len(grants)+len(more) > 0 {
		batch := grants[:min(endBatch, len(grants))]
		grants = grants[len(batch):]
		changes, events := slices.Clip(more), []status.Event(nil)
		reasons, waiting, blocks := map[string]string{}, map[string]revocation{}, map[party]block{}
		for _, g := range batch {
			rec := g.record()
			e := why(rec)
			reasons[rec.ID] = e.reason
			changes = append(changes, Change{Bucket: BucketGrants, Key: rec.ID})
			if rec.UpstreamRefresh != "" && rec.Provider == s.opts.Issuer {
				r := revocation{Version: 1, Token: rec.UpstreamRefresh, Issuer: rec.Provider, Since: s.opts.Now().UTC()}
				waiting[rec.ID] = r
				changes = append(changes, change(BucketRevocations, rec.ID, r))
			}
			if e.block && rec.Through != "" {
				b := s.blockOf(rec)
				blocks[b.Party] = b
				changes = append(changes, change(BucketBlocks, b.Party.key(), b))
			}
			if all <= endAlone {
				events = append(events, rec.event(e.typ, cmp.Or(e.outcome, status.OK), e.reason, e.remote))
			} else if len(grants) == 0 && len(events) == 0 {
				events = append(events, status.Event{Type: e.typ, Outcome: cmp.Or(e.outcome, status.OK),
					Reason: fmt.Sprintf("%d sessions ended at once: %s", all, e.reason)})
			}
		}
		err := s.opts.Saver.Save(changes, events...)
		s.mu.Lock()
		for _, g := range batch {
			s.forget(g)
		}
		maps.Copy(s.revocations, waiting)
		maps.Copy(s.blocks, blocks)
		s.applyConsents(more, consentRecord{})
		if err != nil {
			s.unsaved = append(s.unsaved, unsavedEnd{changes, events})
			first = cmp.Or(first, err)
		}
		s.mu.Unlock()
		s.opts.Ended(reasons)
		poke(s.newRevoke)
		more = nil
	}
	if first != nil {
		poke(s.newExpiry)
		return fmt.Errorf("the session has ended, but that could not be saved yet, so a restart would bring it back: %w", first)
	}
	return nil
}

// endAll claims and ends those of grants that have not ended yet, and returns
// how many these were.
func (s *Grants) endAll(grants []*grant, why func(*Grant) ending, more ...Change) (int, error) {
	for _, g := range grants {
		g.kill() // each of them, before anybody is waited for
	}
	grants = slices.DeleteFunc(grants, func(g *grant) bool { return !g.claim(nil) })
	return len(grants), s.end(grants, why, more...)
}

// unsavedEnd is ends that are still to be written.
type unsavedEnd struct {
	changes []Change
	events  []status.Event
}

// saveEnds writes the ends that could not be saved, and reports whether none
// is left.
func (s *Grants) saveEnds() bool {
	s.mu.Lock()
	unsaved := s.unsaved
	s.unsaved = nil
	s.mu.Unlock()
	for i, u := range unsaved {
		if err := s.opts.Saver.Save(u.changes, u.events...); err != nil {
			s.mu.Lock()
			s.unsaved = append(unsaved[i:], s.unsaved...)
			s.mu.Unlock()
			return false
		}
	}
	return true
}

// forget drops g. The caller holds mu.
func (s *Grants) forget(g *grant) {
	delete(s.grants, g.id)
	if at := g.record().place(); s.placed[at] == g {
		delete(s.placed, at)
	}
}

// Revoke ends the session of id on the owner's word, and forgets what consents
// were remembered for its client. Who had it without a page is blocked. It returns [ErrNotFound] if there is none.
func (s *Grants) Revoke(id, reason string) error {
	gid, _ := parseGrantID(id)
	g, ok := s.find(gid)
	if !ok {
		return ErrNotFound
	}
	client := g.record().Client.ID
	n, err := s.endAll([]*grant{g}, always(ending{typ: status.SessionRevoked, reason: reason, block: true}),
		s.forgetConsents(func(c consentRecord) bool { return c.ClientID == client })...)
	if n == 0 {
		return ErrNotFound
	}
	return err
}

// RevokeAll ends every session, forgets every remembered consent, and returns
// how many sessions there were. A failure to save does not stop it.
func (s *Grants) RevokeAll(reason string) (int, error) {
	return s.endAll(s.all(), always(ending{typ: status.SessionRevoked, reason: reason, block: true}),
		s.forgetConsents(func(consentRecord) bool { return true })...)
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
	if !ok || g.record().Client.ID != clientID || !g.claim(nil) {
		return nil
	}
	if err := s.end([]*grant{g}, always(ending{typ: status.SessionRevoked, reason: "the client gave its token back", remote: remote})); err != nil {
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
	const soonest, latest = 5 * time.Second, 10 * time.Minute
	for pause := soonest; ; {
		var again <-chan time.Time
		if s.revokeOnce(ctx) {
			pause = soonest
		} else {
			again = time.After(pause)
			pause = min(2*pause, latest)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.newRevoke:
		case <-again:
		}
	}
}

// revokeOnce tries every waiting revocation and reports whether none is left.
func (s *Grants) revokeOnce(ctx context.Context) bool {
	s.mu.RLock()
	waiting := maps.Clone(s.revocations)
	s.mu.RUnlock()
	all := true
	for id, r := range waiting {
		if r.Issuer == s.opts.Issuer && s.opts.Now().Sub(r.Since) < giveUpAfter {
			try, cancel := context.WithTimeout(ctx, askTime)
			err := s.opts.Provider.Revoke(try, r.Token)
			cancel()
			if ctx.Err() != nil {
				return false
			}
			if err != nil {
				s.opts.Log.Info("provider's token not revoked yet", "session", id, "cause", err)
				all = false
				continue
			}
		}
		// Before this a kill has it revoked once more, which the provider takes.
		if err := s.opts.Saver.Save([]Change{{Bucket: BucketRevocations, Key: id}}); err != nil {
			s.opts.Log.Warn("revocations not noted", "cause", err)
			return false
		}
		s.mu.Lock()
		delete(s.revocations, id)
		s.mu.Unlock()
	}
	return all
}

// poke wakes whoever reads c, now or next.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
