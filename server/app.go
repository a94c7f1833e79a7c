package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/metrics"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// app is what lasts while configurations come and go.
type app struct {
	opts     Options
	db       *store.DB
	board    *status.Board
	timeline *timeline.Recorder // attempts to connect
	calls    metrics.Calls

	loopback func() string // URL of the control listener

	missing sync.Map      // accounts of secrets that servers asked for in vain
	dryRun  wizard.DryRun // a sign-in that Setup tries
	paused  atomic.Bool
	quiet   atomic.Bool // no desktop notifications
	update  atomic.Pointer[updateSeen]
	retry   chan struct{}      // holds one: open the keychain again now
	streams context.Context    // of every public request; ends when Run is told to end
	stop    context.CancelFunc // ends streams

	mu   sync.Mutex // guards keys
	keys *keys      // nil while the keychain is shut
}

// keys is what is known once the keychain is open. It is never changed: another
// takes its place.
type keys struct {
	dataKey []byte // what everything else is sealed and signed under
	journal *store.Journal
	secret  func(context.Context) (string, error) // the provider's client secret
	url     string                                // that clients knew last; "" if none
}

// unlocked returns the keys, or nil while the keychain is shut.
func (a *app) unlocked() *keys {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys
}

// change has other keys take the place of the known ones.
func (a *app) change(how func(*keys)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := keys{}
	if a.keys != nil {
		k = *a.keys
	}
	how(&k)
	a.keys = &k
}

// unlock reads the keys from the keychain and opens the state file with them,
// once. Its errors are sentences. It may be called again after one.
func (a *app) unlock(ctx context.Context) error {
	if a.unlocked() != nil {
		return nil
	}
	var k keys
	var err error
	if k.dataKey, err = a.readDataKey(ctx); err != nil {
		return err
	}
	if k.secret, err = a.clientSecret(ctx); err != nil {
		return err
	}
	if k.dataKey, err = a.unseal(ctx, k.dataKey); err != nil {
		return err
	}
	if k.url, err = a.loadSettings(); err != nil {
		return err
	}
	if k.journal, err = store.OpenJournal(a.db, a.board, a.opts.Log); err != nil {
		return err
	}
	a.change(func(now *keys) { *now = k })
	return nil
}

// record makes an event last.
func (a *app) record(e status.Event) { a.unlocked().journal.Record(e) }

// stopping reports whether Drawbridge has been told to end.
func (a *app) stopping() bool { return a.streams.Err() != nil }

// settingsBucket holds what the person chose at run time.
const (
	settingsBucket = "settings"
	pausedSetting  = "paused"
	quietSetting   = "quiet"
	urlSetting     = "url" // the address that clients know
)

// setting saves a choice; false takes its record away.
func (a *app) setting(key string, yes bool) error {
	if a.unlocked() == nil {
		return errNotReady
	}
	change := oauth.Change{Bucket: settingsBucket, Key: key}
	if yes {
		change.Value = []byte("true")
	}
	return a.db.Save([]oauth.Change{change})
}

// errNotReady is what verbs answer while the keychain is not open.
var errNotReady = errors.New("Drawbridge is not ready: see `drawbridge status`")

func (a *app) loadSettings() (url string, err error) {
	err = a.db.Load(settingsBucket, func(key string, value []byte) error {
		switch key {
		case pausedSetting:
			a.paused.Store(string(value) == "true")
		case quietSetting:
			a.quiet.Store(string(value) == "true")
		case urlSetting:
			url = string(value)
		case updateSetting:
			var seen updateSeen
			if json.Unmarshal(value, &seen) == nil { // else it is asked again
				a.update.Store(&seen)
			}
		}
		return nil
	})
	return url, err
}

// remember keeps the address for the next start.
func (a *app) remember(url string) error {
	if a.unlocked().url == url {
		return nil
	}
	if err := a.db.Save([]oauth.Change{{Bucket: settingsBucket, Key: urlSetting, Value: []byte(url)}}); err != nil {
		return err
	}
	a.change(func(k *keys) { k.url = url })
	return nil
}

// clientSecret returns a function that reads the provider's client secret each
// time it is needed, so that a new one counts at once, and falls back to the
// last one while the keychain is locked. None at all means a public client.
func (a *app) clientSecret(ctx context.Context) (func(context.Context) (string, error), error) {
	last, err := a.opts.Keystore.Get(ctx, keystore.IDPClientSecret)
	if err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return nil, err
	}
	var mu sync.Mutex // guards last
	return func(ctx context.Context) (string, error) {
		now, err := a.opts.Keystore.Get(ctx, keystore.IDPClientSecret)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			last = now
		}
		return last.Reveal(), nil
	}, nil
}

// serverSecret returns what ${keychain:NAME} stands for.
func (a *app) serverSecret(ctx context.Context, server, name string) (string, error) {
	account := keystore.ServerSecret(server, name)
	secret, err := a.opts.Keystore.Get(ctx, account)
	if errors.Is(err, keystore.ErrNotFound) {
		a.missing.Store(account, true)
	} else {
		a.missing.Delete(account)
	}
	switch {
	case errors.Is(err, keystore.ErrNotFound) && keystore.IsReadOnly(a.opts.Keystore):
		return "", fmt.Errorf("%s is not set. Set %s and start Drawbridge again", name, keystore.EnvVar(account))
	case errors.Is(err, keystore.ErrNotFound):
		return "", fmt.Errorf("%s is not set. Run `drawbridge secret set %s/%s`, then restart %[2]s in the console", name, server, name)
	}
	return secret.Reveal(), err
}

// authtoken reads ngrok's authtoken.
func (a *app) authtoken(ctx context.Context) (string, error) {
	secret, err := a.opts.Keystore.Get(ctx, keystore.NgrokAuthtoken)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return "", &tunnel.Error{Fatal: true, Msg: "there is no ngrok authtoken. Copy yours from dashboard.ngrok.com/get-started/your-authtoken and store it with `drawbridge setup` (or set " +
			keystore.EnvVar(keystore.NgrokAuthtoken) + "), then run `drawbridge tunnel retry`"}
	case err != nil:
		return "", &tunnel.Error{Msg: err.Error()}
	}
	return strings.TrimSpace(secret.Reveal()), nil
}
