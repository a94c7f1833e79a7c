package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
)

// vault is what is known once the keychain is open.
type vault struct {
	dataKey []byte
	journal *store.Journal
	secret  func(context.Context) (string, error) // the provider's client secret
	url     string                                // that clients knew when it was opened; "" if none
}

// opened is the vault, or nil while it is shut.
func (s *Server) opened() *vault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vault
}

// unlock reads the keys from the keychain and opens the state file with them,
// once. Its errors are sentences. It may be called again after one.
func (s *Server) unlock(ctx context.Context) error {
	if s.opened() != nil {
		return nil
	}
	v := &vault{}
	var err error
	if v.dataKey, err = s.readDataKey(ctx); err != nil {
		return err
	}
	if v.secret, err = s.clientSecret(ctx); err != nil {
		return err
	}
	if v.dataKey, err = s.unseal(ctx, v.dataKey); err != nil {
		return err
	}
	if err := s.loadSettings(v); err != nil {
		return err
	}
	if v.journal, err = store.OpenJournal(s.db, s.board, s.opts.Log); err != nil {
		return err
	}
	s.mu.Lock()
	s.vault = v
	s.mu.Unlock()
	return nil
}

// settingsBucket holds what the person chose at run time.
const settingsBucket = "settings"

// setting saves a choice; false takes its record away.
func (s *Server) setting(key string, yes bool) error {
	if s.opened() == nil {
		return errNotReady
	}
	change := oauth.Change{Bucket: settingsBucket, Key: key}
	if yes {
		change.Value = []byte("true")
	}
	return s.db.Save([]oauth.Change{change})
}

func (s *Server) loadSettings(v *vault) error {
	return s.db.Load(settingsBucket, func(key string, value []byte) error {
		switch key {
		case "paused":
			s.paused.Store(string(value) == "true")
		case "quiet":
			s.quiet.Store(string(value) == "true")
		case urlSetting:
			v.url = string(value)
		}
		return nil
	})
}

// clientSecret returns a function that reads the provider's client secret each
// time it is needed, so that a new one counts at once, and falls back to the
// last one while the keychain is locked. None at all means a public client.
func (s *Server) clientSecret(ctx context.Context) (func(context.Context) (string, error), error) {
	last, err := s.opts.Keystore.Get(ctx, keystore.IDPClientSecret)
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return nil, err
	}
	var mu sync.Mutex // guards last
	return func(ctx context.Context) (string, error) {
		now, err := s.opts.Keystore.Get(ctx, keystore.IDPClientSecret)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			last = now
		}
		return last.Reveal(), nil
	}, nil
}

// readDataKey returns the key that everything else is sealed and signed under. A
// new data folder gets a new key; one that holds records never does, since they
// would be lost by it.
func (s *Server) readDataKey(ctx context.Context) ([]byte, error) {
	secret, err := s.opts.Keystore.Get(ctx, keystore.DataKey)
	if errors.Is(err, keystore.ErrNotFound) {
		return s.newDataKey(ctx)
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

func (s *Server) newDataKey(ctx context.Context) ([]byte, error) {
	empty, err := s.db.Empty()
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, fmt.Errorf("the data key is gone from the keychain (service drawbridge, account data-key), so the sessions in %s can't be read. Put the key back; or, to begin with no sessions, move that folder away and start again", s.opts.DataDir)
	}
	key := randomKey()
	err = s.opts.Keystore.Set(ctx, keystore.DataKey, keystore.NewSecret(base64.StdEncoding.EncodeToString(key)))
	if keystore.IsKind(err, keystore.ReadOnly) {
		return nil, errors.New("DRAWBRIDGE_DATA_KEY is not set. Make a key once with `openssl rand -base64 32`, keep it, and set it each time Drawbridge starts")
	}
	return key, err
}
