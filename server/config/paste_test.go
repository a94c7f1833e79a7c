package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// What stands on the pages of servers and programs, as people paste it.
func TestPaste(t *testing.T) {
	t.Setenv("HOME", "/home/ana") // Windows has none
	for _, c := range []struct{ name, text, called, want string }{
		{"an entry with all around it", `{"mcpServers": {"files": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/tmp"]}}}`, "",
			`files {"command": "npx", "args": ["-y","@modelcontextprotocol/server-filesystem","/tmp"]}`},
		{"an entry without its braces, a comma behind it", "\"memory\": {\n  // kept\n  \"command\": \"mcp-server-memory\"\n},", "", `memory {"command": "mcp-server-memory"}`},
		{"a table alone", `{"a": {"url": "https://mcp.example.com/mcp"}}`, "", `a {"type": "http", "url": "https://mcp.example.com/mcp"}`},
		{"a server alone", `{"command": "uvx", "args": ["mcp-server-git"]}`, "", `git {"command": "uvx", "args": ["mcp-server-git"]}`},
		{"a name that is given", `{"command": "uvx", "args": ["mcp-server-git"]}`, "repo", `repo {"command": "uvx", "args": ["mcp-server-git"]}`},
		{"VS Code's form", `{"servers": {"gh": {"type": "http", "url": "https://api.githubcopilot.com/mcp/"}}, "inputs": []}`, "",
			`gh {"type": "http", "url": "https://api.githubcopilot.com/mcp/"}`},
		{"Codex's form", "[mcp_servers.docs]\ncommand = \"npx\"\nargs = [\"-y\", \"docs\"]\n", "", `docs {"command": "npx", "args": ["-y","docs"]}`},
		{"a command line", `npx -y @modelcontextprotocol/server-filesystem@2025.1.1 "/home/ana/My Files" '$HOME'`, "",
			`filesystem {"command": "npx", "args": ["-y","@modelcontextprotocol/server-filesystem@2025.1.1","/home/ana/My Files","$HOME"]}`},
		{"a command line of two lines, as a shell shows it", "$ LEVEL=debug uvx \\\n  mcp-server-fetch", "", `fetch {"command": "uvx", "args": ["mcp-server-fetch"], "env": {"LEVEL":"debug"}}`},
		{"a program in its folder", `node /opt/weather-mcp/dist/index.js`, "", `weather {"command": "node", "args": ["/opt/weather-mcp/dist/index.js"]}`},
		{"a URL", "https://mcp.linear.app/sse", "", `linear {"type": "sse", "url": "https://mcp.linear.app/sse"}`},
		{"claude mcp add", `claude mcp add github -s user -e GITHUB_TOKEN=<YOUR_TOKEN> -- npx -y @modelcontextprotocol/server-github`, "",
			`github {"command": "npx", "args": ["-y","@modelcontextprotocol/server-github"], "env": {"GITHUB_TOKEN":"${keychain:GITHUB_TOKEN}"}}`},
		{"claude mcp add with a URL", `claude mcp add --transport http sentry https://mcp.sentry.dev/mcp --header "Authorization: Bearer YOUR_KEY"`, "",
			`sentry {"type": "http", "url": "https://mcp.sentry.dev/mcp", "headers": {"Authorization":"Bearer ${keychain:TOKEN}"}}`},
		{"a secret in clear", `{"gh": {"command": "gh-mcp", "env": {"GITHUB_TOKEN": "ghp_0123456789abcdef"}}}`, "", `gh {"command": "gh-mcp", "env": {"GITHUB_TOKEN":"${keychain:GITHUB_TOKEN}"}}`},
		{"gaps for secrets", `{"x": {"command": "x", "env": {"API_KEY": "", "X_TOKEN": "your-token-here", "MODE": ""}}}`, "",
			`x {"command": "x", "env": {"API_KEY":"${keychain:API_KEY}","MODE":"","X_TOKEN":"${keychain:X_TOKEN}"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mcp.json")
			plan, err := config.Importer{Path: path}.Paste(c.text, c.called)
			if err != nil {
				t.Fatal(err)
			}
			stored := ""
			if err := plan.Save(func(server, name, secret string) error { stored += server + "/" + name + "=" + secret; return nil }); err != nil {
				t.Fatal(err)
			}
			servers, err := config.LoadServers(path)
			if err != nil || len(servers) != 1 {
				t.Fatalf("%v %v", servers, err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, entry, _ := strings.Cut(c.want, " ")
			if got, want := compact(t, text), compact(t, []byte(`{"mcpServers": {"`+name+`": `+entry+`}}`)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if want := map[bool]string{true: "gh/GITHUB_TOKEN=ghp_0123456789abcdef"}[strings.Contains(c.text, "ghp_")]; stored != want {
				t.Errorf("stored %q, want %q", stored, want)
			}
		})
	}
}

func compact(t *testing.T, text []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is no server is refused with what to do.
func TestPasteRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "paste its JSON entry",
		`{"a": 1}`:                 "must be an object",
		"{\n\"a\": {command: 1}}":  "in line 2",
		`npx "unclosed`:            "close it",
		"cd /tmp && npm start":     "into a script",
		`{"x": {"args": ["a"]}}`:   "neither",
		"https://user:pw@host/mcp": "user or password",
		"npx -y mcp-remote https://drawbridge.example/mcp": "Drawbridge itself",
	} {
		plan, err := config.Importer{Path: filepath.Join(t.TempDir(), "mcp.json"), Own: []string{"https://drawbridge.example"}}.Paste(text, "")
		said := ""
		if err != nil {
			said = err.Error()
		} else if len(plan.Items) == 1 {
			said = plan.Items[0].Why
		}
		if !strings.Contains(said, want) || len(plan.Taken()) != 0 {
			t.Errorf("%q: said %q, want %q", text, said, want)
		}
	}
}
