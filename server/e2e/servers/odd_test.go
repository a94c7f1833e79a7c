package servers

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Odd items stand beside good ones; real clients see all of them, at both paths,
// and the owner reads what was mended.
func TestOddItemsBesideGood(t *testing.T) {
	odd := rig.NodeServer(t, "odd.mjs", `{
		"tools/list": {"tools": [{"name": "bad"}, {"name": "nulls", "description": null, "annotations": null, "inputSchema": {"type": "object", "properties": null}}, {"name": "out", "outputSchema": [], "inputSchema": {"anyOf": [{"type": "object"}]}}, {"inputSchema": {}}, null]},
		"prompts/list": {"prompts": [{"name": "p", "arguments": null, "title": null}, {"name": "q", "arguments": [{"name": "a", "required": "yes"}]}]},
		"resources/list": {"resources": [{"uri": "odd:one", "mimeType": null}, {"uri": "odd:two", "name": "two", "size": "12", "annotations": {"priority": 7}}]},
		"resources/templates/list": {"resourceTemplates": [{"uriTemplate": "odd:{x}", "name": null}]},
		"bad": {"content": [{"type": "text", "text": "done", "annotations": null, "_meta": null}], "structuredContent": null, "isError": null}}`)
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"good": rig.SmallServer(t, 2), "odd": odd}))
	app.WaitForServers(t)
	for _, k := range realClients {
		for path, tools := range map[string][]string{"/mcp": {"bad", "nulls", "out", "echo1", "add"}, "/s/odd/mcp": {"bad", "nulls", "out"}} {
			t.Run(k.name+path, func(t *testing.T) {
				c := rig.StartRealClient(t, app.URL+path, k.sdk, k.mode, "alice")
				for what, want := range map[string][]string{"tools": tools, "prompts": {"p", "q"}, "resources": {"odd:one", "odd:two"}, "templates": {"odd:{x}"}} {
					got := c.List(what)
					for _, name := range want {
						if !slices.Contains(got, name) {
							t.Errorf("%s: %v lacks %s", what, got, name)
						}
					}
				}
				if got := c.Tool("bad", nil); got.Text != "done" {
					t.Errorf("called: %+v", got)
				}
			})
		}
	}
	var doctor strings.Builder
	for _, check := range app.Srv.Doctor(t.Context()) {
		fmt.Fprintln(&doctor, check.Name, check.Result)
	}
	for _, want := range []string{`What the server odd offers was mended, so that clients take it: tool "bad": inputSchema`, `tool "nulls": description: null was left out`, `resource "odd:one": mimeType`} {
		if !strings.Contains(doctor.String(), want) {
			t.Errorf("doctor lacks %q:\n%s", want, doctor.String())
		}
	}
}

// The official example server speaks HTTP+SSE of 2024-11-05, too.
func TestServerOfSSE(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	node := rig.NeedNode(t)
	script, err := filepath.Abs("node_modules/@modelcontextprotocol/server-everything/dist/index.js")
	if err != nil {
		t.Fatal(err)
	}
	rig.StartProcess(t, []string{fmt.Sprintf("PORT=%d", port)}, node, script, "sse")
	rig.WaitFor(t, "the server", func() bool {
		c, err := net.Dial("tcp", free.Addr().String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"everything": {URL: fmt.Sprintf("http://127.0.0.1:%d/sse", port)}}))
	app.WaitForServers(t)
	for _, k := range realClients {
		t.Run(k.name, func(t *testing.T) {
			c := rig.StartRealClient(t, app.MCPURL, k.sdk, k.mode, "alice")
			if got := c.List("tools"); len(got) < 8 {
				t.Errorf("tools %v", got)
			}
			if got := c.Tool("everything__echo", map[string]any{"message": "hello"}); got.Text != "Echo: hello" {
				t.Errorf("echo: %+v", got)
			}
			if got := c.Tool("trigger-long-running-operation", map[string]any{"duration": 1, "steps": 3}); len(got.Progress) == 0 {
				t.Errorf("progress: %+v", got)
			}
		})
	}
}
