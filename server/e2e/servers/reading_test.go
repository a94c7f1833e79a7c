package servers

import (
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
)

// What the rules and the owner decided on is what a server does: the official
// SDK's, mcp-go's, and one that decodes with encoding/json, for clients of both
// eras. No spelling of a member or a URI means one thing here and another there.
func TestDecidedAndDoneAreOneReading(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"sdk", "mcp-go", "json"} {
		t.Run(kind, func(t *testing.T) {
			folder := t.TempDir()
			for name, text := range map[string]string{"public/a.txt": "for all", "private.txt": "SECRET"} {
				file := filepath.Join(folder, "X", name)
				if os.MkdirAll(filepath.Dir(file), 0o700) != nil || os.WriteFile(file, []byte(text), 0o600) != nil {
					t.Fatal("no folder")
				}
			}
			mounted := rig.MCPServer{Command: self, Env: map[string]string{foldingEnv: kind, foldingFolder: folder}}
			if kind == "sdk" {
				mounted = rig.NodeServer(t, "reading.mjs", folder)
			}
			app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{Config: func(c *config.Config) {
				c.Servers = map[string]config.ServerSettings{"one": {Ask: []string{"write"}}}
				c.Access.Rules = []config.Rule{{Tools: []string{"write"}, Resources: []string{"file:///X/public/*"}, Prompts: []string{"hello"}}}
			}}, map[string]rig.MCPServer{"one": mounted}))
			app.WaitForServers(t)
			done := func() string {
				text, _ := os.ReadFile(filepath.Join(folder, "written"))
				return string(text)
			}
			for _, modern := range []bool{false, true} {
				m := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice").Access)
				m.Modern = modern
				refused := func(method string, params map[string]any) {
					t.Helper()
					if r := m.Call(method, params); r.Code == 0 || strings.Contains(r.Body, "SECRET") {
						t.Errorf("%s %v answered %d: %s", method, params, r.Status, rig.Clip(r.Body))
					}
				}
				evil := map[string]any{"path": "/etc/passwd"}
				for _, name := range []string{"Arguments", "ARGUMENTS", "argument\u017f", "aRGUMENTS"} {
					refused("tools/call", map[string]any{"name": "write", name: evil})
					refused("tools/call", map[string]any{"name": "write", "arguments": map[string]any{}, name: evil})
				}
				for _, name := range []string{"Name", "NAME"} {
					refused("tools/call", map[string]any{"name": "write", "arguments": evil, name: "other"})
				}
				for _, name := range []string{"Type", "TYPE"} {
					refused("completion/complete", map[string]any{"ref": map[string]any{"type": "ref/prompt", name: "ref/resource", "name": "hello", "uri": "file:///X/private/{+path}"}, "argument": map[string]any{"name": "path", "value": ""}})
				}
				refused("resources/read", map[string]any{"uri": "file:///X/public/a.txt", "URI": "file:///X/private.txt"})
				for _, tail := range []string{"../private.txt", "%2e%2e/private.txt", "%2e%2e/private.txt#%zz", "%2e%2e/private.txt?%zz", ".\t./private.txt", ".\n./private.txt", ".\r./private.txt",
					`..\private.txt`, `%2e%2e%5cprivate.txt`, "%252e%252e/private.txt", "..%2fprivate.txt", "a/..%2f../private.txt", "..;/private.txt", "\ufeff../private.txt", "%zz/%2e%2e/%2e%2e/private.txt", " ../private.txt", "ä/../../private.txt"} {
					for _, uri := range []string{"file:///X/public/" + tail, "drawbridge://s/one/file:///X/public/" + tail} {
						refused("resources/read", map[string]any{"uri": uri})
						if !modern {
							refused("resources/subscribe", map[string]any{"uri": uri})
						}
					}
					refused("completion/complete", map[string]any{"ref": map[string]any{"type": "ref/resource", "uri": "file:///X/public/{+path}"}, "argument": map[string]any{"name": "path", "value": tail[:strings.LastIndexAny(tail, "/\\fc")+1]}})
				}
				if got := done(); got != "" || len(app.Srv.Approvals()) != 0 {
					t.Fatalf("modern %t: the server did %q, the owner is asked %+v", modern, got, app.Srv.Approvals())
				}
				for _, uri := range []string{"file:///X/public/a.txt", "drawbridge://s/one/file:///X/public/a.txt", "file:///X/public/%61.txt"} {
					if r := m.Call("resources/read", map[string]any{"uri": uri}); !strings.Contains(r.Body, "for all") {
						t.Errorf("%s answered %s", uri, rig.Clip(r.Body))
					}
				}
				asked := *m
				answer := make(chan *rig.RPC, 1)
				go func() {
					answer <- asked.Call("tools/call", map[string]any{"name": "write", "arguments": map[string]any{"path": "/tmp/a"}, "unknown": 1})
				}()
				rig.WaitFor(t, "the owner to be asked", func() bool { return len(app.Srv.Approvals()) == 1 })
				if a := app.Srv.Approvals()[0]; a.Arguments != "{\n  \"path\": \"/tmp/a\"\n}" || app.Srv.Answer(t.Context(), a.ID, true) != nil {
					t.Errorf("asked %+v", a)
				}
				if r := <-answer; !strings.Contains(r.Body, "written") || done() != "/tmp/a\n" {
					t.Errorf("answered %s, done %q", rig.Clip(r.Body), done())
				}
				if err := os.Remove(filepath.Join(folder, "written")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Whatever a rule for a folder lets through, WHATWG's parser leaves in the folder,
// and net/url as well (FuzzURI in policy).
func TestURIsAsWHATWGReadsThem(t *testing.T) {
	rules, who := policy.New([]config.Rule{{Resources: []string{"file:///X/public/*"}}}), &oauth.Caller{}
	pieces := []string{"..", ".", "/", "\\", "%2e", "%2E", "%2f", "%5c", "%252e", "%25", "%", "%zz", "\t", "\n", "\r", " ", "#", "?", ";", ":", "@", "|", "C:", "a", "b.txt", "ä", "\u2028", "\x00", "[", "{", "^", "%00", "%09", "%c0%ae", "//", "&", "="}
	r := rand.New(rand.NewPCG(1, 2))
	reader := rig.StartScript(t, nil, "servers/uris.mjs")
	allowed := 0
	for range 20 {
		var uris []string
		for range 5000 {
			uri := "file:///X/public/"
			for range 1 + r.IntN(7) {
				uri += pieces[r.IntN(len(pieces))]
			}
			if rules.Resource(who, "s", uri) {
				uris = append(uris, uri)
			}
		}
		allowed += len(uris)
		reader.Write(uris)
		var paths []*string
		reader.Read(&paths)
		if len(paths) != len(uris) {
			t.Fatalf("%d of %d were read", len(paths), len(uris))
		}
		for i, p := range paths {
			if p != nil && path.Clean(*p) != "/X/public" && !strings.HasPrefix(path.Clean(*p), "/X/public/") {
				t.Errorf("%q leads to %q", uris[i], *p)
			}
		}
	}
	if allowed < 1000 {
		t.Errorf("%d were allowed: the test tells nothing", allowed)
	}
}
