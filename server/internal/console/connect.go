package console

import (
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// card tells how one client is connected.
type card struct {
	ID      string       // of its texts: "connect.ID"
	Name    string       // as people call it
	Command string       // to paste into a terminal; "" if there is none
	Link    template.URL // that opens the client, or its page
	Paste   bool         // the client asks for the MCP URL
	Seen    bool         // somebody signed in with it
}

// known is a client and the signs by which it is recognised: what it calls
// itself, and where its answers go. Both are its own words: they turn a card
// green, no more.
type known struct {
	card
	command func(mcpURL string) string
	link    func(mcpURL string) string
	paste   bool
	names   []string // parts of the name, in lower case
	not     string   // a part that means another client
	goesTo  []string // beginnings of redirect URIs
}

var knownClients = []known{
	{card: card{ID: "claude", Name: "Claude"}, paste: true, link: always("https://claude.ai/settings/connectors"),
		names: []string{"claude"}, not: "code", goesTo: []string{"https://claude.ai/", "https://claude.com/"}},
	{card: card{ID: "claudecode", Name: "Claude Code"}, command: command("claude mcp add --transport http drawbridge "),
		names: []string{"claude code", "claude-code"}},
	{card: card{ID: "chatgpt", Name: "ChatGPT"}, paste: true, link: always("https://chatgpt.com/#settings/Connectors"),
		names: []string{"chatgpt", "openai"}, goesTo: []string{"https://chatgpt.com/"}},
	{card: card{ID: "cursor", Name: "Cursor"}, link: cursorLink,
		names: []string{"cursor"}, goesTo: []string{"cursor://", "https://www.cursor.com/"}},
	{card: card{ID: "vscode", Name: "VS Code"}, link: vsCodeLink,
		names: []string{"visual studio code", "vs code", "vscode"}, goesTo: []string{"https://vscode.dev/", "https://insiders.vscode.dev/"}},
	{card: card{ID: "gemini", Name: "Gemini CLI"}, command: command("gemini mcp add --transport http drawbridge "),
		names: []string{"gemini"}},
	{card: card{ID: "inspector", Name: "MCP Inspector"}, command: always("npx @modelcontextprotocol/inspector"), paste: true,
		names: []string{"inspector"}, goesTo: []string{"http://localhost:6274/"}},
	{card: card{ID: "other", Name: "mcp-remote"}, command: command("npx mcp-remote "), paste: true,
		names: []string{"mcp-remote", "mcp cli proxy"}},
}

func cards(mcpURL string, clients []status.Client) []card {
	if mcpURL == "" {
		return nil
	}
	var list []card
	for _, k := range knownClients {
		if k.command != nil {
			k.Command = k.command(mcpURL)
		}
		if k.link != nil {
			k.Link = template.URL(k.link(mcpURL)) // a scheme of our own choice, the URL encoded
		}
		k.Paste = k.paste
		k.Seen = slices.ContainsFunc(clients, k.is)
		list = append(list, k.card)
	}
	return list
}

func (k known) is(c status.Client) bool {
	name := strings.ToLower(c.Name)
	part := func(s string) bool { return strings.Contains(name, s) }
	if k.not != "" && part(k.not) {
		return false
	}
	return slices.ContainsFunc(k.names, part) || slices.ContainsFunc(k.goesTo, func(start string) bool {
		return slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return strings.HasPrefix(uri, start) })
	})
}

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
	config, _ := json.Marshal(map[string]string{"url": mcpURL})
	q := url.Values{"name": {"drawbridge"}, "config": {base64.StdEncoding.EncodeToString(config)}}
	return "cursor://anysphere.cursor-deeplink/mcp/install?" + q.Encode()
}

func vsCodeLink(mcpURL string) string {
	config, _ := json.Marshal(map[string]string{"name": "drawbridge", "type": "http", "url": mcpURL})
	return "vscode:mcp/install?" + url.PathEscape(string(config))
}
