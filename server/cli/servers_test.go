package cli

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
)

// Servers are listed, added and removed by command lines as people type them;
// comments stay.
func TestServers(t *testing.T) {
	h := newHome(t)
	const before = "{\n  // mine\n  \"mcpServers\": {\n    \"files\": {\"command\": \"x\"}\n  }\n}\n"
	h.write(t, "config/mcp.json", before)
	h.write(t, "config/config.toml", "# ours\n[server.gh]\nask = [\"*\"]\n\n[server.files]\nshared = true\n")
	type want struct {
		line, says string
		code       int // of the error: 1 or 2
	}
	for _, c := range []want{
		{"list", "files  off  0 tools", 0},
		{"add memory -- npx -y @modelcontextprotocol/server-memory", "taken     memory", 0},
		{"add gh --env GITHUB_TOKEN=<YOUR_TOKEN> npx -y gh-mcp --read-only", "Run `drawbridge secret set gh/GITHUB_TOKEN` before you use it.", 0},
		{"add far https://mcp.example.com/mcp", "taken     far", 0},
		{"add far https://mcp.example.com/mcp --data x", "flags stand before the name: `drawbridge server add FLAGS far https://mcp.example.com/mcp`", 2},
		{"add far --env A=B https://mcp.example.com/mcp", "takes no arguments and no --env", 2},
		{"add bad --env NOPE npx", "write NAME=VALUE", 2},
		{"add bad https://user:pw@mcp.example.com/mcp", "left out  bad", 1},
		{"remove nothing", "there is no server nothing", 1},
		{"remove far", "Removed far.", 0},
		{"remove gh", "Removed gh.", 0},
		{"list", "memory  off", 0},
	} {
		if c.line == "remove gh" {
			if err := h.secrets.Set(t.Context(), "server/gh/GITHUB_TOKEN", keystore.NewSecret("s")); err != nil {
				t.Fatal(err)
			}
		}
		var cmds commands
		parser, err := kong.New(&cmds, kong.Name("drawbridge"), kong.Vars{"version": "1"})
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := parser.Parse(append([]string{"server"}, strings.Fields(c.line)...))
		if err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		err = chosen.Run(&h.app)
		said, code := h.printed.take(), 0
		if err != nil {
			said, code = said+err.Error(), 1
		}
		if wrong := (usageError{}); errors.As(err, &wrong) {
			code = 2
		}
		if !strings.Contains(said, c.says) || code != c.code {
			t.Errorf("%s: exit %d, said %q, want %d and %q", c.line, code, said, c.code, c.says)
		}
	}
	if _, err := h.secrets.Get(t.Context(), "server/gh/GITHUB_TOKEN"); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("the removed server's secret: %v", err)
	}
	servers, err := config.LoadServers(h.mcpJSON())
	if err != nil || len(servers) != 2 || servers[1].Command != "npx" || strings.Join(servers[1].Args, " ") != "-y @modelcontextprotocol/server-memory" {
		t.Errorf("servers %+v, %v", servers, err)
	}
	for path, want := range map[string]string{h.mcpJSON(): "  // mine\n  \"mcpServers\": {\n    \"files\": {\"command\": \"x\"},\n", h.config: "# ours\n\n[server.files]\nshared = true\n"} {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s holds\n%s", path, text)
		}
	}
}
