package tunnel

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A silent stream lives on through the tunnel, since comments keep it alive: the
// edge here gives silence forty seconds, ngrok gives five minutes.
func TestTunnelIdleStream(t *testing.T) {
	if testing.Short() {
		t.Skip("an idle stream is watched for a real minute; not with -short")
	}
	t.Parallel()
	watch := 65 * time.Second
	if long, err := time.ParseDuration(os.Getenv("DRAWBRIDGE_TEST_IDLE")); err == nil {
		watch = long
	}
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{Idle: 40 * time.Second}), nil)
	_, tokens, _ := app.SignedIn(t)
	m := app.MCP(t, tokens.Access)
	m.Initialize()
	resp, err := (&http.Client{Transport: rig.PlainHTTP.Transport}).Do(m.Request(http.MethodGet, nil, "Accept", "text/event-stream"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	defer resp.Body.Close()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	began := time.Now()
	over := time.After(watch)
	comments, last, longest := 0, time.Now(), time.Duration(0)
	for watching := true; watching; {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the stream ended after %v", time.Since(began))
			}
			if strings.HasPrefix(line, ":") {
				comments++
				longest, last = max(longest, time.Since(last)), time.Now()
			}
		case <-over:
			watching = false
		}
	}
	t.Logf("%d comments in %v, the longest silence %v", comments, time.Since(began).Round(time.Second), longest.Round(100*time.Millisecond))
	if comments < 2 || longest > 27*time.Second { // one every 25 s, passed on at once
		t.Errorf("%d comments, the longest silence %v", comments, longest)
	}
	m.CallTool("echo", map[string]any{"message": "still here"})
}
