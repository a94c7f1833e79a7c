package assets

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// Connection is what a client needs to be connected to an MCP URL: a command
// for a terminal, an address to open, or neither where the URL is pasted.
// "" is none.
type Connection struct {
	Client        string // as people call it
	Command, Open func(mcpURL string) string
}

// Connections are the clients that people use, most used first.
var Connections = []Connection{
	{"Claude", none, always("https://claude.ai/settings/connectors")},
	{"Claude Code", command("claude mcp add --scope user --transport http drawbridge "), none},
	{"Codex", command("codex mcp add drawbridge --url "), none},
	{"ChatGPT", none, always("https://chatgpt.com/#settings/Connectors")},
	{"Copilot CLI", command("copilot mcp add --transport http drawbridge "), none},
	{"Cursor", none, cursorLink},
	{"VS Code", none, vsCodeLink},
	{"Gemini CLI", command("gemini mcp add --scope user --transport http drawbridge "), none},
	{"opencode", command("opencode mcp add drawbridge --url "), none},
	{"LM Studio", none, lmStudioLink},
	{"MCP Inspector", always("npx @modelcontextprotocol/inspector"), none},
	{"mcp-remote", command("npx mcp-remote "), none},
}

// ConnectionOf is what the client of that name needs.
func ConnectionOf(client string) Connection {
	for _, c := range Connections {
		if c.Client == client {
			return c
		}
	}
	return Connection{client, none, none}
}

func none(string) string { return "" }

func always(s string) func(string) string { return func(string) string { return s } }

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
	return "cursor://anysphere.cursor-deeplink/mcp/install?" + install(mcpURL)
}

func lmStudioLink(mcpURL string) string { return "lmstudio://add_mcp?" + install(mcpURL) }

// install is the query that Cursor and LM Studio read.
func install(mcpURL string) string {
	config, _ := json.Marshal(map[string]string{"url": mcpURL})
	return url.Values{"name": {"drawbridge"}, "config": {base64.StdEncoding.EncodeToString(config)}}.Encode()
}

func vsCodeLink(mcpURL string) string {
	config, _ := json.Marshal(map[string]string{"name": "drawbridge", "type": "http", "url": mcpURL})
	return "vscode:mcp/install?" + url.PathEscape(string(config))
}
