//go:build unix

package mount

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// sseServer is mcp-go's server of HTTP+SSE at /sse and /message.
func sseServer(t *testing.T) *httptest.Server {
	s := mcpserver.NewMCPServer("sse", "1", mcpserver.WithToolCapabilities(true))
	s.AddTool(mcp.NewTool("echo", mcp.WithString("text")), func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.Params.Meta != nil && r.Params.Meta.ProgressToken != nil {
			_ = s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progressToken": r.Params.Meta.ProgressToken, "progress": 1})
		}
		return mcp.NewToolResultText(r.GetString("text", "")), nil
	})
	sse := httptest.NewUnstartedServer(nil)
	sse.Config.Handler = mcpserver.NewSSEServer(s, mcpserver.WithBaseURL("http://"+sse.Listener.Addr().String()))
	sse.Start()
	t.Cleanup(func() { sse.CloseClientConnections(); sse.Close() })
	return sse
}

func TestSSE(t *testing.T) {
	sse := sseServer(t)
	for name, conf := range map[string]config.Server{
		"by its type": {Name: "x", URL: sse.URL + "/sse", SSE: true},
		"by its URL":  {Name: "x", URL: sse.URL + "/sse"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, quick, Options{Identity: signer})
			r.Apply([]config.Server{conf})
			c, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil || len(c.Tools) != 1 || c.Tools[0].Name != "echo" {
				t.Fatalf("%+v, %v", c, err)
			}
			l := &listener{}
			call := func(text string) (rpc.Object, error) {
				return r.Call(within(t), "x", r.client("ana"), "tools/call", encode(map[string]any{"name": "echo", "arguments": map[string]string{"text": text}, "_meta": map[string]string{"progressToken": "mine"}}), l)
			}
			for _, text := range []string{"a", strings.Repeat("x", 100_000), "ü\u2028\n"} {
				got, err := call(text)
				var result struct{ Content []struct{ Text string } }
				if err != nil || json.Unmarshal(got.Raw(), &result) != nil || len(result.Content) != 1 || result.Content[0].Text != text {
					t.Errorf("%.50q: %.200s, %v", text, got.Raw(), err)
				}
			}
			// mcp-go keeps no order between the two, so progress may come too late.
			eventually(t, "progress comes", func() bool { _, _ = call("c"); return strings.Contains(l.all(), `"progressToken":"mine"`) })
			// It is started again, and the next call does not notice.
			sse.CloseClientConnections()
			eventually(t, "a call is answered again", func() bool { _, err := r.tool(within(t), "ana", "echo", "b", 0, nil); return err == nil })
			eventually(t, "all is well", func() bool { return r.state().State == "ok" })
		})
	}
}

// scripted is a server of HTTP+SSE that says what it is told, byte for byte.
type scripted struct {
	*httptest.Server
	endpoint string
	mu       sync.Mutex                     // guards streams
	streams  map[string]http.ResponseWriter // by session
	hangUp   chan struct{}
}

func newScripted(t *testing.T, path string) *scripted {
	s := &scripted{endpoint: "event: endpoint\ndata: /post?session=SESSION\n\n", streams: make(map[string]http.ResponseWriter), hangUp: make(chan struct{})}
	say := func(session, text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if stream := s.streams[session]; stream != nil {
			fmt.Fprint(stream, text)
			stream.(http.Flusher).Flush()
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		s.mu.Lock()
		session := rand.Text()
		s.streams[session] = w
		s.mu.Unlock()
		say(session, ": hello\n\n"+strings.ReplaceAll(s.endpoint, "SESSION", session))
		abort := false
		select {
		case <-req.Context().Done():
		case <-s.hangUp:
			abort = true
		}
		s.mu.Lock() // nothing is written to what net/http closes
		delete(s.streams, session)
		s.mu.Unlock()
		if abort {
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("POST /post", func(w http.ResponseWriter, req *http.Request) {
		_, m := peek(req)
		result := ""
		switch {
		case m.ID == nil:
		case m.Method == "initialize":
			result = `{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}`
		case m.Method == "tools/list":
			result = `{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}`
		case strings.Contains(string(m.Params), "hang"):
			close(s.hangUp)
		default:
			result = `{"n":90071992547409931, "x":1.0}`
		}
		w.WriteHeader(202)
		if result != "" {
			say(req.FormValue("session"), fmt.Sprintf("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", m.ID, result))
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func TestSSEByteForByte(t *testing.T) {
	for path, sse := range map[string]bool{"/sse": true, "/events": true, "/old/sse/": false, "/mcp": false} { // the last after its POST was refused
		t.Run(path, func(t *testing.T) {
			s := newScripted(t, path)
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{{Name: "x", URL: s.URL + path, SSE: sse}})
			if got := string(r.mustTool("ana", "echo", "", 0, nil)); got != `{"n":90071992547409931, "x":1.0}` {
				t.Error(got)
			}
			_, err := r.tool(within(t), "ana", "hang", "", 0, nil)
			if err == nil || !strings.Contains(err.Error(), "ended the stream on which it answers") {
				t.Errorf("a call when the stream ends: %v", err)
			}
		})
	}
}

func TestSSERefused(t *testing.T) {
	elsewhere := newScripted(t, "/sse")
	elsewhere.endpoint = "event: endpoint\ndata: https://evil.example/post\n\n"
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }))
	defer page.Close()
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	for want, url := range map[string]string{"post to another place": elsewhere.URL + "/sse", `write "type": "http"`: page.URL, "HTTP status 404": none.URL + "/sse"} {
		r := newRig(t, quick, Options{})
		r.Apply([]config.Server{{Name: "x", URL: url, SSE: true}})
		if _, err := r.Catalog(within(t), "x", Client{}, Needed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		r.Close()
	}
}
