package tray

import (
	"html"
	"strings"
)

// launchAgent is the property list by which macOS starts command at login
// (launchd.plist(5)). It names no StandardErrorPath, which grows without end: what
// is said there stands in drawbridge.log among the data, too.
func launchAgent(command []string) string {
	var args strings.Builder
	for _, a := range command {
		args.WriteString("\n\t\t<string>" + html.EscapeString(a) + "</string>")
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>app.drawbridge</string>
	<key>ProgramArguments</key>
	<array>` + args.String() + `
	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>ProcessType</key>
	<string>Interactive</string>
</dict>
</plist>
`
}
