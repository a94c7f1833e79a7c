package tray

import (
	"path/filepath"

	"github.com/adrg/xdg"
)

// loginFile is a launch agent of the person: launchd reads it at login.
func loginFile() string {
	return filepath.Join(xdg.Home, "Library", "LaunchAgents", "app.drawbridge.plist")
}

func loginEntry(command []string) string { return launchAgent(command) }
