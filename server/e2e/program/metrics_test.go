package program

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// What Prometheus finds by the two files in the data folder, and that nobody from
// outside makes a series of their own.
func TestMetrics(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	for range 3 {
		app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})
	}
	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join(app.Options.DataDir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var targets []struct{ Targets []string }
	if err := json.Unmarshal([]byte(file("metrics.json")), &targets); err != nil {
		t.Fatal(err)
	}
	scrape := func(key string) (string, int) {
		req, err := http.NewRequest("GET", "http://"+targets[0].Targets[0]+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), resp.StatusCode
	}
	if _, code := scrape(tokens.Access); code != http.StatusUnauthorized {
		t.Errorf("a client's token: status %d", code)
	}
	figures, code := scrape(file("metrics.key"))
	for _, want := range []string{`drawbridge_state{state="ready"} 1`, `drawbridge_tunnel_state{state="off"} 1`, `drawbridge_sessions 1`,
		`drawbridge_calls_total{server="drawbridge",outcome="ok"} 3`, `drawbridge_call_duration_seconds_count{server="drawbridge"} 3`} {
		if code != http.StatusOK || !strings.Contains(figures, want+"\n") {
			t.Errorf("status %d, no %s", code, want)
		}
	}

	mcp := app.MCP(t, tokens.Access)
	for i := range 40 {
		odd := fmt.Sprintf("odd%d", i)
		mcp.Call("tools/call", map[string]any{"name": odd + "__" + odd, "arguments": map[string]any{}})
		for _, path := range []string{"/" + odd, "/s/" + odd + "/mcp", "/authorize?client_id=" + odd + "&redirect_uri=https://" + odd + ".example/"} {
			req, err := http.NewRequest("GET", app.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", odd)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
	}
	figures, _ = scrape(file("metrics.key"))
	if strings.Contains(figures, "odd") || !regexp.MustCompile(`drawbridge_refusals_total\{reason="authorize\.[a-z]+"\} 40\n`).MatchString(figures) {
		t.Errorf("after strangers' requests:\n%s", figures)
	}
	if lines := strings.Count(figures, "\n"); lines > 100 {
		t.Errorf("%d lines", lines)
	}
	app.Stop()
	if left, _ := filepath.Glob(filepath.Join(app.Options.DataDir, "metrics.*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
