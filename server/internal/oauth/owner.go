package oauth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// ByOwner is why a session ended that its owner revoked.
const ByOwner = "revoked by the owner"

// maxLabel is how long an owner's name for a session may be, in characters.
const maxLabel = 40

// Rename has the session of id called label from now on, "" for no name. It
// returns [ErrNotFound] if there is none.
func (s *Grants) Rename(id, label string) error {
	_, err := s.alter(id, func(rec *Grant) { rec.Label = strings.TrimSpace(status.Clean(label, maxLabel)) })
	return err
}

// RevokeAfter revokes the session of id in a while, unless [Grants.Keep] comes
// before. Until then whatever its tokens ask for has to wait. That it leaves is
// saved, so that a restart ends it too; if it can't be, it ends at once. It
// returns [ErrNotFound] if there is none.
func (s *Grants) RevokeAfter(id string, while time.Duration) error {
	g, err := s.alter(id, func(rec *Grant) { rec.Leaving = s.opts.Now().UTC().Add(while) })
	switch {
	case errors.Is(err, ErrNotFound):
		return err
	case err != nil:
		return s.Revoke(id, ByOwner)
	}
	kept := make(chan struct{})
	if !g.kept.CompareAndSwap(nil, &kept) {
		return nil // it is leaving already
	}
	time.AfterFunc(while, func() {
		if g.kept.Load() != &kept {
			return
		}
		if err := s.Revoke(id, ByOwner); err != nil && !errors.Is(err, ErrNotFound) {
			s.opts.Log.Warn("session revoked", "session", id, "cause", err)
		}
	})
	return nil
}

// Keep takes [Grants.RevokeAfter] back. It returns [ErrNotFound] if the session
// has ended.
func (s *Grants) Keep(id string) error {
	g, err := s.alter(id, func(rec *Grant) { rec.Leaving = time.Time{} })
	if err != nil {
		return err
	}
	if kept := g.kept.Swap(nil); kept != nil {
		close(*kept)
	}
	return nil
}

// stays waits while g may be about to leave, and reports whether it has not.
func (g *grant) stays() bool {
	if kept := g.kept.Load(); kept != nil {
		select {
		case <-*kept:
		case <-g.life().Done():
		}
	}
	return !g.over()
}

// alter changes the record of the session of id and saves it.
func (s *Grants) alter(id string, how func(*Grant)) (*grant, error) {
	gid, _ := parseGrantID(id)
	g, ok := s.find(gid)
	if !ok {
		return nil, ErrNotFound
	}
	err := s.take(g, func() error {
		rec := g.withUse(*g.record())
		how(&rec)
		if err := s.opts.Saver.Save([]Change{change(BucketGrants, rec.ID, rec)}); err != nil {
			return fmt.Errorf("save the session: %w", err)
		}
		g.set(rec)
		return nil
	})
	if errors.Is(err, ErrEnded) {
		err = ErrNotFound
	}
	return g, err
}
