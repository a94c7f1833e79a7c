package keystore_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/keystore/keyringtest"
	"github.com/godbus/dbus/v5"
)

func TestLockedKeychainAsksOnceAndServesLate(t *testing.T) {
	service := startLockedService(t)
	ctx := context.Background()
	s := keystore.OS()
	get := func() (string, error) {
		got, err := s.Get(ctx, keystore.DataKey)
		return got.Reveal(), err
	}
	locked := func(what string, call func() error) {
		start := time.Now()
		err := call()
		if took := time.Since(start); !keystore.IsKind(err, keystore.Locked) || took > 20*time.Second {
			t.Errorf("%s: %v after %v", what, err, took)
		}
	}
	locked("get", func() error { _, err := get(); return err })
	var wg sync.WaitGroup
	wg.Go(func() { locked("the same get", func() error { _, err := get(); return err }) })
	wg.Go(func() {
		locked("another account", func() error { _, err := s.Get(ctx, keystore.NgrokAuthtoken); return err })
	})
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	locked("a caller in a hurry", func() error { _, err := s.Get(short, keystore.DataKey); return err })
	wg.Wait()
	if n := service.prompts(); n != 1 {
		t.Errorf("%d windows for one locked keychain", n)
	}
	service.answer(t)
	if got, err := get(); err != nil || got != "late" {
		t.Errorf("after the answer: %q, %v", got, err)
	}
	if n := service.prompts(); n != 1 {
		t.Errorf("%d windows in all", n)
	}
}

func TestChildEndsWithItsParent(t *testing.T) {
	service := startLockedService(t)
	child := exec.Command(os.Args[0])
	child.Args = []string{os.Args[0], "keystore-child"}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(map[string]string{"op": "get", "account": "data-key"}); err != nil {
		t.Fatal(err)
	}
	service.waitForPrompt(t)
	_ = in.Close() // what a dying parent does
	ended := make(chan struct{})
	go func() { _ = child.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = child.Process.Kill()
		t.Error("the child outlives its parent")
	}
	select {
	case <-service.dismissed:
	case <-time.After(30 * time.Second):
		t.Error("its window stays behind")
	}
}

func TestChildRefusesAPerson(t *testing.T) {
	for _, typed := range []string{"", "hello\n", `{"op":"get"}`} {
		child := exec.Command(os.Args[0])
		child.Args = []string{os.Args[0], "keystore-child"}
		in, _ := child.StdinPipe()
		_, _ = io.WriteString(in, typed)
		_ = in.Close()
		if out, err := child.CombinedOutput(); err == nil || len(out) > 0 {
			t.Errorf("%q: %v, printed %q", typed, err, out)
		}
	}
}

// lockedService is a secret service whose one keyring is locked and whose
// window waits until the test answers it.
type lockedService struct {
	bus *dbus.Conn

	mu       sync.Mutex // guards the rest
	unlocked bool
	count    int

	prompted, dismissed chan struct{} // one for each window
}

const (
	secrets    = dbus.ObjectPath("/org/freedesktop/secrets")
	login      = secrets + "/collection/login"
	item       = login + "/1"
	promptPath = secrets + "/prompt/p1"
)

func startLockedService(t *testing.T) *lockedService {
	t.Helper()
	keyringtest.StartBus(t)
	t.Setenv("DISPLAY", ":0") // never used: the service draws nothing
	bus, err := dbus.Connect(os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.Close() })
	s := &lockedService{bus: bus, prompted: make(chan struct{}, 100), dismissed: make(chan struct{}, 100)}
	export := func(path dbus.ObjectPath, face string, methods map[string]any) {
		if err := bus.ExportMethodTable(methods, path, face); err != nil {
			t.Fatal(err)
		}
	}
	export(secrets, "org.freedesktop.DBus.Properties", map[string]any{"Get": s.property})
	export(login, "org.freedesktop.DBus.Properties", map[string]any{"Get": s.property})
	export(secrets, "org.freedesktop.Secret.Service", map[string]any{"Unlock": s.unlock, "OpenSession": s.openSession})
	export(login, "org.freedesktop.Secret.Collection", map[string]any{"SearchItems": s.searchItems})
	export(promptPath, "org.freedesktop.Secret.Prompt", map[string]any{"Prompt": s.prompt, "Dismiss": s.dismiss})
	export(item, "org.freedesktop.Secret.Item", map[string]any{"GetSecret": s.getSecret})
	export(secrets+"/session/s1", "org.freedesktop.Secret.Session", map[string]any{"Close": func() *dbus.Error { return nil }})
	if _, err := bus.RequestName("org.freedesktop.secrets", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *lockedService) property(_, name string) (dbus.Variant, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "Locked" {
		return dbus.MakeVariant(!s.unlocked), nil
	}
	return dbus.MakeVariant([]dbus.ObjectPath{login}), nil
}

func (s *lockedService) unlock(paths []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlocked {
		return paths, "/", nil
	}
	return nil, promptPath, nil
}

func (s *lockedService) prompt(string) *dbus.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.prompted <- struct{}{}
	return nil
}

func (s *lockedService) dismiss() *dbus.Error {
	s.dismissed <- struct{}{}
	return nil
}

func (s *lockedService) prompts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *lockedService) waitForPrompt(t *testing.T) {
	t.Helper()
	select {
	case <-s.prompted:
	case <-time.After(30 * time.Second):
		t.Fatal("no window came")
	}
}

// answer is the person who types the password at last.
func (s *lockedService) answer(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	s.unlocked = true
	s.mu.Unlock()
	err := s.bus.Emit(promptPath, "org.freedesktop.Secret.Prompt.Completed",
		false, dbus.MakeVariant([]dbus.ObjectPath{login}))
	if err != nil {
		t.Fatal(err)
	}
}

func (s *lockedService) openSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	return dbus.MakeVariant(""), secrets + "/session/s1", nil
}

func (s *lockedService) searchItems(map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	return []dbus.ObjectPath{item}, nil
}

func (s *lockedService) getSecret(session dbus.ObjectPath) (struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}, *dbus.Error) {
	return struct {
		Session     dbus.ObjectPath
		Parameters  []byte
		Value       []byte
		ContentType string
	}{session, []byte{}, []byte("late"), "text/plain"}, nil
}
