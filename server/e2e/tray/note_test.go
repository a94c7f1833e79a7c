package tray

import (
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// fakeNotes is what shows notifications on the bus; it shows none, and writes
// them down.
type fakeNotes struct {
	bus *dbus.Conn

	mu     sync.Mutex // guards all below
	can    []string   // what it says it can do
	shown  []shownNote
	closed map[uint32]bool // by the program
}

type shownNote struct {
	id          uint32
	title, body string
	actions     []string
	urgent      bool
	expires     int32 // after so many milliseconds; 0: never, -1: as the desktop likes
}

const notesName, notesPath = "org.freedesktop.Notifications", dbus.ObjectPath("/org/freedesktop/Notifications")

func startNotes(t testing.TB, bus *dbus.Conn) *fakeNotes {
	t.Helper()
	n := &fakeNotes{bus: bus, can: []string{"body", "body-markup", "actions"}, closed: map[uint32]bool{}}
	if err := bus.Export(n, notesPath, notesName); err != nil {
		t.Fatal(err)
	}
	if reply, err := bus.RequestName(notesName, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("become who shows notifications: %v, %v", reply, err)
	}
	return n
}

// GetCapabilities is called by programs through the bus.
func (n *fakeNotes) GetCapabilities() ([]string, *dbus.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.can, nil
}

// Notify is called by programs through the bus.
func (n *fakeNotes) Notify(_ string, _ uint32, _, title, body string, actions []string, hints map[string]dbus.Variant, expires int32) (uint32, *dbus.Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := uint32(len(n.shown) + 1)
	n.shown = append(n.shown, shownNote{id, title, body, actions, hints["urgency"].Value() == byte(2), expires})
	return id, nil
}

// CloseNotification is called by programs through the bus.
func (n *fakeNotes) CloseNotification(id uint32) *dbus.Error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed[id] = true
	return nil
}

// await waits for a notification with this title that is still shown.
func (n *fakeNotes) await(t testing.TB, title string) (found shownNote) {
	t.Helper()
	t.Cleanup(func() {
		if n.mu.Lock(); t.Failed() {
			t.Logf("told: %+v, closed: %v", n.shown, n.closed)
		}
		n.mu.Unlock()
	})
	rig.WaitFor(t, "the notification "+title, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, s := range n.shown {
			if s.title == title && !n.closed[s.id] {
				found = s
			}
		}
		return found.id != 0
	})
	return found
}

// awaitClosed waits until the program has taken a notification away.
func (n *fakeNotes) awaitClosed(t testing.TB, id uint32) {
	t.Helper()
	rig.WaitFor(t, "the notification to be closed", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.closed[id]
	})
}

func (n *fakeNotes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.shown)
}

// press is a click on a notification's button.
func (n *fakeNotes) press(t testing.TB, id uint32, key string) {
	t.Helper()
	if err := n.bus.Emit(notesPath, notesName+".ActionInvoked", id, key); err != nil {
		t.Fatal(err)
	}
}

// A sign-in is told, with a button that ends it; a refused one and a replayed
// token are told; what a client calls itself is neither markup nor more than a
// line; switched off, nothing is told.
func TestTrayNotifications(t *testing.T) {
	s := startTraySession(t)
	notes := startNotes(t, s.bus)
	app, menu := s.start(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Access = config.Access{Emails: []string{"alice@example.com"}}
	}})
	var registered struct {
		ID string `json:"client_id"`
	}
	app.PostJSON(t, "/register", map[string]any{"client_name": "<b>Claude</b> <a href=\"http://x\">x</a>\n\u202e$(id)",
		"redirect_uris": []string{rig.ClientURI}, "token_endpoint_auth_method": "none"}).JSON(t, &registered)
	client := app.Register(t, rig.ClientURI)
	client.ID = registered.ID
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	told := notes.await(t, "A new client signed in")
	if strings.ContainsAny(told.body, "<>\n\u202e") || !strings.Contains(told.body, "alice@example.com with &lt;b&gt;Claude") {
		t.Errorf("told %q", told.body)
	}
	notes.press(t, told.id, "allow") // no button of this one
	notes.press(t, told.id+7, "revoke")
	notes.press(t, told.id, "revoke")
	menu.Await("● Ready, 0 sessions")
	if got := app.MCP(t, tokens.Access).Initialize().Status; got != 401 {
		t.Errorf("after Revoke in the notification: /mcp answers %d", got)
	}
	rig.NewBrowser(t).SignIn(app.NewAuthRequest(app.Register(t, rig.ClientURI)).URL(app), rig.ClientURI, "bob")
	if told := notes.await(t, "A sign-in was refused"); !strings.Contains(told.body, "bob@example.com is not on the access list") {
		t.Errorf("told %q", told.body)
	}

	menu.Click("Notifications")
	menu.until("Notifications to be off", func() bool {
		row, _ := menu.Find("Notifications")
		return !row.checked()
	})
	before := notes.count()
	app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	menu.Await("● Ready, 1 session")
	menu.Click("Copy the MCP URL")
	menu.Await("✓ Copied")
	menu.Click("Notifications")
	menu.until("Notifications to be on", func() bool {
		row, _ := menu.Find("Notifications")
		return row.checked()
	})
	// They come in order: when this one is told, none of before is under way.
	app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI+"/another"), "alice")
	rig.WaitFor(t, "a note of what came after", func() bool { return notes.count() > before })
	if n := notes.count(); n != before+1 {
		t.Errorf("%d told although switched off", n-before-1)
	}
}
