//go:build cgo

package tray

import (
	"context"
	"log/slog"
)

// Available returns nil: every session on macOS has a menu bar.
func Available() error { return nil }

func awaitPanel(context.Context, *slog.Logger) bool { return true }
