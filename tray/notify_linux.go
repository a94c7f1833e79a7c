package tray

import (
	"context"
	"fmt"
	"html"
	"slices"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// The Desktop Notifications Specification 1.2.
const (
	notifyName = "org.freedesktop.Notifications"
	notifyPath = dbus.ObjectPath("/org/freedesktop/Notifications")
	notifyTime = 5 * time.Second // to wait for an answer
)

// notifications shows notes through the session bus, on a connection of its
// own that also hears of their buttons.
type notifications struct {
	click func(action)

	mu      sync.Mutex // guards all below
	bus     *dbus.Conn // nil until needed, and after it broke
	markup  bool       // the desktop reads the body as markup
	buttons bool       // it can show buttons
	revokes map[uint32]string
}

func newNotifications(click func(action)) *notifications {
	return &notifications{click: click, revokes: map[uint32]string{}}
}

func (n *notifications) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bus != nil {
		_ = n.bus.Close()
		n.bus = nil
	}
}

func (n *notifications) show(ctx context.Context, what note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, notifyTime)
	defer cancel()
	if n.bus == nil || !n.bus.Connected() {
		if err := n.connect(ctx); err != nil {
			return fmt.Errorf("reach the desktop's notifications: %w", err)
		}
	}
	body := what.Body
	if n.markup {
		body = html.EscapeString(body)
	}
	actions := []string{}
	if what.Revoke != "" && n.buttons {
		actions = []string{"revoke", "Revoke"}
	}
	urgency := byte(1)
	if what.Urgent {
		urgency = 2
	}
	hints := map[string]dbus.Variant{"urgency": dbus.MakeVariant(urgency), "desktop-entry": dbus.MakeVariant("drawbridge")}
	var id uint32
	err := n.bus.Object(notifyName, notifyPath).CallWithContext(ctx, notifyName+".Notify", 0,
		"Drawbridge", uint32(0), "", what.Title, body, actions, hints, int32(-1)).Store(&id)
	if err != nil {
		return fmt.Errorf("show a notification: %w", err)
	}
	if len(actions) > 0 {
		n.revokes[id] = what.Revoke
	}
	return nil
}

// connect needs n.mu.
func (n *notifications) connect(ctx context.Context) error {
	bus, err := sessionBus()
	if err != nil {
		return err
	}
	var can []string
	if err := bus.Object(notifyName, notifyPath).CallWithContext(ctx, notifyName+".GetCapabilities", 0).Store(&can); err != nil {
		_ = bus.Close()
		return err
	}
	n.markup, n.buttons = slices.Contains(can, "body-markup"), slices.Contains(can, "actions")
	signals := make(chan *dbus.Signal, 16)
	bus.Signal(signals)
	if err := bus.AddMatchSignal(dbus.WithMatchObjectPath(notifyPath), dbus.WithMatchInterface(notifyName)); err != nil {
		_ = bus.Close()
		return err
	}
	n.bus = bus
	go n.listen(signals)
	return nil
}

// listen ends when the connection does, which closes the channel.
func (n *notifications) listen(signals <-chan *dbus.Signal) {
	for s := range signals {
		var id uint32
		var key string
		switch s.Name {
		case notifyName + ".ActionInvoked":
			if dbus.Store(s.Body, &id, &key) != nil || key != "revoke" {
				continue
			}
			if session := n.take(id); session != "" {
				n.click(action{kind: revokeID, id: session})
			}
		case notifyName + ".NotificationClosed":
			if len(s.Body) > 0 && dbus.Store(s.Body[:1], &id) == nil {
				n.take(id)
			}
		}
	}
}

// take returns the session that a note's button ends, once.
func (n *notifications) take(id uint32) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	session := n.revokes[id]
	delete(n.revokes, id)
	return session
}
