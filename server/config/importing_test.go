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
		"mcp.json old":                         "old||",
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
	stored := map[string]string{}
	if err := plan.Save(func(server, name, secret string) error { stored[server+"/"+name] = secret; return nil }); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"My-Server/API_KEY": "hunter2hunter2"}; !reflect.DeepEqual(stored, want) {
		t.Errorf("put into the keychain: %v", stored)
	}
	servers, err := config.LoadServers(im.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Server{
		{Name: "same", Command: "x", Off: true}, {Name: "other", Command: "mine"}, {Name: "other-2", Command: "theirs"},
		{Name: "My-Server", Command: "y", Env: map[string]string{"API_KEY": "${keychain:API_KEY}"}},
		{Name: "old", URL: "https://a.example/sse", SSE: true},
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
		if item.Name == "My Server" && !slices.Equal(item.Clear(), []string{"API_KEY"}) {
			t.Errorf("in clear: %v", item.Clear())
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
		"vscode":                           "no servers of other programs were found",
		filepath.Join(home, "nowhere"):     "there is no file at",
		filepath.Join(home, "broken.json"): "broken.json:2: not valid JSON",
	} {
		if _, err := im.ImportServers(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// TestImportForms reads what each program writes, taken from its own documentation.
func TestImportForms(t *testing.T) {
	t.Setenv("SET_HERE", "x")
	im, _ := computer(t, map[string]string{
		".claude.json": `{"numStartups": 3, "mcpServers": {"user": {"type": "stdio", "command": "npx", "args": ["-y", "x"], "env": {"P": "${SET_HERE}/p", "Q": "${NOT_SET_HERE}", "R": "${NOT_SET_HERE:-r}"}}},
			"projects": {"/home/ana/a": {"allowedTools": [], "mcpServers": {"project": {"type": "http", "url": "https://p.example/mcp"}}}, "/home/ana/b": {"mcpServers": {}}}}`,
		"work/.mcp.json":                    `{"mcpServers": {"shared": {"command": "${NOT_SET_HERE}/bin/x"}}}`,
		".cursor/mcp.json":                  `{"mcpServers": {"oauth": {"url": "https://c.example/mcp", "auth": {"CLIENT_ID": "id", "CLIENT_SECRET": "hunter2hunter2"}}, "sse": {"url": "https://c.example/sse"}}}`,
		".codeium/windsurf/mcp_config.json": `{"mcpServers": {"surf": {"serverUrl": "https://w.example/mcp", "headers": {"Authorization": "Bearer ${file:/home/ana/key}"}, "disabledTools": ["x"]}}}`,
		".gemini/settings.json":             `{"theme": "x", "mcpServers": {"gem": {"httpUrl": "https://g.example/mcp", "headers": {"Authorization": "Bearer hunter2hunter2"}, "timeout": 5000, "trust": true}}}`,
		".codex/config.toml":                "model = \"x\"\n[mcp_servers.dex]\ncommand = \"npx\"\nargs = [\"-y\", \"d\"]\nenv = { A = \"b\" }\nenv_vars = [\"TOK\"]\nstartup_timeout_sec = 20\n[mcp_servers.remote]\nurl = \"https://d.example/mcp\"\nbearer_token_env_var = \"D_TOKEN\"\nhttp_headers = { X = \"y\" }\nenv_http_headers = { Z = \"ZED\" }\n",
		".config/opencode/opencode.json":    `{"mcp": {"code": {"type": "local", "command": ["bun", "x", "srv"], "environment": {"K": "{env:KAY}"}, "enabled": false}, "far": {"type": "remote", "url": "https://o.example/mcp", "oauth": {}}}}`,
		".config/zed/settings.json":         `{"context_servers": {"zed": {"source": "custom", "command": "zx", "args": ["-a"], "env": {}}, "old": {"command": {"path": "zo", "args": ["-b"], "env": {"N": "1"}}, "settings": {}}}}`,
	})
	plan, err := im.ImportServers("")
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range plan.Items {
		if item.Name == "shared" && !strings.Contains(item.Why, "placeholder") {
			t.Errorf("shared: %+v", item)
		}
		notes := strings.Join(item.Notes, "|")
		for name, want := range map[string]string{"oauth": "its `auth` is not taken over: sign in", "surf": "`disabledTools` is not taken over: see `timeout`, `start`, `tools_off`", "gem": "its `timeout` is not taken over", "dex": "its `startup_timeout_sec` is not taken over: see `timeout`, `start`", "far": "its `oauth` is not taken over"} {
			if item.Name == name && !strings.Contains(notes, want) {
				t.Errorf("%s: notes %s, want %s", name, notes, want)
			}
		}
		if strings.Contains(notes+item.Why, "hunter2") {
			t.Errorf("a value is shown: %+v", item)
		}
	}
	stored := map[string]string{}
	if err := plan.Save(func(server, name, secret string) error { stored[server+"/"+name] = secret; return nil }); err != nil {
		t.Fatal(err)
	}
	got, err := config.LoadServers(im.Path)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b config.Server) int { return strings.Compare(a.Name, b.Name) })
	want := []config.Server{
		{Name: "code", Command: "bun", Args: []string{"x", "srv"}, Env: map[string]string{"K": "${keychain:KAY}"}, Off: true},
		{Name: "dex", Command: "npx", Args: []string{"-y", "d"}, Env: map[string]string{"A": "b", "TOK": "${keychain:TOK}"}},
		{Name: "far", URL: "https://o.example/mcp"},
		{Name: "gem", URL: "https://g.example/mcp", Headers: map[string]string{"Authorization": "Bearer ${keychain:TOKEN}"}},
		{Name: "oauth", URL: "https://c.example/mcp"},
		{Name: "old", Command: "zo", Args: []string{"-b"}, Env: map[string]string{"N": "1"}},
		{Name: "project", URL: "https://p.example/mcp"},
		{Name: "remote", URL: "https://d.example/mcp", Headers: map[string]string{"Authorization": "Bearer ${keychain:D_TOKEN}", "X": "y", "Z": "${keychain:ZED}"}},
		{Name: "sse", URL: "https://c.example/sse"},
		{Name: "surf", URL: "https://w.example/mcp", Headers: map[string]string{"Authorization": "Bearer ${file:/home/ana/key}"}},
		{Name: "user", Command: "npx", Args: []string{"-y", "x"}, Env: map[string]string{"P": "${SET_HERE}/p", "Q": "${keychain:NOT_SET_HERE}", "R": "${NOT_SET_HERE:-r}"}},
		{Name: "zed", Command: "zx", Args: []string{"-a"}},
	}
	if len(got) != len(want) {
		t.Errorf("%d servers, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("got  %+v\nwant %+v", got[i], want[i])
		}
	}
	if want := map[string]string{"gem/TOKEN": "hunter2hunter2"}; !reflect.DeepEqual(stored, want) {
		t.Errorf("put into the keychain: %v", stored)
	}
	if again, err := im.ImportServers(""); err != nil || len(again.Taken()) != 0 {
		t.Errorf("a second time: %+v, %v", again.Taken(), err)
	}
}

// TestForeignShapes has files that were copied from other programs as they are.
func TestForeignShapes(t *testing.T) {
	for text, want := range map[string]string{
		`{"context_servers": {"a": {"command": "x"}}}`:                                 "the form of Zed",
		`{"mcp": {"a": {"type": "local", "command": ["x"]}}}`:                          "opencode",
		`{"mcp": {"servers": {"a": {"command": "x"}}}}`:                                "VS Code",
		`{"projects": {"/p": {"mcpServers": {"a": {"command": "x"}}}}}`:                "Claude Code",
		`{"command": "npx", "args": []}`:                                               "one server alone",
		`{"url": "https://a.example/mcp"}`:                                             "one server alone",
		`{"a": {"command": "x"}}`:                                                      "stands at the top of the file",
		`{"mcpServers": [{"name": "a", "command": "x"}]}`:                              "the form of Continue",
		`{"upstreams": {"a": {"command": "x"}}}`:                                       "`upstreams`, which is not read here",
		"[mcp_servers.a]\ncommand = \"x\"\n":                                           "the form of Codex",
		`{"mcpServers": {}, "context_servers": {"a": {"command": "x"}}, "theme": "x"}`: "",
		`{}`:             "",
		`{"inputs": []}`: "",
	} {
		servers, err := config.ParseServers("mcp.json", []byte(text))
		if len(servers) != 0 || (err == nil) != (want == "") || err != nil && !(strings.Contains(err.Error(), want) && (strings.Contains(err.Error(), "NAME") || strings.Contains(err.Error(), "mcpServers"))) {
			t.Errorf("%s: %v, %v, want %s", text, servers, err, want)
		}
	}
}
