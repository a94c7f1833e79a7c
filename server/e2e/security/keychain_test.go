package security

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// moodyKeychain is a keychain that can be locked, away, or slow to answer.
type moodyKeychain struct {
	keystore.Store

	mu   sync.Mutex // guards all below
	mood func(ctx context.Context, account, op string) error
	sets []string // accounts written
}

func (k *moodyKeychain) Become(mood func(ctx context.Context, account, op string) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mood = mood
}

func (k *moodyKeychain) now(ctx context.Context, account, op string) error {
	k.mu.Lock()
	mood := k.mood
	k.mu.Unlock()
	if mood == nil {
		return nil
	}
	return mood(ctx, account, op)
}

func (k *moodyKeychain) Get(ctx context.Context, account string) (keystore.Secret, error) {
	if err := k.now(ctx, account, "get"); err != nil {
		return keystore.Secret{}, err
	}
	return k.Store.Get(ctx, account)
}

func (k *moodyKeychain) Set(ctx context.Context, account string, s keystore.Secret) error {
	if err := k.now(ctx, account, "set"); err != nil {
		return err
	}
	k.mu.Lock()
	k.sets = append(k.sets, account)
	k.mu.Unlock()
	return k.Store.Set(ctx, account, s)
}

func fails(kind keystore.Kind) func(context.Context, string, string) error {
	return func(_ context.Context, account, op string) error {
		return &keystore.Error{Kind: kind, Account: account, Op: op}
	}
}

// It handles a keychain that is locked, away, or silent when the app starts: the
// app runs, says what to do, serves nobody, and is ready once it opens.
func TestSecKeychainAtStart(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.Stop()
	for name, mood := range map[string]func(context.Context, string, string) error{
		"locked": fails(keystore.Locked), "absent": fails(keystore.Unavailable),
		"silent": func(ctx context.Context, account, op string) error {
			<-ctx.Done()
			return &keystore.Error{Kind: keystore.Unavailable, Account: account, Op: op, Err: ctx.Err()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys := &moodyKeychain{Store: app.Options.Keystore, mood: mood}
			srv, err := server.New(server.Options{Config: app.Config, DataDir: app.Options.DataDir, Keystore: keys, Version: "e2e"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- srv.Run(ctx) }()
			if name != "silent" {
				rig.WaitFor(t, "the app to notice", func() bool { return srv.Snapshot().Status.State == status.Error })
				st := srv.Snapshot().Status
				if !strings.Contains(st.Error, "keychain") || !strings.Contains(st.Error, "data-key") {
					t.Errorf("status says %q", st.Error)
				}
			}
			control := rig.ReadControlFile(t, app)
			if r := control.Get(t, "/api/status"); r.Status != http.StatusOK {
				t.Errorf("the control side answers %d", r.Status)
			}
			for _, path := range []string{"/health", "/mcp", "/token", "/authorize", "/"} {
				r := app.Get(t, path)
				if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || strings.Contains(r.Body, "data-key") {
					t.Errorf("%s: %d %s", path, r.Status, rig.Clip(r.Body))
				}
			}
			if name != "silent" {
				keys.Become(nil)
				srv.Retry()
				rig.WaitFor(t, "the app to be ready", func() bool { return srv.Snapshot().Status.State == status.Ready })
				app.MustWorkWith(t, tokens.Access)
			}
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("ended with %v", err)
				}
			case <-time.After(8 * time.Second):
				t.Error("it does not stop")
			}
			if len(keys.sets) != 0 {
				t.Errorf("it wrote %v to the keychain", keys.sets)
			}
		})
	}
	app.Start()
	app.MustRefresh(t, c, tokens.Refresh)
}

// It handles a keychain that was emptied: there are sessions, so no new key is
// made for them, and nothing is lost when the old one comes back.
func TestSecKeychainEmptied(t *testing.T) {
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.Stop()
	empty := &moodyKeychain{Store: keystore.Memory()}
	err := rig.TryRun(t, app, empty)
	if err == nil || !strings.Contains(err.Error(), "data-key") || !strings.Contains(err.Error(), app.Options.DataDir) {
		t.Errorf("it says: %v", err)
	}
	if len(empty.sets) != 0 {
		t.Errorf("it wrote %v to the keychain", empty.sets)
	}
	app.Start()
	app.MustWorkWith(t, tokens.Access)
}

// It handles a keychain that is locked or emptied while the app runs: who is
// signed in stays, refreshes and sign-ins go on with the secret last read.
func TestSecKeychainLater(t *testing.T) {
	keys := &moodyKeychain{Store: keystore.Memory()}
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{Keystore: keys})
	for _, mood := range []func(context.Context, string, string) error{
		fails(keystore.Locked), fails(keystore.Unavailable), func(context.Context, string, string) error { return keystore.ErrNotFound },
	} {
		keys.Become(mood)
		app.MustWorkWith(t, tokens.Access)
		tokens = app.MustRefresh(t, c, tokens.Refresh)
		app.MustWorkWith(t, app.SignIn(t, rig.NewBrowser(t), c, "bob").Access)
	}
	keys.Become(nil)
	app.Stop()
	// Nowhere else did a secret go.
	secret, err := keys.Get(t.Context(), keystore.DataKey)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(app.Options.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(secret.Reveal())) {
			t.Errorf("the data key is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// It handles a machine without a keychain: the program says so and what to do,
// in a few seconds, and does not turn to the environment by itself.
func TestSecNoKeychainProgram(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	app.Stop()
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := rig.StartProcess(t, app.Program.Env, path, "run", "--headless", "--config", app.Program.Config, "--data", app.Options.DataDir)
	rig.WaitFor(t, "the program to say so", func() bool { return p.Log.Contains("keychain") })
	if r := app.Get(t, "/health"); r.Status != http.StatusServiceUnavailable {
		t.Errorf("it serves all the same: %d", r.Status)
	}
	if !p.Log.Contains("--keystore env") {
		t.Errorf("it does not say what to do: %s", p.Log)
	}
	_ = p.Cmd.Process.Kill()
}
