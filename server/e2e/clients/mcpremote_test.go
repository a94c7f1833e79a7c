package clients

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

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
	app := rig.StartApp(t, rig.AppOptions{Access: time.Second})
	port := rig.FreePort(t)
	args := []string{"node_modules/mcp-remote/dist/proxy.js", app.MCPURL, fmt.Sprint(port), "--protocol", protocol}
	if byDocument {
		args = append(args, "--client-metadata-url", rig.ServeMetadata(t, fmt.Sprintf("http://localhost:%d/oauth/callback", port)).ID)
	}
	remote := rig.StartProcess(t, []string{"MCP_REMOTE_CONFIG_DIR=" + t.TempDir(), "BROWSER=/bin/true"}, rig.NeedNode(t), args...)

	page := rig.SignInAtListener(t, remote, "alice")
	page.WantStatus(t, http.StatusOK)

	stdio := &rig.StdioClient{Script: remote}
	stdio.Request("initialize", map[string]any{
		"protocolVersion": rig.LegacyVersion, "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "e2e", "version": "1"},
	})
	remote.Write(map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
	stdio.CheckTools(t)
	rig.WaitFor(t, "a refresh", func() bool {
		stdio.CheckTools(t)
		return app.CountEvents(t, "token.refreshed") > 0
	})
}
