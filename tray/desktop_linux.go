package tray

import (
	"context"
	"errors"
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
