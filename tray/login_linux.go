package tray

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
)

// loginFile is where the Desktop Application Autostart Specification has it.
func loginFile() string { return filepath.Join(xdg.ConfigHome, "autostart", "drawbridge.desktop") }

func loginEnabled() bool {
	data, err := os.ReadFile(loginFile())
	return err == nil && !strings.Contains(string(data), "\nHidden=true")
}

func enableLogin(command []string) error {
	if err := os.MkdirAll(filepath.Dir(loginFile()), 0o700); err != nil {
		return fmt.Errorf("make the folder for programs started at login: %w", err)
	}
	if err := os.WriteFile(loginFile(), []byte(desktopEntry(command)), 0o600); err != nil {
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

// desktopEntry is the file that starts command (Desktop Entry Specification
// 1.5).
func desktopEntry(command []string) string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = execWord(w)
	}
	return "[Desktop Entry]\nType=Application\nName=Drawbridge\n" +
		"Comment=Lets your AI client use the tools on this computer\n" +
		"Exec=" + strings.Join(words, " ") + "\nTerminal=false\nStartupNotify=false\nX-GNOME-Autostart-enabled=true\n"
}

// execWord quotes an argument of Exec: in quotes with backslashes, percent
// signs doubled, and the backslashes doubled again as in every string of such
// a file.
func execWord(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`, `%`, `%%`).Replace(s)
	return `"` + strings.ReplaceAll(s, `\`, `\\`) + `"`
}
