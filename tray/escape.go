package tray

import "strings"

// escape keeps a panel of this system from reading a row's text: "_" on Linux
// and "&" on Windows mark the key that chooses the row, and a tab on Windows
// parts off a shortcut.
func escape(s, system string) string {
	switch system {
	case "darwin":
		return s
	case "windows":
		return strings.NewReplacer("&", "&&", "\t", " ").Replace(s)
	}
	return strings.ReplaceAll(s, "_", "__")
}
