package keystore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// The Secret Service API: specifications.freedesktop.org/secret-service.
const (
	secretsName       = "org.freedesktop.secrets"
	secretsPath       = dbus.ObjectPath("/org/freedesktop/secrets")
	secretsService    = "org.freedesktop.Secret.Service"
	secretsCollection = "org.freedesktop.Secret.Collection"
	loginCollection   = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	noObject          = dbus.ObjectPath("/")
)

// preflight sees to what go-keyring handles badly, on a connection of its
// own, and returns nil if go-keyring may go on: without a bus it would launch
// one; without a keyring, and for one that is locked, it says the same vague
// sentence; and it waits without end for a window that may never come.
func preflight(ctx context.Context) *reply {
	refuse := func(r reply) *reply { return &r }
	bus, err := dbus.SessionBusPrivateNoAutoStartup()
	if err != nil {
		return refuse(unavailable("no session bus"))
	}
	defer bus.Close()
	if bus.Auth(nil) != nil || bus.Hello() != nil {
		return refuse(unavailable("the session bus refuses the connection"))
	}
	service := bus.Object(secretsName, secretsPath)
	collections, err := service.GetProperty(secretsService + ".Collections")
	if err != nil {
		return refuse(classify(err))
	}
	path := loginCollection
	if all, _ := collections.Value().([]dbus.ObjectPath); !slices.Contains(all, path) {
		// No "login": go-keyring takes the default.
		if err := service.Call(secretsService+".ReadAlias", 0, "default").Store(&path); err != nil {
			return refuse(classify(err))
		}
	}
	if path == noObject {
		// Not "not found": some services show no keyring while it is closed,
		// and whoever hears "not found" makes a new data key.
		return refuse(unavailable(`the secret service shows no keyring: open it, or create one named "Login" in its settings`))
	}
	locked, err := bus.Object(secretsName, path).GetProperty(secretsCollection + ".Locked")
	if err != nil {
		return refuse(classify(err))
	}
	if locked.Value() != true {
		return nil
	}
	return unlock(ctx, bus, path)
}

// classify sorts the errors of go-keyring, which have no types, and of D-Bus.
func classify(err error) reply {
	var e dbus.Error
	if errors.As(err, &e) {
		switch e.Name {
		case "org.freedesktop.Secret.Error.IsLocked":
			return reply{Class: classLocked}
		case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
			return unavailable("no secret service on the session bus: install and start one, such as gnome-keyring")
		}
		return unavailable(e.Name) // its words could quote what was sent
	}
	// Says that the person closed the window without unlocking.
	if strings.HasPrefix(err.Error(), "failed to unlock correct collection") {
		return reply{Class: classLocked, Detail: "it was not unlocked"}
	}
	return unavailable(err.Error())
}
