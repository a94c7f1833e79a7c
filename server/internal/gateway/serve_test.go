package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

type httpResponse = http.Response

func wantStream(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":      "text/event-stream",
		"X-Accel-Buffering": "no", // TR-10
		"Cache-Control":     "no-store",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"%s","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// It handles every protocol revision on one endpoint.
func TestRevisions(t *testing.T) {
	r := newRig(t)
	for asked, want := range map[string]string{
		"2024-11-05": "2024-11-05", "2025-03-26": "2025-03-26", "2025-06-18": "2025-06-18", "2025-11-25": "2025-11-25",
		"2026-07-28": "2025-11-25", // it has no initialize: the newest that has
		"1999-01-01": "2025-11-25",
	} {
		resp := r.post(fmt.Sprintf(initialize, asked))
		if body := text(t, resp); !strings.Contains(body, `"protocolVersion":"`+want+`"`) {
			t.Errorf("%s: %s", asked, body)
		}
	}
	resp := r.post(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{`+meta+`}}`,
		"MCP-Protocol-Version: "+modern, "Mcp-Method: server/discover")
	if body := text(t, resp); !strings.Contains(body, `"2026-07-28","2025-11-25","2025-06-18","2025-03-26"`) {
		t.Errorf("discover: %s", body)
	}
	if resp.Header.Get("Mcp-Session-Id") != "" {
		t.Error("2026-07-28 has no sessions")
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	call, headers := stateless("echo", `{"message":"x"}`)
	deep := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}}`
	for name, c := range map[string]struct {
		method, body string
		headers      []string
		status       int
		want         string // in the body
	}{
		"a notification":                {"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, []string{session}, 202, ""},                                           // TR-5, TL-3
		"no session id":                 {"POST", `{"jsonrpc":"2.0","id":4,"method":"tools/list"}`, nil, 400, `"id":4,"error":{"code":-32000`},                                    // TL-7
		"an unknown session id":         {"POST", `{"jsonrpc":"2.0","id":4,"method":"tools/list"}`, []string{"Mcp-Session-Id: nope"}, 404, `"id":4,"error":{"code":-32001`},       // TL-8
		"another grant's session":       {"POST", `{"jsonrpc":"2.0","id":4,"method":"tools/list"}`, []string{session, "X-Caller: bob"}, 404, `-32001`},                            // TL-10
		"another grant's GET":           {"GET", "", []string{session, "X-Caller: bob"}, 404, `-32001`},                                                                           // TL-10
		"another grant's DELETE":        {"DELETE", "", []string{session, "X-Caller: bob"}, 404, `-32001`},                                                                        // TL-10
		"a response for another's":      {"POST", `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, []string{session, "X-Caller: bob"}, 404, `-32001`},                                 // TL-10
		"GET without a session":         {"GET", "", nil, 400, `-32000`},                                                                                                          // TL-7
		"DELETE without a session":      {"DELETE", "", nil, 400, `-32000`},                                                                                                       // TL-7
		"GET of 2026-07-28":             {"GET", "", []string{"MCP-Protocol-Version: " + modern}, 405, `"error"`},                                                                 // TR-21
		"DELETE of 2026-07-28":          {"DELETE", "", []string{"MCP-Protocol-Version: " + modern}, 405, `"error"`},                                                              // TR-21
		"GET of no revision":            {"GET", "", []string{session, "MCP-Protocol-Version: 1999-01-01"}, 400, `"error"`},                                                       // TL-9
		"POST of no revision":           {"POST", `{"jsonrpc":"2.0","id":4,"method":"tools/list"}`, []string{session, "MCP-Protocol-Version: 1999-01-01"}, 400, `"id":4,"error"`}, // TL-9
		"GET of a word":                 {"GET", "", []string{session, "MCP-Protocol-Version: latest"}, 400, `"error"`},                                                           // TL-9
		"a notification of a word":      {"POST", `{"jsonrpc":"2.0","method":"notifications/x"}`, []string{session, "MCP-Protocol-Version: latest"}, 400, `"error"`},              // TL-9
		"another method":                {"PUT", "{}", nil, 405, `"error"`},                                                                                                       // TL-1
		"HEAD":                          {"HEAD", "", nil, 405, ``},                                                                                                               // TL-1
		"a batch":                       {"POST", ` [{"jsonrpc":"2.0","id":1,"method":"ping"}]`, []string{session}, 400, `of protocol version 2025-03-26 alone`},
		"a deep message":                {"POST", deep, []string{session}, 400, `nests too deeply`},
		"a broken message":              {"POST", `{"jsonrpc"`, []string{session}, 400, `-32700`}, // JSON-RPC 2.0 §5.1
		"no message":                    {"POST", ``, []string{session}, 400, `-32700`},           // JSON-RPC 2.0 §5.1
		"another content type":          {"POST", `{}`, []string{session, "Content-Type: text/plain"}, 400, `"error"`},
		"an unknown tool":               {"POST", legacy("nope", "{}"), []string{session}, 200, `-32602`},                                                                                             // T, Error Handling
		"an unknown method":             {"POST", `{"jsonrpc":"2.0","id":1,"method":"nope","params":{` + meta + `}}`, []string{"MCP-Protocol-Version: " + modern, "Mcp-Method: nope"}, 404, `-32601`}, // TR-15
		"an unsupported version":        {"POST", strings.ReplaceAll(call, modern, "2027-01-01"), append([]string{"MCP-Protocol-Version: 2027-01-01"}, headers[1:]...), 400, `-32022`},                // TR-14
		"a version other than in _meta": {"POST", call, append([]string{"MCP-Protocol-Version: 2025-11-25"}, headers[1:]...), 400, `-32020`},                                                          // TR-13
		"no Mcp-Name":                   {"POST", call, headers[:2], 400, `-32020`},                                                                                                                   // TR-17
		"another Mcp-Name":              {"POST", call, append([]string{"Mcp-Name: add"}, headers[:2]...), 400, `-32020`},                                                                             // TR-17
		"no capabilities in _meta":      {"POST", strings.Replace(call, `"io.modelcontextprotocol/clientCapabilities":{},`, "", 1), headers, 400, `-32602`},                                           // B, _meta
		"nobody":                        {"POST", call, append([]string{"X-Caller: nobody"}, headers...), 401, `"error"`},                                                                             // fails closed
	} {
		t.Run(name, func(t *testing.T) {
			var body io.Reader
			if c.method == "POST" || c.method == "PUT" {
				body = strings.NewReader(c.body)
			}
			resp := r.do(c.method, body, c.headers...)
			got := text(t, resp)
			if resp.StatusCode != c.status || !strings.Contains(got, c.want) {
				t.Errorf("%d %s, want %d and %q", resp.StatusCode, got, c.status, c.want)
			}
			if c.status == 405 && resp.Header.Get("Allow") == "" {
				t.Error("405 without Allow") // RFC 9110 §15.5.6
			}
			if c.want != "" && resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type %q", resp.Header.Get("Content-Type"))
			}
		})
	}
}

// It handles a message too large, whether or not its length is announced.
func TestLargeMessages(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	for _, c := range []struct {
		size   int
		status int
	}{{maxBody, 200}, {maxBody + 1, 413}, {20 << 20, 413}} {
		head, tail := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"`, `"}}}`
		body := head + strings.Repeat("x", c.size-len(head)-len(tail)) + tail
		for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
			ctx, cancel := context.WithCancel(t.Context())
			q, _ := http.NewRequestWithContext(ctx, "POST", r.url+"/mcp", reader)
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Mcp-Session-Id", strings.TrimPrefix(session, "Mcp-Session-Id: "))
			q.Header.Set("Expect", "100-continue") // else the refusal may cut the upload off
			resp, err := http.DefaultTransport.(*http.Transport).RoundTrip(q)
			if err != nil {
				t.Fatalf("%d bytes: %v", c.size, err)
			}
			if got := text(t, resp); resp.StatusCode != c.status || (c.status == 413 && !strings.Contains(got, `"code":-32600`)) {
				t.Errorf("%d bytes: %d %.200s", c.size, resp.StatusCode, got)
			}
			cancel()
		}
	}
}

// It handles a grant that ends: its streams and calls end at once, others'
// don't.
func TestGrantEnds(t *testing.T) {
	r := newRig(t)
	stopped := make(chan struct{})
	started := make(chan struct{})
	r.tool("wait", func(ctx context.Context, _ *Client, _ json.RawMessage) (json.RawMessage, error) {
		close(started)
		<-ctx.Done()
		close(stopped)
		return nil, ctx.Err()
	})
	session, other := r.initialize(), r.initialize("X-Caller: bob")
	stream := newEvents(t, r.do("GET", nil, session))
	bobs := newEvents(t, r.do("GET", nil, other, "X-Caller: bob"))
	go func() {
		q, _ := http.NewRequestWithContext(t.Context(), "POST", r.url, strings.NewReader(legacy("wait", "{}")))
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Mcp-Session-Id", strings.TrimPrefix(session, "Mcp-Session-Id: "))
		if resp, err := http.DefaultClient.Do(q); err == nil {
			resp.Body.Close()
		}
	}()
	<-started
	r.end[ana.Session]()
	r.e.EndSessions(func(s string) bool { return s == ana.Session })
	<-stopped
	if m, ok := stream.next(); ok {
		t.Errorf("stream goes on: %+v", m)
	}
	r.e.Changed(ToolList, everybody)
	if m, ok := bobs.next(); !ok || m.Method != "notifications/tools/list_changed" {
		t.Errorf("the other grant's stream: %+v %t", m, ok)
	}
}

// It handles a cancellation that names another's request: JSON-RPC ids are
// small numbers, and the requests of 2026-07-28 have no session to keep them
// apart.
func TestCancelReachesNobodyElse(t *testing.T) {
	r := newRig(t)
	started, release := make(chan struct{}), make(chan struct{})
	r.tool("wait", func(ctx context.Context, _ *Client, _ json.RawMessage) (json.RawMessage, error) {
		close(started)
		select {
		case <-ctx.Done():
			return said("cancelled"), nil
		case <-release:
			return said("done"), nil
		}
	})
	answer := make(chan []reply)
	go func() { answer <- r.call(modern, "", "wait", "{}") }()
	<-started
	resp := r.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,`+meta+`}}`,
		"MCP-Protocol-Version: "+modern, "Mcp-Method: notifications/cancelled", "X-Caller: bob")
	if resp.StatusCode != 202 {
		t.Errorf("cancel: %d", resp.StatusCode)
	}
	close(release)
	if list := <-answer; list[0].text() != "done" {
		t.Errorf("got %+v", list)
	}

	// In a transport session a client cancels its own call.
	began := make(chan struct{})
	r.tool("cancel", func(ctx context.Context, _ *Client, _ json.RawMessage) (json.RawMessage, error) {
		close(began)
		<-ctx.Done()
		return said("cancelled"), nil
	})
	session := r.initialize()
	go func() { answer <- r.call("2025-11-25", session, "cancel", "{}") }()
	<-began
	r.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`, session)
	<-answer
}
