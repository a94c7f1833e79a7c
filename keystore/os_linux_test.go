package keystore_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
)

func TestOSRoundTrip(t *testing.T) {
	keyringtest.Start(t)
	testRoundTrip(t, keystore.OS())
}

// A keyring without a password opens by being asked, with nobody there to see a
// window.
func TestOSOpensAKeyringWithoutPassword(t *testing.T) {
	keyring := keyringtest.StartWithoutPassword(t)
	if !keyring.Locked(t) {
		t.Fatal("the keyring is open before anybody asked")
	}
	testRoundTrip(t, keystore.OS())
	keyring.Lock(t)
	if !keyring.Locked(t) {
		t.Fatal("the keyring can't be locked")
	}
	testRoundTrip(t, keystore.OS())
}

func TestOSSharesItemsWithSecretTool(t *testing.T) {
	keyringtest.Start(t)
	keyringtest.Need(t, "secret-tool", "libsecret-tools")
	ctx := context.Background()
	s := keystore.OS()
	if err := s.Set(ctx, keystore.IDPClientSecret, keystore.NewSecret("ours")); err != nil {
		t.Fatal(err)
	}
	if got := secretTool(t, "", "lookup", "service", "drawbridge", "username", "idp-client-secret"); got != "ours" {
		t.Errorf("secret-tool reads %q", got)
	}
	secretTool(t, "theirs", "store", "--label=x", "service", "drawbridge", "username", "ngrok-authtoken")
	if got, err := s.Get(ctx, keystore.NgrokAuthtoken); err != nil || got.Reveal() != "theirs" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
	// Emptied by somebody else, as a person does in the keychain's settings.
	secretTool(t, "", "clear", "service", "drawbridge")
	for _, account := range []string{keystore.IDPClientSecret, keystore.NgrokAuthtoken} {
		if _, err := s.Get(ctx, account); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("%s after clearing: %v", account, err)
		}
	}
}

func secretTool(t *testing.T, in string, args ...string) string {
	t.Helper()
	cmd := exec.Command("secret-tool", args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("secret-tool %s: %v: %s", args[0], err, out)
	}
	return string(out)
}

// Each case names the state of the desktop; each call in it has to fail in
// under three seconds, with the right kind and a sentence that helps.
func TestOSFails(t *testing.T) {
	cases := []struct {
		name    string
		prepare func(t *testing.T)
		kind    keystore.Kind
		says    string
	}{
		{"locked without a display", func(t *testing.T) { keyringtest.Start(t).Lock(t) },
			keystore.Locked, "unlock it, then try again"},
		{"no keyring in the service", func(t *testing.T) { keyringtest.Start(t).Remove(t) },
			keystore.Unavailable, "shows no keyring"},
		{"a bus without a secret service", func(t *testing.T) { keyringtest.StartBus(t) },
			keystore.Unavailable, "install and start one, such as gnome-keyring"},
		{"a bus address that leads nowhere", func(t *testing.T) { keyringtest.Isolate(t) },
			keystore.Unavailable, "--keystore env with DRAWBRIDGE_DATA_KEY set"},
		{"no bus, with dbus-launch installed", withLauncher,
			keystore.Unavailable, "no session bus"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.prepare(t)
			ctx := context.Background()
			s := keystore.OS()
			secret := keystore.NewSecret("hunter2")
			for op, call := range map[string]func() error{
				"get":    func() error { _, err := s.Get(ctx, keystore.DataKey); return err },
				"set":    func() error { return s.Set(ctx, keystore.DataKey, secret) },
				"delete": func() error { return s.Delete(ctx, keystore.DataKey) },
			} {
				start := time.Now()
				err := call()
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("%s took %v", op, took)
				}
				if !keystore.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: %v", op, err)
				}
			}
		})
	}
}

// withLauncher takes the session bus away and puts a dbus-launch in the path
// that leaves a trace if anybody runs it.
func withLauncher(t *testing.T) {
	if _, err := os.Stat("/run/user/" + uid()); err == nil {
		t.Skip("needs a machine without /run/user/" + uid() + ", where a session bus would be found")
	}
	keyringtest.Isolate(t)
	dir := t.TempDir()
	trace := filepath.Join(dir, "started")
	if err := os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte("#!/bin/sh\n: >"+trace+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Cleanup(func() {
		if _, err := os.Stat(trace); err == nil {
			t.Error("a bus of its own was launched")
		}
	})
}

func uid() string { return strconv.Itoa(os.Getuid()) }
