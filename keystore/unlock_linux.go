package keystore

import (
	"context"
	"os"

	"github.com/godbus/dbus/v5"
)

const secretsPrompt = "org.freedesktop.Secret.Prompt"

// unlock opens the keyring at path, if need be by the service's own window,
// and returns nil if it is open. One without a password opens by the call alone,
// so that it is called without a display too. go-keyring could do it, but not take the
// window away again: that of GNOME Keyring outlives whoever asked for it.
func unlock(ctx context.Context, bus *dbus.Conn, path dbus.ObjectPath) *reply {
	refuse := func(r reply) *reply { return &r }
	var unlocked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := bus.Object(secretsName, secretsPath).
		CallWithContext(ctx, secretsService+".Unlock", 0, []dbus.ObjectPath{path}).Store(&unlocked, &prompt)
	if err != nil {
		return refuse(classify(err))
	}
	if prompt == noObject {
		return nil
	}
	window := bus.Object(secretsName, prompt)
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		window.Call(secretsPrompt+".Dismiss", 0) // nobody will see it
		return refuse(reply{Class: classLocked, Detail: "there is no display for the keychain's window"})
	}
	signals := make(chan *dbus.Signal, 16)
	bus.Signal(signals)
	if err := bus.AddMatchSignal(dbus.WithMatchObjectPath(prompt), dbus.WithMatchInterface(secretsPrompt)); err != nil {
		return refuse(classify(err))
	}
	// Without ctx: a window that was asked for has to be taken away again.
	if err := window.Call(secretsPrompt+".Prompt", 0, "").Err; err != nil {
		return refuse(classify(err))
	}
	for {
		select {
		case signal, ok := <-signals:
			if !ok {
				return refuse(unavailable("the session bus is gone"))
			}
			var dismissed bool
			var result dbus.Variant
			if signal.Path != prompt || dbus.Store(signal.Body, &dismissed, &result) != nil {
				continue
			}
			if dismissed {
				return refuse(reply{Class: classLocked, Detail: "its window was closed"})
			}
			return nil
		case <-ctx.Done():
			// Waits for the answer, or the connection would close before the
			// message is out; whoever ended ctx ends this process soon.
			window.Call(secretsPrompt+".Dismiss", 0)
			return refuse(reply{Class: classLocked, Detail: "nobody answered its window"})
		}
	}
}
