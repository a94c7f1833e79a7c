package cli

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/store"
)

// A backup is not written over what it is made of, by whichever name.
func TestBackupOntoItsOwn(t *testing.T) {
	root := t.TempDir()
	data, conf := filepath.Join(root, "data"), filepath.Join(root, "conf", "config.toml")
	state := filepath.Join(data, "state.db")
	for _, path := range []string{conf, state} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(root, "other")
	if err := os.Link(state, other); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{conf, state, other, filepath.Join(data, "new")} {
		a := &app{ctx: t.Context(), data: data, config: conf, out: plainScreen(&bytes.Buffer{})}
		var said *assets.Message
		if err := (backup{File: path, Replace: true}).Run(a); !errors.As(err, &said) || said.Key != "cli.backup.own" {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{conf, state, other} {
		if text, err := os.ReadFile(path); string(text) != "mine" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

// starting is a person who starts Drawbridge before they type the passphrase.
type starting struct {
	io.Reader
	start func()
}

func (s *starting) Read(p []byte) (int, error) { s.start(); return s.Reader.Read(p) }

// A Drawbridge that starts while the passphrase is typed keeps its state.
func TestStartedMeanwhile(t *testing.T) {
	const phrase = "correct horse battery"
	root := t.TempDir()
	data, conf, file := filepath.Join(root, "data"), filepath.Join(root, "config.toml"), filepath.Join(root, "file")
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32)))
	state := filepath.Join(data, "state.db")
	if err := opens(state, key); err != nil { // made, and sealed with it
		t.Fatal(err)
	}
	keys := keystore.Memory()
	_ = keys.Set(t.Context(), keystore.DataKey, keystore.NewSecret(key))
	var db *store.DB
	a := &app{ctx: t.Context(), data: data, config: conf, secrets: keys, out: plainScreen(&bytes.Buffer{}), in: strings.NewReader(phrase)}
	if err := (backup{File: file, Passphrase: true}).Run(a); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(state)
	if err != nil {
		t.Fatal(err)
	}
	var said *assets.Message
	if err := (restore{File: root, Replace: true}).Run(a); !errors.As(err, &said) || said.Key != "cli.restore.unreadable" {
		t.Errorf("a folder: %v", err)
	}
	a.in = &starting{strings.NewReader(phrase), func() {
		if db == nil {
			if db, err = store.Open(state); err != nil {
				t.Fatal(err)
			}
		}
	}}
	if err := (restore{File: file, Replace: true}).Run(a); !errors.As(err, &said) || said.Key != "cli.restore.running" {
		t.Errorf("%v, want that it runs", err)
	}
	defer db.Close()
	if after, err := os.Stat(state); err != nil || !os.SameFile(before, after) {
		t.Errorf("the state file of one that runs is another: %v", err)
	}
}

// A restored state file opens with a data key of the keychain, and at no moment
// is there none for the one that stands there.
func TestDataKeyOfABackup(t *testing.T) {
	old, other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32))), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 32)))
	state := filepath.Join(t.TempDir(), "state.db")
	if err := opens(state, old); err != nil { // made, and sealed with it
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, has, inFile string
		replace           bool
		says              string // key of the refusal
		before, after     string // data-key then
		next              string // data-key-next before it is in place
	}{
		{name: "the same computer", has: old, before: old, after: old},
		{name: "the same, with the key in the file", has: old, inFile: old, before: old, after: old},
		{name: "another computer, with the key", inFile: old, before: old, after: old},
		{name: "another computer", says: "cli.restore.nokey"},
		{name: "after Panic", has: other, says: "cli.restore.otherkey", before: other, after: other},
		{name: "after Panic, with the key", has: other, inFile: old, says: "cli.restore.keythere", before: other, after: other},
		{name: "after Panic, wanted all the same", has: other, inFile: old, replace: true, before: other, next: old, after: old},
		{name: "a key that opens nothing", inFile: other, says: "damaged"},
		{name: "no key at all", inFile: "no key", says: "damaged"},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			keys := keystore.Memory()
			holds := func(account, want string) {
				t.Helper()
				if got, err := keystore.Text(t.Context(), keys, account); err != nil || got != want {
					t.Errorf("%s: %q, want %q (%v)", account, got, want, err)
				}
			}
			if c.has != "" {
				_ = keys.Set(t.Context(), keystore.DataKey, keystore.NewSecret(c.has))
			}
			a := &app{ctx: t.Context(), secrets: keys}
			promote, err := a.adopt(state, c.inFile, c.replace)
			holds(keystore.DataKey, c.before)
			holds(keystore.NextDataKey, c.next)
			if c.says != "" {
				said := assets.TextsFor("en").Say(c.says)
				if err == nil || !strings.Contains(err.Error(), c.says) && !strings.Contains(err.Error(), said) {
					t.Errorf("%v, want %s", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			promote()
			holds(keystore.DataKey, c.after)
			holds(keystore.NextDataKey, "")
			if err := opens(state, c.after); err != nil {
				t.Error(err)
			}
		})
	}
	db, err := store.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
}

// A config.toml that can't be read is put back as it was, and that is said.
func TestBrokenConfigIsSaid(t *testing.T) {
	root := t.TempDir()
	conf, file := filepath.Join(root, "config.toml"), filepath.Join(root, "file")
	if err := os.WriteFile(conf, []byte("listen = nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a := &app{ctx: t.Context(), data: filepath.Join(root, "data"), config: conf, secrets: keystore.Memory(), out: plainScreen(&said)}
	if err := (backup{File: file}).Run(a); err != nil {
		t.Fatal(err)
	}
	if err := (restore{File: file, Replace: true}).Run(a); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "Mend the config.toml of this backup before you start Drawbridge: ") {
		t.Errorf("said %s", said.String())
	}
}
