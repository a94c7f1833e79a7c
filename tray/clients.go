package tray

import "github.com/drawbridge-app/drawbridge/assets"

// connection is a client of the menu "Connect a client", and what to do next
// once its command or the MCP URL is copied, or its address opened.
type connection struct {
	assets.Connection
	paste bool // the MCP URL is copied
	Then  string
}

// connections are those clients, in the menu's order.
var connections = []connection{
	{assets.ConnectionOf("Claude"), true, "The MCP URL is copied. Choose “Add custom connector” and paste it."},
	{assets.ConnectionOf("Claude Code"), false, "The command is copied. Paste it into a terminal, then type /mcp in Claude Code to sign in."},
	{assets.ConnectionOf("ChatGPT"), true, "The MCP URL is copied. Create a connector there and paste it."},
	{assets.ConnectionOf("Cursor"), false, "Cursor asks whether to install the server."},
	{assets.ConnectionOf("VS Code"), false, "VS Code asks whether to install the server."},
	{assets.ConnectionOf("Gemini CLI"), false, "The command is copied. Paste it into a terminal, then type /mcp auth drawbridge in Gemini to sign in."},
}

// text is what to copy; "" if nothing is.
func (c connection) text(mcpURL string) string {
	if c.paste {
		return mcpURL
	}
	return c.Command(mcpURL)
}
