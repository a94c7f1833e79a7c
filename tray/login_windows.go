package tray

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// The person's own list of programs started at login.
const (
	runKey   = `Software\Microsoft\Windows\CurrentVersion\Run`
	runValue = "Drawbridge"
)

func loginEnabled() bool {
	k, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if err != nil {
		return false
	}
	defer k.Close()
	_, _, err = k.GetStringValue(runValue)
	return err == nil
}

func enableLogin(command []string) error {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return fmt.Errorf("start Drawbridge at login: %w", err)
	}
	defer k.Close()
	if err := k.SetStringValue(runValue, windows.ComposeCommandLine(command)); err != nil {
		return fmt.Errorf("start Drawbridge at login: %w", err)
	}
	return nil
}

func disableLogin() error {
	k, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err == nil {
		defer k.Close()
		err = k.DeleteValue(runValue)
	}
	if err != nil && !errors.Is(err, registry.ErrNotExist) {
		return fmt.Errorf("not start Drawbridge at login any more: %w", err)
	}
	return nil
}
