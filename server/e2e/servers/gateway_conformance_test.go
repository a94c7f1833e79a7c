package servers

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The official conformance suite's server scenarios, in both eras, against the
// gateway and the boundary before it. What they call is a fixture, because
// Drawbridge's own tools are none of the suite's; the guard is left out,
// because the suite has no token to send.
func TestConformanceServer(t *testing.T) {
	node := rig.NeedNode(t)
	for revision, required := range map[string]int{rig.LegacyVersion: 30, rig.ModernVersion: 37} {
		t.Run(revision, func(t *testing.T) {
			t.Parallel()
			suite := rig.StartProcess(t, nil, node, "node_modules/@modelcontextprotocol/conformance/dist/index.js", "server",
				"--url", startFixture(t), "--requirements", revision, "-o", t.TempDir())
			out, code := suite.Wait()
			unscored := map[string]bool{}
			for _, m := range regexp.MustCompile(`[✓✗] (\S+) \(`).FindAllStringSubmatch(out, -1) {
				unscored[m[1]] = true // extensions, and what is still being drafted
			}
			passed := 0
			for _, m := range regexp.MustCompile(`([✓✗]) (\S+): \d+ passed, (\d+) failed`).FindAllStringSubmatch(out, -1) {
				if unscored[m[2]] {
					continue
				}
				if passed++; m[1] != "✓" || m[3] != "0" {
					t.Errorf("%s: %s failed", m[2], m[3])
				}
			}
			if code != 0 || passed != required {
				t.Errorf("exit code %d, %d scenarios, want %d", code, passed, required)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) Load(string, func(string, []byte) error) error { return nil }
func (nowhere) Save([]oauth.Change, ...status.Event) error    { return nil }

func everybody(*oauth.Caller) bool { return true }

// startFixture serves the fixture and returns its MCP URL.
func startFixture(t testing.TB) string {
	t.Helper()
	f := &fixture{}
	if err := json.Unmarshal(fixtureJSON, f); err != nil {
		t.Fatal(err)
	}
	memory, err := gateway.OpenMemory(nowhere{}, nowhere{}, time.Now, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := gateway.NewEndpoint(gateway.EndpointOptions{Backend: f, ServerInfo: json.RawMessage(`{"name":"fixture","version":"1"}`),
		DataKey: make([]byte, 32), Memory: memory, Now: time.Now, Log: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	f.endpoint = endpoint
	srv := httptest.NewUnstartedServer(nil)
	url := "http://" + srv.Listener.Addr().String()
	boundary, err := resource.NewBoundary(resource.BoundaryOptions{Public: url, Local: url})
	if err != nil {
		t.Fatal(err)
	}
	handler := endpoint.Handler()
	srv.Config.Handler = boundary.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(oauth.WithCaller(r.Context(), &oauth.Caller{Session: "conformance"})))
	}))
	srv.Start()
	t.Cleanup(func() {
		endpoint.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	return strings.Replace(url, "127.0.0.1", "localhost", 1) + "/mcp"
}
