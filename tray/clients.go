package tray

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// connection is what one client needs to be connected: a text to paste, an
// address to open, or both.
type connection struct {
	Client     string
	Copy, Open func(mcpURL string) string
	Then       string // what to do next, once it is copied or opened
}

// connections are the clients of the menu "Connect a client", in its order.
var connections = []connection{
	{"Claude", same, always("https://claude.ai/settings/connectors"), "The MCP URL is copied. Choose “Add custom connector” and paste it."},
	{"Claude Code", command("claude mcp add --transport http drawbridge "), nil, "The command is copied. Paste it into a terminal, then type /mcp in Claude Code to sign in."},
	{"ChatGPT", same, always("https://chatgpt.com/#settings/Connectors"), "The MCP URL is copied. Create a connector there and paste it."},
	{"Cursor", nil, cursorLink, "Cursor asks whether to install the server."},
	{"VS Code", nil, vsCodeLink, "VS Code asks whether to install the server."},
	{"Gemini CLI", command("gemini mcp add --transport http drawbridge "), nil, "The command is copied. Paste it into a terminal, then type /mcp auth drawbridge in Gemini to sign in."},
}

func same(mcpURL string) string { return mcpURL }

func always(address string) func(string) string { return func(string) string { return address } }

// command is a command line that ends in the URL.
func command(start string) func(string) string {
	return func(mcpURL string) string { return start + shellWord(mcpURL) }
}

// shellWord quotes s for a POSIX shell if it holds what one would read.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._-[]") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func cursorLink(mcpURL string) string {
	config, _ := json.Marshal(map[string]string{"url": mcpURL})
	q := url.Values{"name": {"drawbridge"}, "config": {base64.StdEncoding.EncodeToString(config)}}
	return "cursor://anysphere.cursor-deeplink/mcp/install?" + q.Encode()
}

func vsCodeLink(mcpURL string) string {
	config, _ := json.Marshal(map[string]string{"name": "drawbridge", "type": "http", "url": mcpURL})
	return "vscode:mcp/install?" + url.PathEscape(string(config))
}
