package clients

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// The Inspector's command line: one process a call, tokens on disk between
// them. Later calls may not sign in again, so they have to refresh.
func TestInspectorCLI(t *testing.T) {
	for _, byDocument := range []bool{false, true} {
		name := map[bool]string{false: "by registration", true: "by metadata document"}[byDocument]
		t.Run(name, func(t *testing.T) { runInspector(t, byDocument) })
	}
}

func runInspector(t *testing.T, byDocument bool) {
	app := rig.StartApp(t, rig.AppOptions{Access: time.Second})
	callback := fmt.Sprintf("http://127.0.0.1:%d/oauth/callback", rig.FreePort(t))
	args := []string{"node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", app.MCPURL, "--transport", "http", "--callback-url", callback}
	if byDocument {
		args = append(args, "--client-metadata-url", rig.ServeMetadata(t, callback).ID)
	}
	env := []string{"HOME=" + t.TempDir(), "MCP_INSPECTOR_SECRET_STORE=file", "MCP_AUTO_OPEN_ENABLED=true", "BROWSER=/bin/true"}
	inspect := func(more ...string) *rig.Script {
		return rig.StartProcess(t, env, rig.NeedNode(t), append(args[:len(args):len(args)], more...)...)
	}

	first := inspect("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=grüezi")
	rig.SignInAtListener(t, first, "alice").WantStatus(t, 200)
	echo := inspectorResult(t, first)
	add := inspectorResult(t, inspect("--stored-auth-only", "--method", "tools/call", "--tool-name", "add", "--tool-arg", "a=19", "b=23"))
	rig.WaitFor(t, "a refresh", func() bool {
		whoami := inspectorResult(t, inspect("--stored-auth-only", "--method", "tools/call", "--tool-name", "whoami"))
		rig.CheckToolResults(t, echo, add, whoami)
		return app.CountEvents(t, "token.refreshed") > 0
	})
}

func inspectorResult(t *testing.T, s *rig.Script) (r rig.ToolResult) {
	t.Helper()
	stdout, code := s.Wait()
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, rig.Clip(stdout), s.Log)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, rig.Clip(stdout))
	}
	return r
}
