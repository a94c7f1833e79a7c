package tray

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/atotto/clipboard"

	"github.com/drawbridge-app/drawbridge/assets"
)

// system is the desktop that this process runs on.
type system struct {
	*notifications
	options Options
}

// newDesktop returns the desktop; click is told when a button of a
// notification is pressed.
func newDesktop(o Options, t *assets.Texts, click func(action)) *system {
	return &system{newNotifications(t, click), o}
}

// copyText puts text on the clipboard.
func (s *system) copyText(text string) error {
	if clipboard.Unsupported {
		return errors.New("install xclip, xsel or wl-clipboard, or copy it from the menu by hand")
	}
	if err := clipboard.WriteAll(text); err != nil {
		return fmt.Errorf("the clipboard did not take it: %w", err)
	}
	return nil
}

func (s *system) open(ctx context.Context, address string) error { return Open(ctx, address) }

// Open hands a web address, a link to an editor, or the full path of a file to
// the program that opens such files here. It does not wait for that program.
func Open(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	switch {
	case filepath.IsAbs(address):
	case err != nil:
		return errors.New("that is no address")
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "cursor" && u.Scheme != "vscode":
		return fmt.Errorf("addresses of kind %q are not opened", u.Scheme)
	}
	return openAddress(ctx, address)
}

func (s *system) loginEnabled() bool { return loginEnabled() }

// setLogin has this program be started at login, with the arguments that lead
// to the same configuration and data.
func (s *system) setLogin(enabled bool) error {
	if !enabled {
		return disableLogin()
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	// On Windows a console program opens a console; the one beside it does not.
	if runtime.GOOS == "windows" {
		quiet := strings.TrimSuffix(self, ".exe") + "w.exe"
		if _, err := os.Stat(quiet); err == nil {
			self = quiet
		}
	}
	return enableLogin(append([]string{self}, s.options.Arguments...))
}
