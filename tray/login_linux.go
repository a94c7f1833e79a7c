package tray

import (
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
)

// loginFile is where the Desktop Application Autostart Specification has it.
func loginFile() string { return filepath.Join(xdg.ConfigHome, "autostart", "drawbridge.desktop") }

// loginEntry is the file that starts command (Desktop Entry Specification
// 1.5).
func loginEntry(command []string) string {
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
