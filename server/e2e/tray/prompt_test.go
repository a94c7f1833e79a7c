package tray

import (
	"sync/atomic"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// fakeSecrets is a keychain on the bus that stays locked: each time it is to be
// opened it shows a window, as it were, which the person closes.
type fakeSecrets struct {
	bus     *dbus.Conn
	prompts atomic.Int32
}

const (
	secretsName   = "org.freedesktop.secrets"
	secretsPath   = dbus.ObjectPath("/org/freedesktop/secrets")
	loginKeyring  = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	keyringPrompt = dbus.ObjectPath("/org/freedesktop/secrets/prompt/p1")
)

func startSecrets(t testing.TB, bus *dbus.Conn) *fakeSecrets {
	t.Helper()
	f := &fakeSecrets{bus: bus}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(bus.Export(f, secretsPath, "org.freedesktop.Secret.Service"))
	must(bus.Export(fakePrompt{f}, keyringPrompt, "org.freedesktop.Secret.Prompt"))
	_, err := prop.Export(bus, secretsPath, prop.Map{"org.freedesktop.Secret.Service": {
		"Collections": {Value: []dbus.ObjectPath{loginKeyring}}}})
	must(err)
	_, err = prop.Export(bus, loginKeyring, prop.Map{"org.freedesktop.Secret.Collection": {"Locked": {Value: true}}})
	must(err)
	_, err = bus.RequestName(secretsName, dbus.NameFlagDoNotQueue)
	must(err)
	return f
}

// Unlock is called by programs through the bus.
func (f *fakeSecrets) Unlock(paths []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	return nil, keyringPrompt, nil
}

type fakePrompt struct{ f *fakeSecrets }

// Prompt is called by programs through the bus.
func (p fakePrompt) Prompt(string) *dbus.Error {
	p.f.prompts.Add(1)
	_ = p.f.bus.Emit(keyringPrompt, "org.freedesktop.Secret.Prompt.Completed", true, dbus.MakeVariant([]dbus.ObjectPath{}))
	return nil
}

// Dismiss is called by programs through the bus.
func (p fakePrompt) Dismiss() *dbus.Error { return nil }

// A locked keychain is said with what to do, Retry asks for it again, and its
// window between two panels does not lose the icon: the signals of the one are
// not taken for those of the other. Keychain and panel are stand-ins on a real
// bus.
func TestTrayKeychainPrompt(t *testing.T) {
	s := startTraySession(t)
	t.Setenv("DISPLAY", ":99") // nobody connects there; the keychain may show its window
	secrets := startSecrets(t, s.bus)
	app, menu := s.startFromKeychain(t)
	menu.Await("✕ The keychain is locked: unlock it")
	for range 2 {
		watcher := startWatcher(t, s.bus)
		watcher.await(t, app.Program.Script.Cmd.Process.Pid)
		before := secrets.prompts.Load()
		menu.Click("Retry")
		rig.WaitFor(t, "the keychain's window", func() bool { return secrets.prompts.Load() > before })
		watcher.stop(t)
	}
	watcher := startWatcher(t, s.bus)
	watcher.await(t, app.Program.Script.Cmd.Process.Pid)
	if menu.Await("Pause").enabled() {
		t.Error("Pause can be clicked although nothing runs")
	}
	menu.send(menu.Await("Pause")) // panels may
	menu.Click("Quit")
	endedWell(t, app)
}
