package assets

import (
	"embed"
	"runtime"
)

// The rendered files come from the SVG files beside them: see icons/render.sh.
//
//go:embed icons/rendered
var icons embed.FS

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

func icon(name string) []byte {
	b, err := icons.ReadFile("icons/rendered/" + name)
	if err != nil {
		panic(err) // the file is embedded: this build is broken
	}
	return b
}
