package oauth

import (
	"context"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/wait"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// How often what is due gets done, at most and at least.
const (
	sweepSoonest = 500 * time.Millisecond
	sweepLatest  = time.Minute
	usageEvery   = 10 * time.Second
	saveAgain    = 5 * time.Second // ends that could not be saved
)

// sweep ends grants when their time has come and forgets flows and codes. It
// sleeps until the next of these is due.
func (s *Grants) sweep(ctx context.Context) {
	for {
		next := s.expire()
		if !s.saveEnds() {
			next = min(next, saveAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(next, sweepSoonest)):
		case <-s.newExpiry:
			// Sign-ins come in bursts: look a little later, at all of them.
			if wait.For(ctx, sweepSoonest) != nil {
				return
			}
		}
	}
}

// countUse writes the counters a while after they begin to change, so that an
// idle app writes nothing and a busy one every ten seconds.
func (s *Grants) countUse(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.newUse:
			if wait.For(ctx, usageEvery) != nil {
				return
			}
			s.writeUsage()
		}
	}
}

// expire ends and forgets what is over, and returns how long until the next.
func (s *Grants) expire() time.Duration {
	now := s.opts.Now()
	next := sweepLatest
	var over []*grant
	s.mu.Lock()
	for _, g := range s.grants {
		if left := g.record().ExpiresAt.Sub(now); left <= 0 {
			over = append(over, g)
		} else {
			next = min(next, left)
		}
	}
	for key, c := range s.codes {
		if now.Sub(c.issued) > usedCodeTTL {
			delete(s.codes, key)
		}
	}
	s.flows.expire(now.Add(-flowTTL))
	var stale []Change
	for key, c := range s.consents {
		if !now.Before(c.ExpiresAt) {
			stale = append(stale, Change{Bucket: BucketConsents, Key: key})
		}
	}
	s.mu.Unlock()
	stale = append(stale, s.presented.expire(now)...)

	over = slices.DeleteFunc(over, func(g *grant) bool {
		return !g.claim(func(r *Grant) bool { return !now.Before(r.ExpiresAt) }) // else it was refreshed meanwhile
	})
	if err := s.end(over, expired); err != nil {
		s.opts.Log.Warn("expired sessions not removed", "cause", err)
	}
	if len(stale) > 0 && s.opts.Saver.Save(stale) == nil {
		s.mu.Lock()
		s.applyConsents(stale, consentRecord{})
		s.mu.Unlock()
	}
	return next
}

func expired(r *Grant) ending {
	why := ending{typ: status.SessionExpired}
	switch {
	case r.Generation == 0:
		why.outcome, why.reason = status.Failed, "the client never fetched its token"
	case r.Through == status.Enterprise:
		why.reason = "the client came with no new assertion of the provider"
	case r.Through == status.Machine:
		why.reason = "the client has not asked for another token"
	case r.UpstreamRefresh == "":
		why.reason = "the provider gave no refresh token, so the session could not go on (allow offline_access and refresh tokens there)"
	default:
		why.reason = "not used for as long as [tokens] refresh allows"
	}
	return why
}
