package wizard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
)

// Saving is what [Save] saves.
type Saving struct {
	Path     string // of config.toml
	Config   config.Config
	Keystore keystore.Store
	Secrets  map[string]keystore.Secret // by account; zero ones stay as they are
	// Patiently repeats a call to the keystore while its window is open. nil:
	// once.
	Patiently func(context.Context, func() error) error
}

// ErrSetInEnvironment says that a secret comes from an environment variable,
// which can't be set from here. The rest has been saved.
type ErrSetInEnvironment struct{ Names []string }

func (e *ErrSetInEnvironment) Error() string {
	return fmt.Sprintf("secrets come from the environment, so none was stored: set %s before you start Drawbridge", e.Names[0])
}

// Save checks the configuration, stores the secrets and writes config.toml: all
// or nothing. The file is written beside its place first, so that nothing but a
// rename can fail once a secret has changed; then the former secrets come back.
// If the process is killed between the two, the old configuration stands with a
// new secret: where that is wrong, the provider says invalid_client, and the
// next Save mends it.
func Save(ctx context.Context, s Saving) error {
	for account, secret := range s.Secrets {
		if len(secret.Reveal()) > keystore.MaxSize {
			return &keystore.Error{Kind: keystore.TooBig, Account: account, Op: "set"}
		}
	}
	draft, err := config.Stage(s.Path, s.Config)
	if err != nil {
		return err
	}
	if s.Patiently == nil {
		s.Patiently = func(_ context.Context, call func() error) error { return call() }
	}
	undo, env, err := s.store(ctx)
	if err == nil {
		err = draft.Commit()
	} else {
		draft.Discard()
	}
	if err != nil {
		for _, back := range slices.Backward(undo) {
			err = errors.Join(err, back())
		}
		return err
	}
	if len(env) > 0 {
		return &ErrSetInEnvironment{env}
	}
	return nil
}

// store puts the secrets into the keystore, and returns what takes them back,
// and the variables that a person has to set where it can't be written.
func (s Saving) store(ctx context.Context) (undo []func() error, env []string, err error) {
	for _, account := range []string{keystore.IDPClientSecret, keystore.NgrokAuthtoken, keystore.ProxyPassword} {
		secret := s.Secrets[account]
		if secret.IsZero() {
			continue
		}
		var old keystore.Secret
		err := s.Patiently(ctx, func() (err error) {
			old, err = s.Keystore.Get(ctx, account)
			return err
		})
		switch {
		case err != nil && !errors.Is(err, keystore.ErrNotFound):
			return undo, env, err
		case secret.Equal(old):
			continue
		case keystore.IsReadOnly(s.Keystore):
			env = append(env, keystore.EnvVar(account))
			continue
		}
		if err := s.Patiently(ctx, func() error { return s.Keystore.Set(ctx, account, secret) }); err != nil {
			return undo, env, err
		}
		undo = append(undo, func() error { return s.putBack(ctx, account, old) })
	}
	return undo, env, nil
}

// putBack restores a secret, also when ctx has ended: half a setup is worse
// than a late one.
func (s Saving) putBack(ctx context.Context, account string, old keystore.Secret) error {
	ctx = context.WithoutCancel(ctx)
	err := s.Patiently(ctx, func() error {
		if old.IsZero() {
			return s.Keystore.Delete(ctx, account)
		}
		return s.Keystore.Set(ctx, account, old)
	})
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return fmt.Errorf("the former %s could not be put back either, so enter it again: %w", account, err)
	}
	return nil
}
