package console

import (
	"html/template"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
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
	paste  bool
	names  []string // parts of the name, in lower case
	not    string   // a part that means another client
	goesTo []string // beginnings of redirect URIs
}

var knownClients = []known{
	{card: card{ID: "claude", Name: "Claude"}, paste: true,
		names: []string{"claude"}, not: "code", goesTo: []string{"https://claude.ai/", "https://claude.com/"}},
	{card: card{ID: "claudecode", Name: "Claude Code"},
		names: []string{"claude code", "claude-code"}},
	{card: card{ID: "chatgpt", Name: "ChatGPT"}, paste: true,
		names: []string{"chatgpt", "openai"}, goesTo: []string{"https://chatgpt.com/"}},
	{card: card{ID: "cursor", Name: "Cursor"},
		names: []string{"cursor"}, goesTo: []string{"cursor://", "https://www.cursor.com/"}},
	{card: card{ID: "vscode", Name: "VS Code"},
		names: []string{"visual studio code", "vs code", "vscode"}, goesTo: []string{"https://vscode.dev/", "https://insiders.vscode.dev/"}},
	{card: card{ID: "gemini", Name: "Gemini CLI"},
		names: []string{"gemini"}},
	{card: card{ID: "inspector", Name: "MCP Inspector"}, paste: true,
		names: []string{"inspector"}, goesTo: []string{"http://localhost:6274/"}},
	{card: card{ID: "other", Name: "mcp-remote"}, paste: true,
		names: []string{"mcp-remote", "mcp cli proxy"}},
}

func cards(mcpURL string, clients []status.Client) []card {
	if mcpURL == "" {
		return nil
	}
	var list []card
	for _, k := range knownClients {
		how := assets.ConnectionOf(k.Name)
		k.Command = how.Command(mcpURL)
		k.Link = template.URL(how.Open(mcpURL)) // a scheme of our own choice, the URL encoded
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
