package servers

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A client that listens is told when Drawbridge ends: subscriptions/listen has
// its result then, as the specification asks of a server that closes it. Without
// it clients take the end for a broken connection.
func TestGoodbye(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	tokens := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app.MCPURL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + tokens.Access, "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"} {
		req.Header.Set(name, value)
	}
	resp, err := rig.PlainHTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begun := make([]byte, 4096)
	n, err := resp.Body.Read(begun)
	if err != nil || !strings.Contains(string(begun[:n]), "acknowledged") {
		t.Fatalf("%d %s %v", resp.StatusCode, begun[:n], err)
	}
	app.Stop()
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(rest), `"result":{`) {
		t.Errorf("it ended with %q, %v", rest, err)
	}
}
