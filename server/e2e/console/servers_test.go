package console

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The files as somebody keeps them who likes comments.
const (
	handMadeConfig = `# the one on the desk
listen = "127.0.0.1:0"

[idp]
issuer    = %q
client_id = "drawbridge-demo"

[access]
anyone = true   # they have an account, that will do

[server.files]   # read-only would do
ask = ["write_*"]
`
	handMadeServers = `{
  // what the assistant may read
  "mcpServers": {
    "files": {
      "command": %q, /* Node of its own */
      "args": [%q, %q]
    }
  },
  "theme": "dark" // of another program
}
`
)

// A server is added by paste, its secret is stored, one of its tools is switched
// off and another tried, a second server is edited and removed: with the keyboard,
// in Chromium, and without touching a file. Comments and order outlive it.
func TestServersFromTheConsole(t *testing.T) {
	provider := rig.StartDemoProvider(t)
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	script := func(name string) string {
		path, err := filepath.Abs("node_modules/@modelcontextprotocol/server-" + name + "/dist/index.js")
		if _, gone := os.Stat(path); err != nil || gone != nil {
			rig.Missing(t, path)
		}
		return path
	}
	write := func(name, text string) {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := rig.NeedNode(t)
	config := fmt.Sprintf(handMadeConfig, provider.Issuer)
	servers := fmt.Sprintf(handMadeServers, node, script("filesystem"), folder)
	write("config.toml", config)
	write("mcp.json", servers)
	secrets := keystore.Memory()
	app, _, tokens := rig.StartSignedIn(t, rig.AppOptions{Issuer: provider.Issuer, ConfigFile: file("config.toml"), Keystore: secrets})
	app.WaitForServers(t)
	c := rig.ReadControlFile(t, app)
	client := app.MCP(t, tokens.Access)

	pasted := fmt.Sprintf(`"everything": { "command": %q, "args": [%q], "env": { "NOTES_TOKEN": "<YOUR_TOKEN>" } },`, node, script("everything"))
	read := use(t, rig.StartConsoleBrowser(t), c.URL+"/#key="+c.Key, "en-GB",
		step{"key", "#nav-servers"}, step{"wait", "Your servers"}, step{"key", "a[href='/servers?add=1']"},
		step{"type", "#add-text", pasted}, step{"key", "#add button"}, step{"wait", "everything is added, and starts now."},
		step{"wait", "NOTES_TOKEN is kept in the system keychain"}, step{"type", "[id^=value-]", "s3cret-of-notes"}, step{"key", "[id^=secret-] button"},
		step{"wait", "NOTES_TOKEN is stored in the keychain."}, step{"wait", "get-env"},
		step{"eval", "location.pathname + location.search"},
		step{"key", "[aria-label='Offer echo to clients']"}, step{"wait", "Off"},
		step{"eval", "document.activeElement.getAttribute('aria-label') + ' ' + document.activeElement.getAttribute('aria-checked')"},
		step{"key", "a[href$='tool=get-env']"}, step{"wait", "Try it"}, step{"key", "#try button"}, step{"wait", "Answered in"}, step{"read", ".answer"},
		step{"key", "a[href='/servers?server=everything']"}, step{"key", "a[href$='tool=get-sum']"}, step{"type", "[name='arg.a']", "2"}, step{"type", "[name='arg.b']", "40"},
		step{"key", "#try button"}, step{"wait", "The sum of 2 and 40 is 42."},
		step{"key", "#nav-servers"}, step{"key", "#open-files"}, step{"key", "a[href$='tool=read_text_file']"}, step{"type", "[name='arg.path']", "/nowhere/at/all"},
		step{"key", "#try button"}, step{"wait", "The tool reported an error"}, step{"read", ".answer"},
		step{"key", "#nav-servers"}, step{"key", "#open-drawbridge"}, step{"key", "[aria-label='Offer whoami to clients']"}, step{"wait", "Off"},
		step{"key", "#nav-servers"}, step{"key", "#open-files"}, step{"key", "#edit"}, step{"type", "#e-env", "LEVEL=debug"}, step{"key", "#entry button"}, step{"wait", "files is saved."},
	)
	if t.Failed() {
		t.Log(app.Log)
		return
	}
	if read[0] != "/servers?server=everything" || read[1] != "Offer echo to clients false" {
		t.Errorf("after the switch: %q", read[:2])
	}
	if !strings.Contains(read[2], `"NOTES_TOKEN": "s3cret-of-notes"`) {
		t.Errorf("get-env answered %s", read[2])
	}
	if !strings.Contains(read[3], "Access denied") {
		t.Errorf("outside its folder the file server answered %q", read[3])
	}
	app.WaitForServers(t)
	tools := client.Listing(t, "tools/list")
	if slices.Contains(tools, "whoami") || slices.Contains(tools, "everything__echo") || !slices.Contains(tools, "get-sum") || !slices.Contains(tools, "echo") {
		t.Errorf("the client is offered %q", tools)
	}
	called := slices.IndexFunc(app.Srv.Snapshot().Events, func(e status.Event) bool {
		return e.Tool == "everything/get-sum" && e.User == "owner of this computer" && e.Client == "Drawbridge console" && e.Session == ""
	})
	if called < 0 {
		t.Error("history does not name the owner's call")
	}

	wantConfig := config + "\n[server.everything]\ntools_off = ['echo']\n\n[tools]\nwhoami = false\n"
	lastLine := fmt.Sprintf(`"args": [%q, %q]`+"\n    }", script("filesystem"), folder)
	wantServers := strings.Replace(servers, lastLine, strings.Replace(lastLine, "]\n", "],\n      \"env\": {\n        \"LEVEL\": \"debug\"\n      }\n", 1)+fmt.Sprintf(`,
    "everything": {
      "command": %q,
      "args": [
        %q
      ],
      "env": {
        "NOTES_TOKEN": "${keychain:NOTES_TOKEN}"
      }
    }`, node, script("everything")), 1)
	same := func(name, want string) {
		t.Helper()
		text, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, text, want)
		}
	}
	same("config.toml", wantConfig)
	same("mcp.json", wantServers)

	use(t, rig.StartConsoleBrowser(t), c.URL+"/#key="+c.Key, "en-GB",
		step{"key", "#nav-servers"}, step{"key", "#open-everything"}, step{"key", "[aria-label='Offer echo to clients']"}, step{"gone", "Off"},
		step{"key", "#remove summary"}, step{"key", "#remove form button"}, step{"wait", "everything is removed."}, step{"gone", "get-env"})
	same("config.toml", config+"\n[tools]\nwhoami = false\n")
	same("mcp.json", strings.Replace(servers, lastLine, strings.Replace(lastLine, "]\n", "],\n      \"env\": {\n        \"LEVEL\": \"debug\"\n      }\n", 1), 1))
	if _, err := secrets.Get(t.Context(), keystore.ServerSecret("everything", "NOTES_TOKEN")); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("the removed server's secret: %v", err)
	}
}
