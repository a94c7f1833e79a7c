package tray

import (
	"fmt"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// fakeWatcher is what a panel is on the bus: it owns the name by which tray
// items find it, and takes them down.
type fakeWatcher struct {
	bus *dbus.Conn

	mu    sync.Mutex // guards items
	items map[dbus.Sender]bool
}

const watcherName = "org.kde.StatusNotifierWatcher"

func startWatcher(t testing.TB, bus *dbus.Conn) *fakeWatcher {
	t.Helper()
	w := &fakeWatcher{bus: bus, items: map[dbus.Sender]bool{}}
	if err := bus.Export(w, "/StatusNotifierWatcher", watcherName); err != nil {
		t.Fatal(err)
	}
	reply, err := bus.RequestName(watcherName, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("become the panel: %v, %v", reply, err)
	}
	return w
}

// RegisterStatusNotifierItem is called by tray items through the bus.
func (w *fakeWatcher) RegisterStatusNotifierItem(sender dbus.Sender, _ string) *dbus.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items[sender] = true
	return nil
}

// await waits for the item of process pid.
func (w *fakeWatcher) await(t testing.TB, pid int) {
	t.Helper()
	rig.WaitFor(t, "the tray item to come to the panel", func() bool {
		var owner string
		name := fmt.Sprintf("org.kde.StatusNotifierItem-%d-1", pid)
		if w.bus.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner) != nil {
			return false
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.items[dbus.Sender(owner)]
	})
}

func (w *fakeWatcher) stop(t testing.TB) {
	t.Helper()
	if _, err := w.bus.ReleaseName(watcherName); err != nil {
		t.Fatal(err)
	}
}
