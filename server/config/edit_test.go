package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mcp.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEditsKeepTheRest(t *testing.T) {
	files := config.Server{Name: "files", Command: "npx", Args: []string{"-y", "fs"}}
	for _, c := range []struct {
		name, before string
		edit         func(path string) error
		want         string
	}{
		{"the first server of a new file", "", func(p string) error { return config.PutServer(p, files) },
			"{\n  \"mcpServers\": {\n    \"files\": {\n      \"command\": \"npx\",\n      \"args\": [\n        \"-y\",\n        \"fs\"\n      ]\n    }\n  }\n}\n"},
		{"the first server of a file of another program", "{\"theme\": \"dark\"}", func(p string) error {
			return config.PutServer(p, config.Server{Name: "a", URL: "http://localhost/<&>"})
		},
			"{\"theme\": \"dark\", \"mcpServers\": {\n  \"a\": {\n    \"type\": \"http\",\n    \"url\": \"http://localhost/<&>\"\n  }\n}}"},
		{"one behind others", "{ // mine\n\t\"servers\": {\n\t\t\"a\": {\"command\": \"x\"}, // keep\n\t}\n}", func(p string) error { return config.PutServer(p, config.Server{Name: "b", Command: "y"}) },
			"{ // mine\n\t\"servers\": {\n\t\t\"a\": {\"command\": \"x\"}, // keep\n\t\t\"b\": {\n\t\t  \"command\": \"y\"\n\t\t},\n\t}\n}"},
		{"the same again", "{\"mcpServers\": {\"files\" : {\"args\":[\"-y\",\"fs\"],\"command\":\"npx\", \"note\": 1}}}", func(p string) error { return config.PutServer(p, files) },
			"{\"mcpServers\": {\"files\" : {\"args\":[\"-y\",\"fs\"],\"command\":\"npx\", \"note\": 1}}}"},
		{"another command", "{\"mcpServers\": {\"files\": {\"command\": /* old */ \"old\", \"args\": [\"-y\", \"fs\"], \"env\": {\"A\": \"1\"}, \"note\": 1}}}", func(p string) error { return config.PutServer(p, files) },
			"{\"mcpServers\": {\"files\": {\"command\": /* old */ \"npx\", \"args\": [\"-y\", \"fs\"], \"note\": 1}}}"},
		{"a URL that becomes a command", "{\"mcpServers\": {\"files\": {\"type\": \"http\", \"serverUrl\": \"http://localhost\", \"headers\": {}, \"note\": 1}}}", func(p string) error { return config.PutServer(p, files) },
			"{\"mcpServers\": {\"files\": {\"note\": 1, \"command\": \"npx\", \"args\": [\"-y\",\"fs\"]}}}"},
		{"another transport", "{\"mcpServers\": {\"a\": {\"transport\": \"http\", \"url\": \"http://localhost/\"}}}", func(p string) error {
			return config.PutServer(p, config.Server{Name: "a", URL: "http://localhost/", SSE: true})
		}, "{\"mcpServers\": {\"a\": {\"url\": \"http://localhost/\", \"type\": \"sse\"}}}"},
		{"the same transport in its own word", "{\"mcpServers\": {\"a\": {\"transport\": \"http\", \"url\": \"http://localhost/\"}}}", func(p string) error {
			return config.PutServer(p, config.Server{Name: "a", URL: "http://localhost/"})
		}, "{\"mcpServers\": {\"a\": {\"transport\": \"http\", \"url\": \"http://localhost/\"}}}"},
		{"a command that becomes a URL", "{\"mcpServers\": {\"a\": {\"type\": \"stdio\", \"command\": \"x\"}}}", func(p string) error {
			return config.PutServer(p, config.Server{Name: "a", URL: "http://localhost/", SSE: true})
		}, "{\"mcpServers\": {\"a\": {\"type\": \"sse\", \"url\": \"http://localhost/\"}}}"},
		{"a comment before a comma", "{\"mcpServers\": {\"a\": {\"command\": \"x\"} /* why */, \"b\": {\"command\": \"y\"}}}", func(p string) error { return config.RemoveServer(p, "a") },
			"{\"mcpServers\": {/* why */\"b\": {\"command\": \"y\"}}}"},
		{"a comment to the end of the line before a comma", "{\"mcpServers\": {\"a\": {\"command\": \"x\"} // why\n, \"b\": {\"command\": \"y\"}}}", func(p string) error { return config.RemoveServer(p, "a") },
			"{\"mcpServers\": {// why\n\"b\": {\"command\": \"y\"}}}"},
		{"the last before a comma", "{\"mcpServers\": {\n  \"a\": {\"command\": \"x\"},\n  \"b\": {\"command\": \"y\"}, // b\n}} // end", func(p string) error { return config.RemoveServer(p, "b") },
			"{\"mcpServers\": {\n  \"a\": {\"command\": \"x\"},\n  // b\n}} // end"},
		{"a byte order mark", "\ufeff{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}", func(p string) error { return config.RemoveServer(p, "a") },
			"{\"mcpServers\": {}}"},
		{"removing the first", "{\"mcpServers\": {\n  \"a\": {\"command\": \"x\"},\n  // about b\n  \"b\": {\"command\": \"y\"}\n}}", func(p string) error { return config.RemoveServer(p, "a") },
			"{\"mcpServers\": {\n  // about b\n  \"b\": {\"command\": \"y\"}\n}}"},
		{"removing the last", "{\"mcpServers\": {\n  \"a\": {\"command\": \"x\"},\n  // about b\n  \"b\": {\"command\": \"y\"}\n}}", func(p string) error { return config.RemoveServer(p, "b") },
			"{\"mcpServers\": {\n  \"a\": {\"command\": \"x\"}\n  // about b\n}}"},
		{"removing the only one", "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}", func(p string) error { return config.RemoveServer(p, "a") }, "{\"mcpServers\": {}}"},
		{"removing one that is wrong", "{\"mcpServers\": {\"a b\": 1, \"c\": {\"command\": \"x\"}}}", func(p string) error { return config.RemoveServer(p, "a b") }, "{\"mcpServers\": {\"c\": {\"command\": \"x\"}}}"},
		{"switching off", "{\"mcpServers\": {\n  \"a\": {\n    \"command\": \"x\" // why\n  }\n}}", func(p string) error { return config.SwitchServer(p, "a", true) },
			"{\"mcpServers\": {\n  \"a\": {\n    \"command\": \"x\", // why\n    \"disabled\": true\n  }\n}}"},
		{"switching on", "{\"mcpServers\": {\"a\": {\"disabled\": true , \"command\": \"x\"}}}", func(p string) error { return config.SwitchServer(p, "a", false) },
			"{\"mcpServers\": {\"a\": {\"disabled\": false , \"command\": \"x\"}}}"},
		{"switching on in another word", "{\"mcpServers\": {\"a\": {\"enabled\": false, \"command\": \"x\"}}}", func(p string) error { return config.SwitchServer(p, "a", false) },
			"{\"mcpServers\": {\"a\": {\"enabled\": true, \"command\": \"x\"}}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.before)
			if err := c.edit(path); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); string(got) != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	path := write(t, "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}")
	before, _ := os.ReadFile(path)
	for name, err := range map[string]error{
		"removing none":    config.RemoveServer(path, "b"),
		"switching none":   config.SwitchServer(path, "b", true),
		"a bad name":       config.PutServer(path, config.Server{Name: "a b", Command: "x"}),
		"nothing to run":   config.PutServer(path, config.Server{Name: "b"}),
		"a bad URL":        config.PutServer(path, config.Server{Name: "b", URL: "x"}),
		"the reserved one": config.PutServer(path, config.Server{Name: "drawbridge", Command: "x"}),
	} {
		if err == nil || strings.Contains(name, "none") != errors.Is(err, config.ErrNoServer) || strings.Contains(err.Error(), ":1:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("changed to %s", after)
	}
	full := write(t, "{\"mcpServers\": {}} //"+strings.Repeat("x", 1<<20-30))
	if err := config.PutServer(full, config.Server{Name: "b", Command: "x"}); err == nil || !strings.Contains(err.Error(), "edit it by hand") {
		t.Errorf("a file that would be too large: %v", err)
	}
	broken := write(t, "{\"mcpServers\": {\n")
	if err := config.PutServer(broken, config.Server{Name: "b", Command: "x"}); err == nil || !strings.Contains(err.Error(), "mcp.json:2: not valid JSON") {
		t.Errorf("a broken file: %v", err)
	}
}

func TestEditedFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "mcp.json")
	if err := config.PutServer(path, config.Server{Name: "a", Command: "x"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != fs.FileMode(0o600) {
		t.Errorf("%v, %v", info, err)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"b", "c", "d", "e"} {
		wg.Go(func() {
			if err := config.PutServer(path, config.Server{Name: name, Command: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := config.LoadServers(path); len(got) != 5 || err != nil {
		t.Errorf("after four at once: %+v, %v", got, err)
	}
}

// fuzzEdits edits a file that was read without errors: the others stay, and the
// edited one is what was asked for.
func fuzzEdits(t *testing.T, path string, data []byte, servers []config.Server, err error) {
	if err != nil {
		return
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want []config.Server) {
		t.Helper()
		got, err := config.LoadServers(path)
		if len(got)+len(want) > 0 && !reflect.DeepEqual(plain(got), plain(want)) || err != nil {
			after, _ := os.ReadFile(path)
			t.Fatalf("%s: %v\ngot  %+v\nwant %+v\n%q\n%q", what, err, got, want, data, after)
		}
	}
	added := config.Server{Name: "fuzz-added", URL: "http://localhost/", Headers: map[string]string{"A": "b"}}
	for i, s := range servers {
		if s.Name == added.Name {
			return
		}
		s.Off = !s.Off
		if err := config.SwitchServer(path, s.Name, s.Off); err != nil {
			t.Fatal(err)
		}
		servers[i] = s
		expect("switched", servers)
	}
	if len(servers) == 200 {
		return
	}
	if err := config.PutServer(path, added); err != nil {
		if strings.Contains(err.Error(), "spoiling") && len(data) > 1<<19 {
			return
		}
		t.Fatal(err)
	}
	expect("added", append(servers, added))
	for i := range servers {
		servers[i] = config.Server{Name: servers[i].Name, Command: "new", Args: []string{"a"}, Env: map[string]string{"A": "b"}, Off: i%2 == 0}
		if err := config.PutServer(path, servers[i]); err != nil {
			t.Fatal(err)
		}
		expect("replaced", append(servers, added))
	}
	for len(servers) > 0 {
		if err := config.RemoveServer(path, servers[0].Name); err != nil {
			t.Fatal(err)
		}
		servers = servers[1:]
		expect("removed", append(servers[:len(servers):len(servers)], added))
	}
}

// plain makes no difference between an empty list and none.
func plain(servers []config.Server) []config.Server {
	var all []config.Server
	for _, s := range servers {
		if len(s.Args) == 0 {
			s.Args = nil
		}
		if len(s.Env) == 0 {
			s.Env = nil
		}
		if len(s.Headers) == 0 {
			s.Headers = nil
		}
		all = append(all, s)
	}
	return all
}
