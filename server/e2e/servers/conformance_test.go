package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// The official conformance suite against a mounted server that offers all it
// asks for: alone at /s/NAME/mcp, and among others at /mcp. Every scenario that
// counts for a revision passes: 30 of 2025-11-25, 37 of 2026-07-28. Whatever
// the server's era, clients of both are served.
//
// DRAWBRIDGE_CONFORMANCE_ROUNDS says how often in a row, of each server at both
// paths; else each is asked once, at one of them.
func TestConformanceOfMountedServers(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("DRAWBRIDGE_CONFORMANCE_ROUNDS"))
	paths := []string{"/s/fixture/mcp", "/mcp"}
	for i, transport := range []string{"stdio", "http"} {
		for j, era := range [][]string{nil, {"legacy"}} {
			t.Run(strings.Join(append([]string{transport}, era...), " "), func(t *testing.T) {
				app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"fixture": rig.ConformanceServer(t, transport, era...)}))
				app.WaitForServers(t)
				for k, path := range paths {
					if rounds == 0 && k != (i+j)%2 {
						continue
					}
					address := app.SignedIn(t, app.SignInAt(t, app.Register(t, rig.ClientURI), "alice", path).Access) + path
					for range max(rounds, 1) {
						conform(t, address, "2025-11-25", 30)
						conform(t, address, "2026-07-28", 37, inOtherWords(era)...)
					}
				}
			})
		}
	}
}

// inOtherWords is the scenarios of 2026-07-28 that can't pass at a server of the
// eras with sessions, and why.
func inOtherWords(era []string) []string {
	if era == nil {
		return nil
	}
	return []string{
		// looks for the fixture's own name of its question: such a server's
		// questions have none, Drawbridge names them
		"input-required-result-basic-elicitation",
		// looks for -32021 where the client lacks a capability: such a server
		// learned that when it was opened for that client, and says it in its
		// own words
		"server-stateless",
		// look for roots/list among the questions: no client is asked
		"input-required-result-basic-list-roots",
		"input-required-result-multiple-input-requests",
	}
}

var (
	scenarioLine = regexp.MustCompile(`(?m)^([✓✗]) ([a-z0-9-]+): (\d+) passed, (\d+) failed`)
	unscored     = regexp.MustCompile(`(?m)^  [✓✗] ([a-z0-9-]+) \(`)
)

// conform runs every scenario that counts for a revision; all but those named
// must pass.
func conform(t *testing.T, address, revision string, scenarios int, but ...string) {
	t.Helper()
	results := t.TempDir()
	suite := rig.StartProcess(t, nil, rig.NeedNode(t), "node_modules/@modelcontextprotocol/conformance/dist/index.js", "server",
		"--url", address, "--requirements", revision, "-o", results)
	out, code := suite.Wait()
	left := map[string]bool{}
	for _, m := range unscored.FindAllStringSubmatch(out, -1) {
		left[m[1]] = true
	}
	passed, failed := 0, []string{}
	for _, m := range scenarioLine.FindAllStringSubmatch(out, -1) {
		switch {
		case left[m[2]]:
		case m[1] == "✓":
			passed++
		case !slices.Contains(but, m[2]):
			failed = append(failed, m[2])
		}
	}
	t.Logf("%s at %s: %d scenarios passed, %d did not", revision, rig.MustParse(t, address).Path, passed, len(failed))
	if len(failed) > 0 || passed+len(but) != scenarios || (code != 0 && len(but) == 0) {
		t.Errorf("%s: %d of %d scenarios passed, exit code %d; failed: %v\n%s", revision, passed, scenarios, code, failed, failures(out))
		for _, scenario := range failed {
			files, _ := filepath.Glob(filepath.Join(results, "server-"+scenario+"-*", "checks.json"))
			for _, file := range files {
				checks, _ := os.ReadFile(file)
				t.Logf("%s: %s", scenario, checks)
			}
		}
	}
}

// failures is the part of the suite's report that says what went wrong.
func failures(out string) string {
	var lines []string
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "FAILURE") || strings.HasPrefix(line, "✗") || strings.Contains(line, "rror") {
			lines = append(lines, line)
		}
	}
	return fmt.Sprint(strings.Join(lines, "\n"))
}
