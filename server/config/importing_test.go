package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// computer makes a home folder with the files given, and an importer there.
func computer(t *testing.T, files map[string]string) (config.Importer, string) {
	t.Helper()
	home := t.TempDir()
	for name, text := range files {
		path := filepath.Join(home, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Importer{Path: filepath.Join(home, "drawbridge", "mcp.json"), Own: []string{"https://name.ngrok.app", "http://127.0.0.1:8000"},
		Places: config.Places{Home: home, Config: filepath.Join(home, ".config"), Folder: filepath.Join(home, "work")}}, home
}

func TestImport(t *testing.T) {
	im, home := computer(t, map[string]string{
		"drawbridge/mcp.json": "{\n  // mine\n  \"mcpServers\": {\"same\": {\"command\": \"x\", \"disabled\": true}, \"other\": {\"command\": \"mine\"}}\n}",
		".config/Claude/claude_desktop_config.json": `{"globalShortcut": "", "mcpServers": {
			"same": {"command": "x", "args": []}, "other": {"command": "theirs"}, "My Server": {"command": "y", "env": {"API_KEY": "hunter2hunter2"}},
			"bridge": {"command": "npx", "args": ["mcp-remote", "https://NAME.ngrok.app/mcp"]}, "bridge2": {"url": "http://localhost:8000/s/files/mcp/"},
			"bridge3": {"command": "/usr/bin/drawbridge"}}}`,
		".cursor/mcp.json":                `{"mcpServers": {"other": {"command": "theirs"}, "old": {"type": "sse", "url": "https://a.example/sse"}, "broken": {"comand": "x"}}}`,
		".config/Code/User/mcp.json":      `{"inputs": [{"id": "gh-token"}], "servers": {"gh": {"type": "http", "url": "https://gh.example/mcp", "headers": {"Authorization": "Bearer ${input:gh-token}"}}, "ws": {"command": "x", "args": ["${workspaceFolder}"]}, "home": {"command": "${userHome}/bin/x", "env": {"A": "${env:A}"}}}}`,
		".config/Code/User/settings.json": `{"editor.fontSize": 12, "a": 1, "a": 2, "mcp": {"servers": {"fromsettings": {"command": "z"}}}, }`,
		"work/.vscode/mcp.json":           `{"servers": {}}`,
	})
	plan, err := im.ImportServers("")
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Files) != 5 {
		t.Errorf("read %v", plan.Files)
	}
	got := map[string]string{}
	for _, item := range plan.Items {
		got[filepath.Base(item.From)+" "+item.Name] = item.As + "|" + item.Why + "|" + strings.Join(item.Set, ",")
	}
	for key, want := range map[string]string{
		"claude_desktop_config.json same":      "|it is there already, as `same`|",
		"claude_desktop_config.json other":     "other-2||",
		"claude_desktop_config.json My Server": "My-Server||",
		"claude_desktop_config.json bridge":    "|it is Drawbridge itself|",
		"claude_desktop_config.json bridge2":   "|it is Drawbridge itself|",
		"claude_desktop_config.json bridge3":   "|it is Drawbridge itself|",
		"mcp.json other":                       "|it is there already, as `other-2`|",
		"mcp.json old":                         "|`type` of the server `old` says \"sse\"",
		"mcp.json broken":                      "|unknown key `comand`",
		"mcp.json gh":                          "gh||GH_TOKEN",
		"mcp.json ws":                          "|it holds a placeholder",
		"mcp.json home":                        "home||A",
		"settings.json fromsettings":           "fromsettings||",
	} {
		if !strings.HasPrefix(got[key], want) {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
		delete(got, key)
	}
	if len(got) != 0 {
		t.Errorf("besides: %v", got)
	}
	if before, err := config.LoadServers(im.Path); len(before) != 2 || err != nil {
		t.Errorf("before saving: %v, %v", before, err)
	}
	if err := plan.Save(); err != nil {
		t.Fatal(err)
	}
	servers, err := config.LoadServers(im.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Server{
		{Name: "same", Command: "x", Off: true}, {Name: "other", Command: "mine"}, {Name: "other-2", Command: "theirs"},
		{Name: "My-Server", Command: "y", Env: map[string]string{"API_KEY": "hunter2hunter2"}},
		{Name: "gh", URL: "https://gh.example/mcp", Headers: map[string]string{"Authorization": "Bearer ${keychain:GH_TOKEN}"}},
		{Name: "home", Command: home + "/bin/x", Env: map[string]string{"A": "${keychain:A}"}},
		{Name: "fromsettings", Command: "z"},
	}
	if !reflect.DeepEqual(servers, want) {
		t.Errorf("got  %+v\nwant %+v", servers, want)
	}
	if text, _ := os.ReadFile(im.Path); !strings.HasPrefix(string(text), "{\n  // mine\n") {
		t.Errorf("the file is now\n%s", text)
	}
	again, err := im.ImportServers("")
	if err != nil || len(again.Taken()) != 0 {
		t.Errorf("a second time: %+v, %v", again.Taken(), err)
	}
	for _, item := range plan.Items {
		if item.Name == "My Server" && !slices.ContainsFunc(item.Notes, func(n string) bool { return strings.Contains(n, "drawbridge secret set My-Server/API_KEY") }) {
			t.Errorf("notes %v", item.Notes)
		}
		if strings.Contains(strings.Join(item.Notes, "")+item.Why, "hunter2") {
			t.Errorf("a value is shown: %+v", item)
		}
	}
}

func TestImportOneSource(t *testing.T) {
	im, home := computer(t, map[string]string{
		".cursor/mcp.json":                          `{"mcpServers": {"a": {"command": "x"}}}`,
		".config/Claude/claude_desktop_config.json": `{"mcpServers": {"b": {"command": "x"}}}`,
		"mine.json":   `{"mcpServers": {"c": {"command": "x"}}}`,
		"broken.json": "{\n\"mcpServers\": ",
	})
	for source, want := range map[string]string{"cursor": "a", "claude": "b", filepath.Join(home, "mine.json"): "c"} {
		if plan, err := im.ImportServers(source); err != nil || len(plan.Items) != 1 || plan.Items[0].As != want {
			t.Errorf("%s: %+v, %v", source, plan, err)
		}
	}
	for source, want := range map[string]string{
		"vscode":                           "no servers of Claude Desktop, Cursor or VS Code were found",
		filepath.Join(home, "nowhere"):     "there is no file at",
		filepath.Join(home, "broken.json"): "broken.json:2: not valid JSON",
	} {
		if _, err := im.ImportServers(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}
