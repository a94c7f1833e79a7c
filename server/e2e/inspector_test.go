package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
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
	app := StartApp(t, AppOptions{Access: time.Second})
	callback := fmt.Sprintf("http://127.0.0.1:%d/oauth/callback", freePort(t))
	args := []string{"node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", app.MCPURL, "--transport", "http", "--callback-url", callback}
	if byDocument {
		args = append(args, "--client-metadata-url", ServeMetadata(t, callback).ID)
	}
	env := []string{"HOME=" + t.TempDir(), "MCP_INSPECTOR_SECRET_STORE=file", "MCP_AUTO_OPEN_ENABLED=true", "BROWSER=/bin/true"}
	inspect := func(more ...string) *Script {
		return startProcess(t, env, needNode(t), append(args[:len(args):len(args)], more...)...)
	}

	first := inspect("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=grüezi")
	signInAtListener(t, first, "alice").wantStatus(t, 200)
	echo := inspectorResult(t, first)
	add := inspectorResult(t, inspect("--stored-auth-only", "--method", "tools/call", "--tool-name", "add", "--tool-arg", "a=19", "b=23"))
	waitFor(t, "a refresh", func() bool {
		whoami := inspectorResult(t, inspect("--stored-auth-only", "--method", "tools/call", "--tool-name", "whoami"))
		checkToolResults(t, echo, add, whoami)
		return app.CountEvents(t, "token.refreshed") > 0
	})
}

func inspectorResult(t *testing.T, s *Script) (r toolResult) {
	t.Helper()
	stdout, code := s.Wait()
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, clip(stdout), s.log)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, clip(stdout))
	}
	return r
}
