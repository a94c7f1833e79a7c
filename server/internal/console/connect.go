package console

import (
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// card tells how one client is connected.
type card struct {
	ID      string       // of its texts: "connect.ID"
	Name    string       // as people call it
	Command string       // to paste into a terminal; "" if there is none
	Link    template.URL // that opens the client, or its page
	Paste   bool         // the client asks for the MCP URL
	Unheard bool         // the client is on the internet, and the MCP URL on this computer
	Seen    string       // "seen" while it has a session, "was" if somebody signed in with it before, or ""
}

// known is a client and the signs by which it is recognised: what it calls
// itself, and where its answers go. Both are its own words: they turn a card
// green, no more.
type known struct {
	id, name string
	paste    bool
	cloud    bool     // it calls from the internet
	names    []string // parts of the name, in lower case
	not      string   // a part that means another client
	goesTo   []string // beginnings of redirect URIs
}

var knownClients = []known{
	{id: "claude", name: "Claude", paste: true, cloud: true, names: []string{"claude"}, not: "code", goesTo: []string{"https://claude.ai/", "https://claude.com/"}},
	{id: "claudecode", name: "Claude Code", names: []string{"claude code", "claude-code"}},
	{id: "codex", name: "Codex", names: []string{"codex"}},
	{id: "chatgpt", name: "ChatGPT", paste: true, cloud: true, names: []string{"chatgpt", "openai"}, not: "codex", goesTo: []string{"https://chatgpt.com/"}},
	{id: "copilot", name: "Copilot CLI", names: []string{"copilot"}},
	{id: "cursor", name: "Cursor", names: []string{"cursor"}, goesTo: []string{"cursor://", "https://www.cursor.com/"}},
	{id: "vscode", name: "VS Code", names: []string{"visual studio code", "vs code", "vscode"}, goesTo: []string{"https://vscode.dev/", "https://insiders.vscode.dev/"}},
	{id: "gemini", name: "Gemini CLI", names: []string{"gemini"}},
	{id: "opencode", name: "opencode", names: []string{"opencode"}},
	{id: "lmstudio", name: "LM Studio", names: []string{"lm studio", "lmstudio", "lm-studio"}},
	{id: "inspector", name: "MCP Inspector", paste: true, names: []string{"inspector"}, goesTo: []string{"http://localhost:6274/"}},
	{id: "other", name: "mcp-remote", paste: true, names: []string{"mcp-remote", "mcp cli proxy"}},
}

func cards(mcpURL string, clients []status.Client) []card {
	if mcpURL == "" {
		return nil
	}
	u, err := url.Parse(mcpURL)
	local := err == nil && hostname.Loopback(u.Hostname())
	var list []card
	for _, k := range knownClients {
		how := assets.ConnectionOf(k.name)
		c := card{ID: k.id, Name: k.name, Paste: k.paste, Unheard: k.cloud && local, Command: how.Command(mcpURL),
			Link: template.URL(how.Open(mcpURL))} // a scheme of our own choice, the URL encoded
		for _, client := range clients {
			if k.is(client) {
				if c.Seen = "was"; client.Sessions > 0 {
					c.Seen = "seen"
					break
				}
			}
		}
		list = append(list, c)
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
