//go:build unix

package mount

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// httpServer is an MCP server over HTTP of one era.
type httpServer struct {
	*httptest.Server
	modern bool
	hold   chan struct{}                          // ends calls of "held"
	denies func(w http.ResponseWriter, m message) // how it answers in a session that it does not know; nil: 404

	mu       sync.Mutex // guards all below
	sessions map[string]bool
	made     int
	seen     []string // method, path, and headers of what came
	answers  map[string]chan string
	streams  map[chan string]bool // on which it tells of changes
	tools    string               // the list
}

func newHTTPServer(t *testing.T, modern bool) *httpServer {
	s := &httpServer{modern: modern, hold: make(chan struct{}), sessions: make(map[string]bool), answers: make(map[string]chan string), streams: make(map[chan string]bool),
		tools: `[{"name":"sql","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"opt":{"properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}},` +
			`{"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}}]`}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *httpServer) conf() config.Server {
	return config.Server{Name: "x", URL: s.URL + "/mcp", Headers: map[string]string{"X-Key": "k ${keychain:K}"}}
}

func (s *httpServer) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, "\n")
}

func (s *httpServer) sessionsMade() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// peek reads a request's message, and leaves it to be read.
func peek(req *http.Request) ([]byte, message) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	var m message
	_ = json.Unmarshal(body, &m)
	return body, m
}

func (s *httpServer) count(what string) int { return strings.Count(s.log(), what) }

func (s *httpServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var m message
	_ = json.Unmarshal(body, &m)
	h := req.Header
	s.mu.Lock()
	s.seen = append(s.seen, fmt.Sprintf("%s %s auth=%q key=%q version=%q method=%q name=%q region=%q n=%q cookie=%q params=%s", req.Method, m.Method, h.Get("Authorization"), h.Get("X-Key"),
		h.Get("MCP-Protocol-Version"), h.Get("Mcp-Method"), h.Get("Mcp-Name"), h.Get("Mcp-Param-Region"), h.Get("Mcp-Param-N"), h.Get("Cookie"), m.Params))
	known := s.sessions[h.Get("Mcp-Session-Id")]
	s.mu.Unlock()
	w.Header().Set("Set-Cookie", "a=b")
	switch {
	case s.modern && (req.Method != "POST" || h.Get("Mcp-Method") != m.Method || h.Get("MCP-Protocol-Version") != modernVersion):
		w.WriteHeader(400)
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"header mismatch"}}`)
	case s.modern:
		s.answer(w, req, m)
	case req.Method == "DELETE":
		s.mu.Lock()
		delete(s.sessions, h.Get("Mcp-Session-Id"))
		s.mu.Unlock()
	case m.Method == "server/discover":
		http.Error(w, "Bad Request: no valid session ID provided", 400)
	case m.Method == "initialize":
		s.mu.Lock()
		s.made++
		id := fmt.Sprintf("session-%d", s.made)
		s.sessions[id] = true
		s.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", id)
		s.result(w, m, map[string]any{"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": map[string]string{"name": "httpserver"}})
	case !known && s.denies != nil:
		s.denies(w, m)
	case !known:
		http.Error(w, "no such session", 404)
	case req.Method == "GET":
		s.stream(w, req, ": hello")
	case m.Method == "":
		s.mu.Lock()
		ch := s.answers[string(m.ID)]
		s.mu.Unlock()
		ch <- string(body)
		w.WriteHeader(202)
	case m.ID == nil:
		w.WriteHeader(202)
	default:
		s.answer(w, req, m)
	}
}

func (s *httpServer) result(w http.ResponseWriter, m message, result any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result}))
}

// stream tells of changes until the client leaves.
func (s *httpServer) stream(w http.ResponseWriter, req *http.Request, first string) {
	ch := make(chan string, 10)
	s.mu.Lock()
	s.streams[ch] = true
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "%s\n\n", first)
	w.(http.Flusher).Flush()
	for {
		select {
		case line := <-ch:
			fmt.Fprintf(w, "data: %s\n\n", line)
			w.(http.Flusher).Flush()
		case <-req.Context().Done():
			s.mu.Lock()
			delete(s.streams, ch)
			s.seen = append(s.seen, "stream closed")
			s.mu.Unlock()
			return
		}
	}
}

func (s *httpServer) tell(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.streams {
		ch <- line
	}
}

func (s *httpServer) answer(w http.ResponseWriter, req *http.Request, m message) {
	var p struct {
		Name      string
		Arguments struct{ Region string }
		Meta      object `json:"_meta"`
	}
	_ = json.Unmarshal(m.Params, &p)
	event := func(text string, args ...any) {
		fmt.Fprintf(w, text, args...)
		w.(http.Flusher).Flush()
	}
	switch m.Method {
	case "server/discover":
		s.result(w, m, map[string]any{"supportedVersions": []string{modernVersion}, "capabilities": capabilities})
	case "tools/list":
		s.mu.Lock()
		tools := s.tools
		s.mu.Unlock()
		s.result(w, m, map[string]any{"tools": json.RawMessage(tools)})
	case "ping":
		s.result(w, m, object{})
	case "prompts/list":
		s.result(w, m, map[string]any{"prompts": []any{}})
	case "resources/list":
		s.result(w, m, map[string]any{"resources": []any{}})
	case "resources/templates/list":
		w.WriteHeader(404)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, m.ID)
	case "subscriptions/listen":
		s.stream(w, req, fmt.Sprintf(`data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}`, m.ID))
	case "resources/subscribe", "resources/unsubscribe":
		s.result(w, m, object{})
	case "tools/call":
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		switch p.Name {
		case "sql":
			s.mu.Lock()
			stale := strings.Contains(s.tools, "Area") && req.Header.Get("Mcp-Param-Area") == ""
			s.mu.Unlock()
			if stale {
				w.WriteHeader(400)
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32020,"message":"header missing"}}`, m.ID)
				return
			}
			event("event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\r\ndata: \"params\":{\"progressToken\":%s,\"progress\":1}}\r\n\r\n", encode(p.Meta[metaProgress]))
			event(": comment\n\nid: 7\ndata:{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"kept\":1.0}}\n\n", m.ID)
		case "ask":
			ch := make(chan string, 1)
			s.mu.Lock()
			s.answers[`"q"`] = ch
			s.mu.Unlock()
			event("data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"sampling/createMessage\",\"params\":{}}\n\n")
			event("data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", m.ID, <-ch)
		case "held":
			event(": held\n\n")
			<-s.hold
			event("data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}\n\n", m.ID)
		case "hang":
			event(": hanging\n\n")
			<-req.Context().Done()
			s.mu.Lock()
			s.seen = append(s.seen, "call closed")
			s.mu.Unlock()
		case "halves": // the rest is asked for with GET
			event("id: 1\nretry: 1\ndata:\n\n")
			go func() {
				eventuallyStream(s)
				s.tell(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"text":"the rest"}}`, m.ID))
			}()
		case "cut":
		case "flood":
			for i := 0; i <= maxMessage/1000 && req.Context().Err() == nil; i++ {
				fmt.Fprintf(w, "data: %s\n", strings.Repeat("x", 1000))
			}
		}
	}
}

// eventuallyStream waits for the second GET stream: the first belongs to no call.
func eventuallyStream(s *httpServer) {
	for {
		s.mu.Lock()
		n := len(s.streams)
		s.mu.Unlock()
		if n >= 2 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
