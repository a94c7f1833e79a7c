//go:build !windows

package tray

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// At login a desktop, or launchd, starts what it finds in a folder of the
// person's: loginFile, which holds loginEntry.

func loginEnabled() bool {
	data, err := os.ReadFile(loginFile())
	return err == nil && !strings.Contains(string(data), "\nHidden=true")
}

func enableLogin(command []string) error {
	if err := os.MkdirAll(filepath.Dir(loginFile()), 0o700); err != nil {
		return fmt.Errorf("make the folder for programs started at login: %w", err)
	}
	if err := os.WriteFile(loginFile(), []byte(loginEntry(command)), 0o600); err != nil {
		return fmt.Errorf("start Drawbridge at login: %w", err)
	}
	return nil
}

func disableLogin() error {
	if err := os.Remove(loginFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("not start Drawbridge at login any more: %w", err)
	}
	return nil
}
