package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
)

// readDataKey returns the key that everything else is sealed and signed under. A
// new data folder gets a new key; one that holds records never does, since they
// would be lost by it.
func (a *app) readDataKey(ctx context.Context) ([]byte, error) {
	secret, err := a.opts.Keystore.Get(ctx, keystore.DataKey)
	if errors.Is(err, keystore.ErrNotFound) {
		return a.newDataKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(secret.Reveal()))
	if err != nil || len(key) != 32 {
		return nil, errors.New("the data key (keychain account data-key, or DRAWBRIDGE_DATA_KEY) is not the base64 of 32 bytes. Make one with: openssl rand -base64 32")
	}
	return key, nil
}

func (a *app) newDataKey(ctx context.Context) ([]byte, error) {
	empty, err := a.db.Empty()
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, fmt.Errorf("the data key is gone from the keychain (service drawbridge, account data-key), so the sessions in %s can't be read. Put the key back; or, to begin with no sessions, move that folder away and start again", a.opts.DataDir)
	}
	key, secret := randomKey()
	err = a.opts.Keystore.Set(ctx, keystore.DataKey, secret)
	if keystore.IsKind(err, keystore.ReadOnly) {
		return nil, errors.New("DRAWBRIDGE_DATA_KEY is not set. Make a key once with `openssl rand -base64 32`, keep it, and set it each time Drawbridge starts")
	}
	return key, err
}

func randomKey() ([]byte, keystore.Secret) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program first
	return key, keystore.NewSecret(base64.StdEncoding.EncodeToString(key))
}

// rekey makes a new data key and seals the state file with it. The new key is
// in the keychain before the file needs it, and the old one until it doesn't:
// whenever this is cut short, one of them opens the file. Nobody may be using
// the old one.
func (a *app) rekey(ctx context.Context) error {
	key, secret := randomKey()
	err := a.opts.Keystore.Set(ctx, keystore.NextDataKey, secret)
	if keystore.IsKind(err, keystore.ReadOnly) {
		return errors.New("the data key stands in DRAWBRIDGE_DATA_KEY, which only you can change. To make it worthless, move the data folder away and start with another key")
	}
	if err != nil {
		return err
	}
	if err := a.db.Rekey(key); err != nil {
		return fmt.Errorf("the data key was not changed: %w", err)
	}
	a.change(func(k *keys) { k.dataKey = key })
	a.keepNext(ctx, secret) // else the next start finds it under its other name
	return nil
}

// unseal opens the state file with the data key, or with the one that was to
// take its place.
func (a *app) unseal(ctx context.Context, key []byte) ([]byte, error) {
	err := a.db.Unseal(key)
	if !errors.Is(err, store.ErrWrongKey) {
		return key, err
	}
	secret, getErr := a.opts.Keystore.Get(ctx, keystore.NextDataKey)
	if getErr != nil {
		return nil, err
	}
	next, decodeErr := base64.StdEncoding.DecodeString(secret.Reveal())
	if decodeErr != nil || a.db.Unseal(next) != nil {
		return nil, err
	}
	a.keepNext(ctx, secret)
	return next, nil
}

// keepNext gives the next data key its proper name.
func (a *app) keepNext(ctx context.Context, secret keystore.Secret) {
	if a.opts.Keystore.Set(ctx, keystore.DataKey, secret) == nil {
		_ = a.opts.Keystore.Delete(ctx, keystore.NextDataKey)
	}
}
