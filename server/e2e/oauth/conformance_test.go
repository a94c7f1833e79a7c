package oauth

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// The official conformance suite's scenarios for authorization servers: the
// metadata, and an authorization code grant from end to end.
func TestConformanceAuthorization(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	port := rig.FreePort(t)
	client := app.Register(t, fmt.Sprintf("http://127.0.0.1:%d/callback", port))
	suite := rig.StartProcess(t, nil, rig.NeedNode(t), "node_modules/@modelcontextprotocol/conformance/dist/index.js", "authorization",
		"--url", app.URL, "--client-id", client.ID, "--resource", app.MCPURL, "-p", fmt.Sprint(port))

	var out strings.Builder
	var address string
	for line := range suite.Lines {
		fmt.Fprintln(&out, line)
		if found := rig.AuthorizeURL.FindString(line); found != "" {
			address = found
		}
		if strings.HasPrefix(line, "Callback server started") { // said after the address
			b := rig.NewBrowser(t)
			b.Walk(b.Open(address), "alice", "").WantStatus(t, 200)
		}
	}
	_, code := suite.Wait()
	for _, scenario := range []string{"authorization-server-metadata-endpoint", "authorization-code-grant"} {
		passed := regexp.MustCompile(`✓ ` + scenario + `: (\d+) passed, 0 failed`)
		if !passed.MatchString(out.String()) {
			t.Errorf("scenario %s did not pass", scenario)
		}
	}
	if code != 0 || t.Failed() || strings.Contains(out.String(), "WARNING") {
		t.Errorf("exit code %d:\n%s\n%s", code, &out, suite.Log)
	}
}
