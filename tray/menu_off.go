//go:build darwin && !cgo

package tray

import (
	"context"
	"errors"

	"github.com/drawbridge-app/drawbridge/assets"
)

// Available says that this build has no tray: on macOS it needs cgo.
func Available() error {
	return errors.New("this build has no tray icon (build it on a Mac with CGO_ENABLED=1 go build)")
}

func show(context.Context, Backend, Options, func()) {}

type notifications struct{}

func newNotifications(*assets.Texts, func(action)) *notifications { return nil }
func (*notifications) close()                                     {}
func (*notifications) notify(context.Context, note) error         { return nil }
func (*notifications) withdraw(context.Context, string) error     { return nil }
