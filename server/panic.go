package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
)

// Panic closes the tunnel, ends every session and makes a new data key, so that
// nothing that was ever issued means anything any more: tokens, client ids,
// remembered consents. Each step is taken even if the one before failed. It
// returns what was done and what to do next; the error is a sentence about what
// could not be.
func (s *Server) Panic(ctx context.Context) (string, error) {
	paused := s.setPaused(true)
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
		return "", fmt.Errorf("%sNot everything could be done: %s", did, sentence(errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))))
	}
	return fmt.Sprintf("The tunnel is closed, %d sessions have ended and the data key is new: no token or client that Drawbridge knew works any more. "+
		"When you know what happened, change the client secret and the ngrok authtoken if they may have leaked, then resume: everybody connects anew.", n), nil
}

// rotate makes a new data key between two sites: no part that uses the old one
// is left by then.
func (s *Server) rotate(ctx context.Context) error {
	if s.opened() == nil {
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

// rekey makes a new data key and seals the state file with it. The new key is
// in the keychain before the file needs it, and the old one until it doesn't:
// whenever this is cut short, one of them opens the file.
func (s *Server) rekey(ctx context.Context) error {
	key := randomKey()
	secret := keystore.NewSecret(base64.StdEncoding.EncodeToString(key))
	err := s.opts.Keystore.Set(ctx, keystore.NextDataKey, secret)
	if keystore.IsKind(err, keystore.ReadOnly) {
		return errors.New("the data key stands in DRAWBRIDGE_DATA_KEY, which only you can change. To make it worthless, move the data folder away and start with another key")
	}
	if err != nil {
		return err
	}
	if err := s.db.Rekey(key); err != nil {
		return fmt.Errorf("the data key was not changed: %w", err)
	}
	s.mu.Lock()
	s.vault.dataKey = key
	s.mu.Unlock()
	if err := s.opts.Keystore.Set(ctx, keystore.DataKey, secret); err != nil {
		return nil // the next start finds it under its other name
	}
	_ = s.opts.Keystore.Delete(ctx, keystore.NextDataKey)
	return nil
}

// unseal opens the state file with the data key, or with the one that was to
// take its place.
func (s *Server) unseal(ctx context.Context, key []byte) ([]byte, error) {
	err := s.db.Unseal(key)
	if !errors.Is(err, store.ErrWrongKey) {
		return key, err
	}
	secret, getErr := s.opts.Keystore.Get(ctx, keystore.NextDataKey)
	if getErr != nil {
		return nil, err
	}
	next, decodeErr := base64.StdEncoding.DecodeString(secret.Reveal())
	if decodeErr != nil || s.db.Unseal(next) != nil {
		return nil, err
	}
	if s.opts.Keystore.Set(ctx, keystore.DataKey, secret) == nil {
		_ = s.opts.Keystore.Delete(ctx, keystore.NextDataKey)
	}
	return next, nil
}
