package assets

import "runtime"

// IconState is what the tray's icon says. Each has a shape of its own, so that
// it is told apart without colour too.
type IconState string

// The states of the icon.
const (
	IconStarting IconState = "starting"
	IconReady    IconState = "ready"
	IconPaused   IconState = "paused"
	IconProvider IconState = "provider" // nobody can sign in
	IconTunnel   IconState = "tunnel"   // nobody can reach Drawbridge
	IconError    IconState = "error"
	IconAsk      IconState = "ask" // a call waits for its owner's word
)

// Icon returns the icon of a state for a panel of this system, light or dark:
// an .ico file on Windows, else a PNG.
func Icon(state IconState) []byte {
	if runtime.GOOS == "windows" {
		return icon(string(state) + ".ico")
	}
	return icon(string(state) + ".png")
}

// TemplateIcon returns the icon of a state in black, for macOS to colour.
func TemplateIcon(state IconState) []byte { return icon(string(state) + "-template.png") }

func icon(name string) []byte { return file("icons/rendered/" + name) }
