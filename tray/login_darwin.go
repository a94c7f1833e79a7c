package tray

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// loginFile is a launch agent of the person: launchd reads it at login.
func loginFile() (string, error) {
	home, err := os.UserHomeDir()
	return filepath.Join(home, "Library", "LaunchAgents", "app.drawbridge.plist"), err
}

func loginEnabled() bool {
	file, err := loginFile()
	if err == nil {
		_, err = os.Stat(file)
	}
	return err == nil
}

func enableLogin(command []string) error {
	file, err := loginFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make the folder for programs started at login: %w", err)
	}
	if err := os.WriteFile(file, []byte(launchAgent(command)), 0o600); err != nil {
		return fmt.Errorf("start Drawbridge at login: %w", err)
	}
	return nil
}

func disableLogin() error {
	file, err := loginFile()
	if err == nil {
		err = os.Remove(file)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("not start Drawbridge at login any more: %w", err)
	}
	return nil
}
