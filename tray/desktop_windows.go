package tray

import (
	"context"
	"errors"
	"log/slog"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	user32         = windows.NewLazySystemDLL("user32.dll")
	findWindowEx   = user32.NewProc("FindWindowExW")
	windowsProcess = user32.NewProc("GetWindowThreadProcessId")
)

// Available returns nil: every session on Windows has a taskbar, sooner or
// later.
func Available() error { return nil }

// awaitPanel waits for the taskbar, which may come after us at login: without
// it the library would never be ready. It returns false if ctx ended.
func awaitPanel(ctx context.Context, log *slog.Logger) bool {
	said := false
	for findWindow("Shell_TrayWnd", 0) == 0 {
		if !said {
			said = true
			log.Warn("there is no taskbar yet: the icon appears when there is one")
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Second):
		}
	}
	return true
}

// findWindow returns the next window of a class after another, or 0.
func findWindow(class string, after uintptr) uintptr {
	name, err := windows.UTF16PtrFromString(class)
	if err != nil {
		return 0
	}
	w, _, _ := findWindowEx.Call(0, after, uintptr(unsafe.Pointer(name)), 0)
	return w
}

func openAddress(_ context.Context, address string) error {
	target, err := windows.UTF16PtrFromString(address)
	if err != nil {
		return errors.New("that is no address")
	}
	verb, _ := windows.UTF16PtrFromString("open")
	if windows.ShellExecute(0, verb, target, nil, nil, windows.SW_SHOWNORMAL) != nil {
		return errors.New("no program opens it")
	}
	return nil
}
