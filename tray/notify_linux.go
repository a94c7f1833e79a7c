package tray

import (
	"context"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/drawbridge-app/drawbridge/assets"
)

// The Desktop Notifications Specification 1.2.
const (
	notifyName = "org.freedesktop.Notifications"
	notifyPath = dbus.ObjectPath("/org/freedesktop/Notifications")
	notifyTime = 5 * time.Second // to wait for an answer
)

// maxShown bounds the notes whose clicks are known: some desktops never say
// that one is gone.
const maxShown = 64

// notifications shows notes through the session bus, on a connection of its
// own that also hears of their buttons.
type notifications struct {
	texts *assets.Texts
	click func(action)

	mu      sync.Mutex // guards all below
	bus     *dbus.Conn // nil until needed, and after it broke
	markup  bool       // the desktop reads the body as markup
	buttons bool       // it can show buttons
	shown   map[uint32]shownNote
}

// shownNote is a note that may still be on the screen.
type shownNote struct {
	owner string // who shows it, by its unique name: nobody else tells of clicks
	name  string
	does  map[string]action // by the keys of its buttons
}

func newNotifications(t *assets.Texts, click func(action)) *notifications {
	return &notifications{texts: t, click: click, shown: map[uint32]shownNote{}}
}

func (n *notifications) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bus != nil {
		_ = n.bus.Close()
		n.bus = nil
	}
}

func (n *notifications) notify(ctx context.Context, what note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, notifyTime)
	defer cancel()
	if n.bus == nil || !n.bus.Connected() {
		if err := n.connect(ctx); err != nil {
			return fmt.Errorf("reach the desktop's notifications: %w", err)
		}
	}
	body := what.text(n.buttons)
	if n.markup {
		body = html.EscapeString(body)
	}
	actions, does := []string{}, map[string]action{}
	if n.buttons {
		actions, does = what.actions(n.texts.Say("tray.open"))
	}
	urgency := byte(1)
	if what.Urgent {
		urgency = 2
	}
	expires := int32(-1) // as the desktop likes
	if what.Name != "" {
		expires = 0 // never: it is withdrawn
	}
	hints := map[string]dbus.Variant{"urgency": dbus.MakeVariant(urgency), "desktop-entry": dbus.MakeVariant("drawbridge")}
	var id uint32
	err := n.bus.Object(notifyName, notifyPath).CallWithContext(ctx, notifyName+".Notify", 0,
		"Drawbridge", uint32(0), "", what.Title, body, actions, hints, expires).Store(&id)
	if err != nil {
		return fmt.Errorf("show a notification: %w", err)
	}
	if len(does) > 0 || what.Name != "" {
		return n.remember(ctx, id, shownNote{name: what.Name, does: does})
	}
	return nil
}

// actions is the note's buttons as the specification has them, key and label in
// turn, and what each key does. "default" is a click on the note itself.
func (n note) actions(open string) (list []string, does map[string]action) {
	does = map[string]action{}
	add := func(key, label string, a action) {
		list, does[key] = append(list, key, label), a
	}
	if n.Page != "" {
		add("default", open, action{kind: openConsole, page: n.Page})
	}
	for _, b := range n.Buttons {
		add(strings.ToLower(b.Label), b.Label, b.Does)
	}
	return list, does
}

// remember needs n.mu.
func (n *notifications) remember(ctx context.Context, id uint32, s shownNote) error {
	if err := n.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, notifyName).Store(&s.owner); err != nil {
		return fmt.Errorf("ask who shows notifications: %w", err)
	}
	n.shown[id] = s
	if len(n.shown) > maxShown {
		delete(n.shown, slices.Min(slices.Collect(maps.Keys(n.shown)))) // the oldest
	}
	return nil
}

// withdraw closes the note of this name. Its buttons do nothing from then on.
func (n *notifications) withdraw(ctx context.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, s := range n.shown {
		if s.name == name {
			delete(n.shown, id)
			return n.hide(ctx, id)
		}
	}
	return nil
}

// hide needs n.mu.
func (n *notifications) hide(ctx context.Context, id uint32) error {
	if n.bus == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTime)
	defer cancel()
	if err := n.bus.Object(notifyName, notifyPath).CallWithContext(ctx, notifyName+".CloseNotification", 0, id).Err; err != nil {
		return fmt.Errorf("close a notification: %w", err)
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
		switch {
		case s.Name == notifyName+".ActionInvoked" && dbus.Store(s.Body, &id, &key) == nil:
		case s.Name == notifyName+".NotificationClosed" && len(s.Body) > 0 && dbus.Store(s.Body[:1], &id) == nil:
		default:
			continue
		}
		if does, ok := n.take(s.Sender, id, key); ok {
			n.click(does)
		}
	}
}

// take forgets a note that is gone, or whose button was pressed, and returns what
// that does. key is "" for a note that is gone.
func (n *notifications) take(sender string, id uint32, key string) (does action, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.shown[id]
	if does, ok = s.does[key]; s.owner != sender || !ok && key != "" {
		return action{}, false
	}
	delete(n.shown, id)
	if ok {
		_ = n.hide(context.Background(), id) // not every desktop does
	}
	return does, ok
}
