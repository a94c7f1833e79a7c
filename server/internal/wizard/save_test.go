package wizard

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
)

// obstinate is a keychain that fails, or that the process does not outlive.
type obstinate struct {
	keystore.Store
	fail func(op, account string) error
}

func (o obstinate) Set(ctx context.Context, account string, s keystore.Secret) error {
	if err := o.fail("set", account); err != nil {
		return err
	}
	return o.Store.Set(ctx, account, s)
}

func (o obstinate) Get(ctx context.Context, account string) (keystore.Secret, error) {
	if err := o.fail("get", account); err != nil {
		return keystore.Secret{}, err
	}
	return o.Store.Get(ctx, account)
}

// saved is a Drawbridge that has been set up.
type saved struct {
	Saving
	memory keystore.Store
	before config.Config
}

func newSaved(t *testing.T) *saved {
	t.Helper()
	s := &saved{memory: keystore.Memory()}
	c := config.Default()
	c.IDP.Issuer, c.IDP.ClientID, c.Access.Anyone = "https://old.example", "old", true
	s.Saving = Saving{Path: filepath.Join(t.TempDir(), "drawbridge", "config.toml"), Config: c, Keystore: s.memory,
		Secrets: map[string]keystore.Secret{keystore.IDPClientSecret: keystore.NewSecret("old-secret"), keystore.NgrokAuthtoken: keystore.NewSecret("old-token")}}
	if err := Save(t.Context(), s.Saving); err != nil {
		t.Fatal(err)
	}
	s.before = c
	s.Config.IDP.Issuer, s.Config.IDP.ClientID = "https://new.example", "new"
	s.Secrets = map[string]keystore.Secret{keystore.IDPClientSecret: keystore.NewSecret("new-secret"), keystore.NgrokAuthtoken: keystore.NewSecret("new-token")}
	return s
}

// stands checks what there is.
func (s *saved) stands(t *testing.T, c config.Config, secret, token string) {
	t.Helper()
	got, err := config.Load(s.Path)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("config.toml is %+v, %v", got, err)
	}
	for account, want := range map[string]string{keystore.IDPClientSecret: secret, keystore.NgrokAuthtoken: token} {
		if have, _ := s.memory.Get(t.Context(), account); have.Reveal() != want {
			t.Errorf("%s is %q, want %q", account, have.Reveal(), want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Path), ".drawbridge-*")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

func TestSave(t *testing.T) {
	s := newSaved(t)
	if err := Save(t.Context(), s.Saving); err != nil {
		t.Fatal(err)
	}
	s.stands(t, s.Config, "new-secret", "new-token")
	s.Config.IDP.ClientID = "newer"
	s.Secrets = map[string]keystore.Secret{keystore.IDPClientSecret: {}, keystore.NgrokAuthtoken: keystore.NewSecret("newer-token")}
	if err := Save(t.Context(), s.Saving); err != nil {
		t.Fatal(err)
	}
	s.stands(t, s.Config, "new-secret", "newer-token")
}

func TestSaveAllOrNothing(t *testing.T) {
	locked := &keystore.Error{Kind: keystore.Locked, Account: "x", Op: "set"}
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *saved)
	}{
		{"a value that can't be", func(_ *testing.T, s *saved) { s.Config.IDP.Issuer = "http://new.example" }},
		{"a secret too long", func(_ *testing.T, s *saved) {
			s.Secrets[keystore.NgrokAuthtoken] = keystore.NewSecret(strings.Repeat("x", 3000))
		}},
		{"a keychain that is locked", func(_ *testing.T, s *saved) {
			s.Keystore = obstinate{s.memory, func(op, _ string) error { return locked }}
		}},
		{"a keychain that takes the first secret alone", func(_ *testing.T, s *saved) {
			s.Keystore = obstinate{s.memory, func(op, account string) error {
				if op == "set" && account == keystore.NgrokAuthtoken {
					return locked
				}
				return nil
			}}
		}},
		{"a folder where the file would go", func(t *testing.T, s *saved) {
			// It appears between the draft and its place: the rename alone fails.
			s.Keystore = obstinate{s.memory, func(op, account string) error {
				if _, err := os.Stat(s.Path + ".old"); err != nil && op == "set" && account == keystore.NgrokAuthtoken {
					_ = os.Rename(s.Path, s.Path+".old")
					_ = os.MkdirAll(filepath.Join(s.Path, "x"), 0o700)
				}
				return nil
			}}
			t.Cleanup(func() {})
		}},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			s := newSaved(t)
			c.spoil(t, s)
			err := Save(t.Context(), s.Saving)
			if err == nil {
				t.Fatal("it was saved")
			}
			if strings.Contains(err.Error(), "new-") {
				t.Errorf("a secret is told: %v", err)
			}
			if fi, err := os.Stat(s.Path); err == nil && fi.IsDir() {
				_ = errors.Join(os.Remove(filepath.Join(s.Path, "x")), os.Remove(s.Path))
				_ = os.Rename(s.Path+".old", s.Path)
			}
			s.stands(t, s.before, "old-secret", "old-token")
		})
	}
}

// A person who gave up in between finds what there was before.
func TestSaveCancelled(t *testing.T) {
	s := newSaved(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Keystore = obstinate{s.memory, func(op, account string) error {
		if op == "set" && account == keystore.NgrokAuthtoken {
			cancel()
		}
		if ctx.Err() != nil && account == keystore.NgrokAuthtoken {
			return ctx.Err()
		}
		return nil
	}}
	if err := Save(ctx, s.Saving); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.stands(t, s.before, "old-secret", "old-token")
}

// A process that ends between secrets and file leaves the old configuration,
// whole; that the secret is another's is said by the provider, in a sentence,
// and the next save mends it.
func TestSaveKilled(t *testing.T) {
	s := newSaved(t)
	done := make(chan bool)
	dying := s.Saving
	dying.Keystore = obstinate{s.memory, func(op, account string) error {
		if op == "set" && account == keystore.NgrokAuthtoken {
			runtime.Goexit()
		}
		return nil
	}}
	go func() {
		defer close(done)
		_ = Save(context.Background(), dying)
	}()
	<-done
	if got, err := config.Load(s.Path); err != nil || !reflect.DeepEqual(got, s.before) {
		t.Errorf("config.toml is %+v, %v", got, err)
	}
	f := newFake(t)
	w := &Wizard{Keystore: s.memory, HTTP: f.client()}
	cand := Candidate{Config: s.before}
	r := w.CheckProvider(t.Context(), Other, &cand)
	if len(r.Problems) != 1 {
		t.Fatalf("%v", r.Problems)
	}
	isSentence(t, r.Problems[0].Sentence, "Copy both again")
	if err := Save(t.Context(), s.Saving); err != nil {
		t.Fatal(err)
	}
	drafts, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Path), ".drawbridge-*"))
	if len(drafts) != 1 {
		t.Errorf("the dead left %v", drafts)
	}
	for _, d := range drafts { // it holds no secret, and nothing reads it
		data, _ := os.ReadFile(d)
		if strings.Contains(string(data), "secret") {
			t.Error("a secret is in a draft")
		}
		_ = os.Remove(d)
	}
	s.stands(t, s.Config, "new-secret", "new-token")
}

func TestSaveInEnvironment(t *testing.T) {
	s := newSaved(t)
	s.Keystore = keystore.Env(func(name string) (string, bool) {
		return "new-token", name == "DRAWBRIDGE_NGROK_AUTHTOKEN"
	})
	var env *ErrSetInEnvironment
	if err := Save(t.Context(), s.Saving); !errors.As(err, &env) || !reflect.DeepEqual(env.Names, []string{"DRAWBRIDGE_IDP_CLIENT_SECRET"}) {
		t.Fatal(err)
	}
	s.stands(t, s.Config, "old-secret", "old-token") // the environment's are its own
}
