package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"testing"
	"time"
)

// authorizeURL finds the address that a client asks a person to open.
var authorizeURL = regexp.MustCompile(`(https?://\S+/authorize\?\S+)`)

// mcp-remote brings stdio clients to servers behind OAuth: Claude Desktop and
// many editors go through it.
func TestMCPRemote(t *testing.T) {
	t.Run("by registration", func(t *testing.T) {
		runRemote(t, "legacy", false)
	})
	t.Run("by metadata document, 2026-07-28", func(t *testing.T) {
		runRemote(t, "auto", true)
	})
}

func runRemote(t *testing.T, protocol string, byDocument bool) {
	app := StartApp(t, AppOptions{Access: time.Second})
	port := freePort(t)
	args := []string{"node_modules/mcp-remote/dist/proxy.js", app.MCPURL, fmt.Sprint(port), "--protocol", protocol}
	if byDocument {
		args = append(args, "--client-metadata-url", ServeMetadata(t, fmt.Sprintf("http://localhost:%d/oauth/callback", port)).ID)
	}
	remote := startProcess(t, []string{"MCP_REMOTE_CONFIG_DIR=" + t.TempDir(), "BROWSER=/bin/true"}, needNode(t), args...)

	page := signInAtListener(t, remote, "alice")
	page.wantStatus(t, http.StatusOK)

	stdio := &stdioClient{script: remote}
	stdio.request("initialize", map[string]any{
		"protocolVersion": legacyVersion, "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "e2e", "version": "1"},
	})
	remote.Write(map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
	stdio.checkTools(t)
	waitFor(t, "a refresh", func() bool {
		stdio.checkTools(t)
		return app.CountEvents(t, "token.refreshed") > 0
	})
}

// signInAtListener opens the address that script asks for and goes on until
// the script's own listener answers.
func signInAtListener(t *testing.T, script *Script, user string) *Page {
	t.Helper()
	b := NewBrowser(t)
	return b.Walk(b.Open(script.Logged(authorizeURL)), user, "")
}

// stdioClient speaks MCP with a program over its standard input and output.
type stdioClient struct {
	script *Script
	id     int
}

func (c *stdioClient) request(method string, params map[string]any) json.RawMessage {
	c.script.t.Helper()
	c.id++
	c.script.Write(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	for {
		var m struct {
			ID     int
			Result json.RawMessage
			Error  json.RawMessage
		}
		c.script.Read(&m)
		switch {
		case m.ID != c.id: // a notification, or a question of the server
		case m.Error != nil:
			c.script.t.Fatalf("%s: %s", method, m.Error)
		default:
			return m.Result
		}
	}
}

// checkTools calls the three tools and checks what they say.
func (c *stdioClient) checkTools(t *testing.T) {
	t.Helper()
	tool := func(name string, args map[string]any) (r toolResult) {
		if err := json.Unmarshal(c.request("tools/call", map[string]any{"name": name, "arguments": args}), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	checkToolResults(t, tool("echo", map[string]any{"message": "grüezi"}), tool("add", map[string]any{"a": 19, "b": 23}), tool("whoami", map[string]any{}))
}

// toolResult is the result of tools/call, as far as the tests read it.
type toolResult struct {
	Content           []struct{ Text string }
	StructuredContent json.RawMessage
	IsError           bool
}

func checkToolResults(t *testing.T, echo, add, whoami toolResult) {
	t.Helper()
	if len(echo.Content) == 0 || echo.Content[0].Text != "Echo: grüezi" {
		t.Errorf("echo gave %+v", echo)
	}
	if len(add.Content) == 0 || add.Content[0].Text != "42" {
		t.Errorf("add gave %+v", add)
	}
	if email := personIn(t, whoami.StructuredContent); email != "alice@example.com" {
		t.Errorf("whoami named %q", email)
	}
}

// freePort returns a loopback port on which nobody listens.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// waitFor calls cond until it is true, for half a minute.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("waited half a minute for %s", what)
}
