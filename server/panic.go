package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Panic closes the tunnel, ends every session and makes a new data key, so that
// nothing that was ever issued means anything any more: tokens, client ids,
// remembered consents. Each step is taken even if the one before failed. It
// returns what was done and what to do next; the error is a sentence about what
// could not be.
func (s *Server) Panic(ctx context.Context) (string, error) {
	paused := s.setPaused(true)
	if p := s.parts(); p != nil {
		p.signIns.SignOut("")
	}
	n, revoked := s.RevokeAll(ctx)
	rotated := s.rotate(ctx)
	if err := errors.Join(paused, revoked, rotated); err != nil {
		did := ""
		if paused == nil {
			did = "Drawbridge is paused, so nobody gets in. "
		}
		if revoked == nil {
			did += fmt.Sprintf("%d sessions have ended. ", n)
		}
		return "", fmt.Errorf("%sNot everything could be done: %s", did, status.FullStop(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return fmt.Sprintf("The tunnel is closed, %d sessions have ended and the data key is new: no token or client that Drawbridge knew works any more. "+
		"When you know what happened, change the client secret and the ngrok authtoken if they may have leaked, then resume: everybody connects anew.", n), nil
}

// rotate makes a new data key while nothing is served: no part that uses the old
// one is left by then.
func (s *Server) rotate(ctx context.Context) error {
	if s.unlocked() == nil {
		return errNotReady
	}
	done := make(chan error, 1)
	s.mu.Lock()
	s.between = func() { done <- s.rekey(context.WithoutCancel(ctx)) }
	s.mu.Unlock()
	s.renew()
	select {
	case err := <-done:
		return err
	case <-s.streams.Done():
		return errors.New("the data key was not changed, since Drawbridge stopped")
	}
}
