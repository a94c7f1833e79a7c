package tray

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// menuReads are the parts of menus that somebody else than the test was given
// on the bus: a real panel, which says nothing of it.
type menuReads struct {
	mu    sync.Mutex // guards given
	given []string
}

// watchReads has the bus tell of every such answer, until the test ends.
func watchReads(t testing.TB, own *dbus.Conn) *menuReads {
	t.Helper()
	bus, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	rules := []string{"type='method_call',interface='com.canonical.dbusmenu',member='GetLayout'", "type='method_return'"}
	if err := bus.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, rules, uint32(0)).Err; err != nil {
		t.Fatal(err)
	}
	messages := make(chan *dbus.Message, 1024)
	bus.Eavesdrop(messages)
	r := &menuReads{}
	go r.follow(messages, own.Names())
	return r
}

// follow ends with the connection.
func (r *menuReads) follow(messages <-chan *dbus.Message, own []string) {
	type request struct {
		by     string
		serial uint32
	}
	asked := map[request]bool{}
	for m := range messages {
		sender, _ := m.Headers[dbus.FieldSender].Value().(string)
		to, _ := m.Headers[dbus.FieldDestination].Value().(string)
		serial, _ := m.Headers[dbus.FieldReplySerial].Value().(uint32)
		switch answered := (request{to, serial}); {
		case m.Type == dbus.TypeMethodCall && !slices.Contains(own, sender):
			asked[request{sender, m.Serial()}] = true
		case m.Type == dbus.TypeMethodReply && asked[answered]:
			delete(asked, answered)
			r.mu.Lock()
			r.given = append(r.given, fmt.Sprint(m.Body...))
			r.mu.Unlock()
		}
	}
}

// count is how many there were.
func (r *menuReads) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.given)
}

// await waits until the panel has read the menu, with all of these words in it,
// since there were before.
func (r *menuReads) await(t testing.TB, before int, words ...string) {
	t.Helper()
	rig.WaitFor(t, fmt.Sprintf("the panel to read the menu %q", words), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		all := strings.Join(r.given[before:], "\n")
		for _, w := range words {
			if !strings.Contains(all, w) {
				return false
			}
		}
		return len(r.given) > before
	})
}
