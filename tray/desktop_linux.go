package tray

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"time"

	"github.com/godbus/dbus/v5"
)

// Available returns nil where a tray can be: in a session with a message bus.
// There need not be a panel yet. Else its error says why not.
func Available() error {
	bus, err := sessionBus()
	if err != nil {
		return errors.New("there is no desktop session here (no D-Bus session bus)")
	}
	return bus.Close()
}

// sessionBus returns a connection of its own: the one that libraries share
// mixes up their signals. It never starts a bus.
func sessionBus() (*dbus.Conn, error) {
	bus, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(bus.Auth(nil), bus.Hello()); err != nil {
		_ = bus.Close()
		return nil, err
	}
	return bus, nil
}

// panelName is by what tray icons find a panel.
const panelName = "org.kde.StatusNotifierWatcher"

// awaitPanel says once if nothing here shows tray icons yet. The library
// notices when that changes.
func awaitPanel(_ context.Context, log *slog.Logger) bool {
	bus, err := sessionBus()
	if err != nil {
		return false
	}
	defer bus.Close()
	if !hasPanel(bus) {
		log.Warn("no panel shows tray icons yet: the icon appears when one does (GNOME needs the AppIndicator extension). `drawbridge status` works meanwhile")
	}
	return true
}

// panels tells when a panel has come (true) and when it has gone (false), until
// ctx ends.
func panels(ctx context.Context) <-chan bool {
	bus, err := sessionBus()
	if err != nil {
		return nil
	}
	context.AfterFunc(ctx, func() { _ = bus.Close() })
	signals := make(chan *dbus.Signal, 16)
	bus.Signal(signals)
	err = bus.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, panelName))
	if err != nil {
		return nil
	}
	changes := make(chan bool, 16)
	if hasPanel(bus) {
		changes <- true
	}
	go func() {
		for s := range signals { // until bus is closed
			var name, before, after string
			if dbus.Store(s.Body, &name, &before, &after) != nil || name != panelName {
				continue
			}
			select {
			case changes <- after != "":
			case <-ctx.Done():
			}
		}
	}()
	return changes
}

func hasPanel(bus *dbus.Conn) (yes bool) {
	err := bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, panelName).Store(&yes)
	return err == nil && yes
}

// openAddress runs xdg-open, which becomes the browser itself on some desktops
// and then stays: only what it says in the first seconds counts.
func openAddress(ctx context.Context, address string) error {
	cmd := exec.Command("xdg-open", address) // not ctx: the browser outlives us
	if err := cmd.Start(); err != nil {
		return errors.New("xdg-open is missing: install xdg-utils, or open the address by hand")
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return errors.New("xdg-open found no program for it")
		}
	case <-ctx.Done():
	case <-time.After(3 * time.Second):
	}
	return nil
}

// lightPanel reports whether the person prefers light colours. Panels are dark
// where nothing is said.
func lightPanel() bool {
	bus, err := sessionBus()
	if err != nil {
		return false
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var v dbus.Variant
	err = bus.Object("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop").
		CallWithContext(ctx, "org.freedesktop.portal.Settings.ReadOne", dbus.FlagNoAutoStart, "org.freedesktop.appearance", "color-scheme").Store(&v)
	const preferLight = 2
	return err == nil && v.Value() == uint32(preferLight)
}
