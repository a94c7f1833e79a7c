package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

func TestLoadServers(t *testing.T) {
	got, err := config.LoadServers("testdata/mcp.json")
	want := []config.Server{
		{Name: "files", Command: "npx", Args: []string{"-y", "@modelcontextprotocol/server-filesystem", "/home/ana"}},
		{Name: "github", URL: "https://api.example.com/mcp", Headers: map[string]string{"Authorization": "Bearer ${keychain:TOKEN}"}},
		{Name: "wind.surf_1", URL: "http://127.0.0.1:3000/mcp"},
		{Name: "gemini", URL: "http://[::1]:3000/mcp", Off: true},
		{Name: "cline", Command: "uvx", Env: map[string]string{"API_KEY": "${keychain:API_KEY}", "PORT": "8080"}, Dir: "/tmp", Off: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if got := config.Secrets(want[1]); !slices.Equal(got, []string{"TOKEN"}) {
		t.Errorf("secrets %v", got)
	}
}

// What other programs write besides, and what they leave empty, is no reason to
// refuse a file that works there.
func TestOtherProgramsForms(t *testing.T) {
	for name, server := range map[string]string{
		"Claude Code":         `{"type": "stdio", "command": "npx", "args": [], "env": {}}`,
		"Claude Code, HTTP":   `{"type": "http", "url": "https://a.example/mcp", "headers": {}}`,
		"Cline":               `{"autoApprove": [], "disabled": false, "timeout": 60, "type": "streamableHttp", "url": "https://a.example/mcp", "env": {}}`,
		"Roo":                 `{"type": "streamable-http", "url": "https://a.example/mcp", "alwaysAllow": ["x"], "args": []}`,
		"Copilot":             `{"type": "local", "command": "x", "tools": ["*"], "cwd": null}`,
		"VS Code":             `{"command": "x", "dev": {"watch": "src/**"}, "gallery": true, "version": "1"}`,
		"Gemini":              `{"httpUrl": "https://a.example/mcp", "trust": false, "includeTools": ["x"]}`,
		"FastMCP":             `{"transport": "streamable_http", "url": "https://a.example/mcp", "auth": "oauth"}`,
		"a note of their own": `{"command": "x", "note": "why", "//": "and how"}`,
	} {
		if got, err := config.ParseServers("f", []byte(one(server))); err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestNoServers(t *testing.T) {
	for _, text := range []string{"", " \n", "{}", `{"mcpServers": {}}`, "\ufeff{\"servers\":{}, \"inputs\":[]}", `{"theme": "dark"}`} {
		if got, err := config.ParseServers("mcp.json", []byte(text)); len(got) != 0 || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := config.LoadServers(filepath.Join(t.TempDir(), "mcp.json")); got != nil || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
}

// one is a file with one server, in its third line.
func one(server string) string { return "{\n\"mcpServers\": {\n\"a\": " + server + "}}" }

var refusedServers = []struct{ name, text, want string }{
	{"a slip", one(`{"comand": "x"}`), "3: unknown key `comand` in the server `a`: did you mean `command`?\n3: the server `a` has neither"},
	{"a slip at the top", `{"mcpServer": {}}`, "1: unknown key `mcpServer`: did you mean `mcpServers`?"},
	{"no wrapper", `{"files": {"command": "x"}}`, "1: the server `files` stands at the top of the file"},
	{"another word", one(`{"command": "x", "environment": {"A": "hunter2"}}`), "3: unknown key `environment` in the server `a`: did you mean `env`?"},
	{"both wrappers", `{"mcpServers": {}, "servers": {}}`, "1: the servers stand twice"},
	{"a wrapper twice", "{\"mcpServers\": {},\n\"mcpServers\": {}}", "2: `mcpServers` comes twice\n2: the servers stand twice"},
	{"a list of servers", `{"mcpServers": [1]}`, "1: `mcpServers` is a list, the form of Continue"},
	{"a list", `[]`, "1: the file must be one object"},
	{"a name with a space", `{"mcpServers": {"My Server!": {"command": "x"}}}`, "1: the server `My Server!`: a server's name is part of its URL, so it is made of letters, digits, \"-\", \"_\" and \".\", begins with a letter or digit and is at most 64 long: `My-Server` would do"},
	{"a name that climbs", `{"mcpServers": {"..": {"command": "x"}}}`, "1: the server `..`: a server's name"},
	{"a name with a slash", `{"mcpServers": {"a/b": {"command": "x"}}}`, "1: the server `a/b`: a server's name"},
	{"no name", `{"mcpServers": {"": {"command": "x"}}}`, "1: the server ``: a server's name"},
	{"Drawbridge's name", `{"mcpServers": {"DrawBridge": {"command": "x"}}}`, "1: the server `DrawBridge`: the name `drawbridge` is"},
	{"a server twice", "{\"mcpServers\": {\"a\": {\"command\": \"x\"},\n\"A\": {\"command\": \"x\"}}}", "2: the server `A` is there already, as `a`"},
	{"the same server twice", "{\"mcpServers\": {\"a\": {\"command\": \"x\"},\n\"a\": {\"command\": \"x\"}}}", "2: `a` comes twice\n2: the server `a` is there already"},
	{"a key twice", one("{\"command\": \"x\",\n\"command\": \"y\"}"), "4: `command` comes twice in the server `a`"},
	{"a variable twice", one("{\"command\": \"x\", \"env\": {\"A\": \"1\",\n\"A\": \"2\"}}"), "4: `A` comes twice in `env` of the server `a`"},
	{"a text for a server", one(`"npx"`), "3: the server `a` must be an object"},
	{"an unknown transport", one(`{"type": "websocket", "url": "https://a.example/ws"}`), "3: `type` of the server `a` must be \"stdio\", \"http\" or \"sse\""},
	{"a type of its own", one(`{"type": "websocket", "url": "https://a.example/"}`), "3: `type` of the server `a` must be"},
	{"stdio with a URL", one(`{"type": "stdio", "url": "https://a.example/"}`), "3: `type` of the server `a` says \"stdio\""},
	{"http with a command", one(`{"type": "http", "command": "x"}`), "3: `type` of the server `a` says \"http\""},
	{"two ways in", one(`{"command": "x", "url": "https://a.example/"}`), "3: the server `a` has both"},
	{"no way in", one(`{"args": []}`), "3: the server `a` has neither"},
	{"an empty command", one(`{"command": " "}`), "3: `command` of the server `a` is empty"},
	{"two URLs", one(`{"url": "https://a.example/", "httpUrl": "https://b.example/"}`), "3: `httpUrl` of the server `a` differs"},
	{"no URL", one(`{"url": "a.example/mcp"}`), "3: `url` of the server `a` must be a whole URL"},
	{"a port that no machine has", one(`{"url": "https://a.example:65536/mcp"}`), "3: `url` of the server `a` has a port above 65535"},
	{"another scheme", one(`{"url": "file:///etc/passwd"}`), "3: `url` of the server `a` must be a whole URL"},
	{"a password in a URL", one(`{"url": "https://ana:hunter2@a.example/"}`), "3: `url` of the server `a` holds a user or password"},
	{"headers of a command", one(`{"command": "x", "headers": {"A": "hunter2"}}`), "3: `headers` of the server `a` go to a server with a URL only"},
	{"arguments of a URL", one(`{"url": "https://a.example/", "args": ["hunter2"]}`), "3: the server `a` has a URL, so nothing is run"},
	{"arguments in one text", one(`{"command": "x", "args": "hunter2"}`), "3: `args` of the server `a` must be a list"},
	{"an object among arguments", one(`{"command": "x", "args": [{}]}`), "3: `args` of the server `a` must be a list"},
	{"a variable that is no text", one("{\"command\": \"x\", \"env\": {\n\"A\": true}}"), "4: `A` in `env` of the server `a` must be a text"},
	{"a variable that is an object", one("{\"command\": \"x\", \"env\": {\"A\": {\"b\": \"hunter2\"}}}"), "3: `A` in `env` of the server `a` must be a text"},
	{"a variable without a name", one(`{"command": "x", "env": {"": "hunter2"}}`), "3: `` in `env` of the server `a` is no name"},
	{"a variable with =", one(`{"command": "x", "env": {"A=B": "hunter2"}}`), "3: `A=B` in `env` of the server `a` is no name"},
	{"a header that splits", one(`{"url": "https://a.example/", "headers": {"X": "a\r\nY: hunter2"}}`), "3: `X` in `headers` of the server `a` holds a character"},
	{"a header that is no token", one(`{"url": "https://a.example/", "headers": {"X Y": "a"}}`), "3: `X Y` in `headers` of the server `a` is no name"},
	{"a zero in a command", one(`{"command": "x\u0000y"}`), "3: `command` of the server `a` holds a zero\n"},
	{"a switch in quotes", one(`{"command": "x", "disabled": "yes"}`), "3: `disabled` of the server `a` must be true or false"},
	{"a secret's name", one(`{"command": "x", "env": {"A": "${keychain:a b}"}}`), "3: `env` of the server `a` names a secret in a way"},
	{"no secret's name", one(`{"command": "x", "env": {"A": "${keychain:}"}}`), "3: `env` of the server `a` names a secret in a way"},
	{"another server's secret", one(`{"command": "x", "env": {"A": "${keychain:b/KEY}"}}`), "3: `env` of the server `a` names a secret in a way"},
	{"a secret not closed", one(`{"command": "x", "env": {"A": "${keychain:A"}}`), "3: `env` of the server `a` names a secret in a way"},
	{"a secret on a command line", one(`{"command": "x", "args": ["--key=${keychain:A}"]}`), "3: `args` of the server `a` can't hold ${keychain:…}"},
	{"a secret in a URL", one(`{"url": "https://a.example/?key=${keychain:A}"}`), "3: `url` of the server `a` can't hold ${keychain:…}"},
	{"VS Code's input", one(`{"command": "x", "env": {"A": "${input:key}"}}`), "3: `env` of the server `a` holds a placeholder of another program"},
	{"VS Code's folder", one(`{"command": "x", "args": ["${workspaceFolder}"]}`), "3: `args` of the server `a` holds a placeholder of another program"},
	{"a file of variables", one(`{"command": "x", "envFile": ".env"}`), "3: `envFile` of the server `a` is not read here"},
	{"no JSON", "{\n\"mcpServers\": {\n\"a\": hunter2}}", "3: not valid JSON: this is no value"},
	{"a missing comma", "{\"mcpServers\": {\n\"a\": {}\n\"b\": {}}}", "3: not valid JSON: a comma or } must come here"},
	{"two commas", "{\"a\": 1,,}", "1: not valid JSON"},
	{"an open text", "{\n\"a: 1}", "2: not valid JSON: a text is not closed"},
	{"an open comment", "{\n/* }", "2: not valid JSON: a comment is not closed"},
	{"a Windows path", "{\"a\": \"C:\\Users\"}", "1: not valid JSON: a text holds a \\"},
	{"the end too early", "{\"a\":", "1: not valid JSON: the text ends too early"},
	{"something after the end", "{}\n{}", "2: not valid JSON: something follows"},
	{"no UTF-8", "{\"\xff\": 1}", "1: not valid JSON: it is not UTF-8"},
	{"too deep", `{"a":` + strings.Repeat("[", 100_000), "1: not valid JSON: lists and objects stand more than 64 deep"},
}

func TestRefusesServers(t *testing.T) {
	for _, c := range refusedServers {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.ParseServers("dir/mcp.json", []byte(c.text))
			if err == nil {
				t.Fatal("it was taken")
			}
			got, want := strings.Split(err.Error(), "\n"), strings.Split(c.want, "\n")
			for i := range want {
				if want[i] != "" && (i >= len(got) || !strings.HasPrefix(got[i], "dir/mcp.json:"+want[i])) {
					t.Fatalf("got  %s\nwant %s", err, c.want)
				}
			}
			if len(got) != len(want) && want[len(want)-1] != "" {
				t.Errorf("got more: %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the value is shown: %v", err)
			}
		})
	}
}

// Depth is bounded, not how many lists there are.
func TestManyLists(t *testing.T) {
	if _, err := config.ParseServers("f", []byte(`{"mcpServers": {}, "x": [`+strings.Repeat("[{}],", 12_000)+"]}")); err != nil {
		t.Error(err)
	}
	for _, c := range [][2]string{{"[", "]"}, {`{"a": `, "}"}} {
		for n, good := range map[int]bool{64: true, 65: false} {
			text := `{"x": ` + strings.Repeat(c[0], n-1) + "[]" + strings.Repeat(c[1], n-1) + "}"
			if _, err := config.ParseServers("f", []byte(text)); (err == nil) != good {
				t.Errorf("%d deep: %v", n, err)
			}
		}
	}
}

func TestGoodServersBesideABadOne(t *testing.T) {
	got, err := config.ParseServers("f", []byte(`{"mcpServers": {"a": {"command": "x"}, "b": {"comand": "x"}, "c": {"url": "http://localhost:1"}}}`))
	if err == nil || len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTooManyServers(t *testing.T) {
	var b strings.Builder
	for i := range 201 {
		fmt.Fprintf(&b, `"s%d": {"command": "x"},`, i)
	}
	if got, err := config.ParseServers("f", []byte(`{"mcpServers": {`+b.String()+"}}")); err == nil || got != nil {
		t.Errorf("%d servers, %v", len(got), err)
	}
	path := filepath.Join(t.TempDir(), "mcp.json")
	if err := os.WriteFile(path, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.LoadServers(path); err == nil || !strings.Contains(err.Error(), "is this the right file?") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestNotes(t *testing.T) {
	for _, c := range []struct {
		name   string
		server config.Server
		want   string
	}{
		{"a key in clear", config.Server{Name: "a", Env: map[string]string{"API_KEY": "hunter2hunter2"}}, "drawbridge secret set a/API_KEY"},
		{"a token by its form", config.Server{Name: "a", Env: map[string]string{"GH": "ghp_hunter2"}}, "${keychain:GH}"},
		{"a bearer in clear", config.Server{Name: "a", URL: "http://localhost", Headers: map[string]string{"Authorization": "Bearer hunter2"}}, "drawbridge secret set a/TOKEN"},
		{"a key among arguments", config.Server{Name: "a", Command: "x", Args: []string{"--api-key=hunter2"}}, "other programs on this computer"},
		{"a key in a URL", config.Server{Name: "a", URL: "https://a.example/mcp?token=hunter2"}, "other programs on this computer"},
		{"a key in the keychain", config.Server{Name: "a", Env: map[string]string{"API_KEY": "${keychain:API_KEY}"}}, ""},
		{"a bearer from the environment", config.Server{Name: "a", URL: "http://localhost", Headers: map[string]string{"Authorization": "Bearer ${TOKEN}", "X-Api-Key": "${env:KEY}"}}, ""},
		{"a bearer with a variable behind it", config.Server{Name: "a", URL: "http://localhost", Headers: map[string]string{"Authorization": "Bearer hunter2${X}"}}, "drawbridge secret set a/TOKEN"},
		{"a path", config.Server{Name: "a", Env: map[string]string{"TOKEN_FILE": "/home/ana/token"}}, ""},
		{"a number", config.Server{Name: "a", Env: map[string]string{"MAX_TOKENS": "4096", "PORT": "1"}}, ""},
	} {
		got := strings.Join(config.Notes(c.server), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestMount(t *testing.T) {
	c := config.Default()
	c.Servers = map[string]config.ServerSettings{"files": {HoldChanges: true}, "githup": {}}
	got, notes := c.Mount([]config.Server{{Name: "files"}, {Name: "github"}})
	if len(got) != 2 || !got[0].HoldChanges || got[1].HoldChanges || len(notes) != 1 || !strings.HasSuffix(notes[0], "did you mean `github`?") {
		t.Errorf("%+v, %v", got, notes)
	}
}

func FuzzServers(f *testing.F) {
	data, err := os.ReadFile("testdata/mcp.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, c := range refusedServers {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text))
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		servers, err := config.ParseServers("f", data)
		for _, e := range config.Errors(err) {
			if e.Line < 1 || e.Line > 1+strings.Count(string(data), "\n") || e.Msg == "" {
				t.Fatalf("an error without a place: %+v", e)
			}
		}
		for _, s := range servers {
			if config.GoodName(s.Name) != s.Name || (s.Command == "") == (s.URL == "") {
				t.Fatalf("taken: %+v", s)
			}
			config.Notes(s)
			config.Secrets(s)
			_, _ = s.Expand(everything)
		}
		fuzzEdits(t, filepath.Join(dir, "mcp.json"), data, servers, err)
	})
}
