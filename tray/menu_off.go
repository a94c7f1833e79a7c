//go:build darwin && !cgo

package tray

import (
	"context"
	"errors"
)

// Available says that this build has no tray: on macOS it needs cgo.
func Available() error {
	return errors.New("this build has no tray icon (build it on a Mac with CGO_ENABLED=1 go build)")
}

func show(context.Context, Backend, Options, func()) {}
