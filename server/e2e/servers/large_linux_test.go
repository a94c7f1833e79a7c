package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// most is how much memory the program may hold while it carries large messages,
// and rest what it holds again soon after.
const most, rest = 200 << 20, 80 << 20

// largeServer is an MCP server over HTTP whose tool gives as many bytes as asked.
func largeServer(t *testing.T) rig.MCPServer {
	t.Helper()
	s := server.NewMCPServer("large", "1", server.WithToolCapabilities(true))
	s.AddTool(mcp.NewTool("give", mcp.WithNumber("bytes", mcp.Required())), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(strings.Repeat("x", r.GetInt("bytes", 0))), nil
	})
	srv := httptest.NewServer(server.NewStreamableHTTPServer(s))
	t.Cleanup(srv.Close)
	return rig.MCPServer{URL: srv.URL + "/mcp"}
}

// crowd makes n calls at once, each on a connection of its own, and returns how
// many were answered by what. late holds back every reader until it is closed.
func crowd(t *testing.T, n int, late <-chan struct{}, call func() *http.Request) map[string]int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, DisableCompression: true}, Timeout: 5 * time.Minute}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range n {
		wg.Go(func() {
			what := "nothing"
			resp, err := client.Do(call())
			if err == nil {
				if late != nil {
					<-late
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				switch {
				case err != nil:
					what = "half an answer"
				case bytes.Contains(body[:min(len(body), 200)], []byte(`"error"`)):
					what = "error " + strconv.Itoa(resp.StatusCode)
				case bytes.Contains(body, []byte(`"isError":true`)):
					what = "failed " + string(body[:min(len(body), 300)])
				default:
					what = "a result of " + strconv.Itoa(len(body)>>20) + " MB"
				}
			} else if t.Context().Err() == nil {
				what = "no answer"
			}
			mu.Lock()
			defer mu.Unlock()
			answers[what]++
		})
	}
	wg.Wait()
	return answers
}

func callOf(t *testing.T, m *rig.MCP, name string, arguments map[string]any) func() *http.Request {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": name, "arguments": arguments}})
	if err != nil {
		t.Fatal(err)
	}
	return func() *http.Request { return m.Request(http.MethodPost, bytes.NewReader(body)) }
}

// Many calls at once for results of 15 MB: each is answered, the program stays
// small, and is as small as before soon after.
func TestManyLargeResults(t *testing.T) {
	n := 10
	if rig.Long() {
		n = 64
	}
	stdio := rig.SmallServer(t, 1)
	stdio.Env[rig.StdioGives] = strconv.Itoa(15 << 20)
	for tool, mounted := range map[string]rig.MCPServer{"give": largeServer(t), "large__echo": stdio} {
		t.Run(tool, func(t *testing.T) {
			app := rig.StartBinary(t, rig.Mounting(t, rig.AppOptions{Plain: true}, map[string]rig.MCPServer{"large": mounted}))
			app.WaitForServers(t)
			m := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice").Access)
			m.Initialize()
			call := callOf(t, m, tool, map[string]any{"bytes": 15 << 20})
			began := time.Now()
			answers := crowd(t, n, nil, call)
			_, peak := app.Resident(t)
			t.Logf("%v in %v, at most %d MB", answers, time.Since(began).Round(time.Millisecond), peak>>20)
			if answers["a result of 15 MB"] != n || peak > most {
				t.Errorf("answered %v, with %d MB", answers, peak>>20)
			}
			shrinks(t, app)
		})
	}
}

// 60 calls of 4 MB of one session whose client reads late: each is answered, or
// told to come again, and the program stays small; another session goes on.
func TestLateReader(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{Plain: true})
	c := app.Register(t, rig.ClientURI)
	m := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), c, "alice").Access)
	m.Initialize()
	other := app.MCP(t, app.SignIn(t, rig.NewBrowser(t), c, "bob").Access)
	other.Initialize()
	late := make(chan struct{})
	done := make(chan map[string]int)
	go func() {
		done <- crowd(t, 60, late, callOf(t, m, "echo", map[string]any{"message": strings.Repeat("x", 4<<20-1024)}))
	}()
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // how late it reads
		began := time.Now()
		other.CallTool("echo", map[string]any{"message": "meanwhile"})
		if took := time.Since(began); took > rig.Within(5*time.Second) {
			t.Errorf("another session waits for %v", took)
		}
	}
	other.CallTool("echo", map[string]any{"message": strings.Repeat("y", 3<<20)})
	close(late)
	answers := <-done
	_, peak := app.Resident(t)
	t.Logf("%v, at most %d MB", answers, peak>>20)
	if good, busy := answers["a result of 3 MB"], answers["error 429"]; good == 0 || good+busy != 60 || peak > most {
		t.Errorf("answered %v, with %d MB", answers, peak>>20)
	}
	shrinks(t, app)
}

// shrinks waits until the program has given back what it does not need.
func shrinks(t *testing.T, app *rig.App) {
	t.Helper()
	began, now := time.Now(), 0
	for end := began.Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if now, _ = app.Resident(t); now < rest {
			t.Logf("%d MB after %v", now>>20, time.Since(began).Round(time.Millisecond))
			return
		}
	}
	t.Errorf("it still holds %d MB", now>>20)
}
