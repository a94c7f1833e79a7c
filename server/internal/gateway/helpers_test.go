package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var ana = &oauth.Caller{
	Session: "grant-ana",
	User:    status.User{Sub: "00u1", Email: "ana@example.com", Name: "Ana"},
	Groups:  []string{"everyone"},
	Client:  status.SessionClient{ID: "https://client.example/id", Name: "Claude"},
	Scopes:  []string{"openid"},
}

// anew is ana after another sign-in with the same client, elsewhere is she with
// another client.
var (
	anew      = callerLike(ana, "grant-anew", ana.Client.ID)
	elsewhere = callerLike(ana, "grant-elsewhere", "https://other.example/id")
)

func callerLike(c *oauth.Caller, grant, client string) *oauth.Caller {
	other := *c
	other.Session, other.Client.ID = grant, client
	return &other
}

var bob = &oauth.Caller{Session: "grant-bob", User: status.User{Sub: "00u2"}, Client: status.SessionClient{Name: "Cursor"}}

// rig is an endpoint behind a server that takes the caller from a header, as
// the guard takes it from a token.
type rig struct {
	t    *testing.T
	e    *Endpoint
	fake *fake
	url  string
	end  map[string]context.CancelFunc
}

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) Load(string, func(string, []byte) error) error { return nil }
func (nowhere) Save([]oauth.Change, ...status.Event) error    { return nil }

// forgets is a memory that does not outlive the endpoint.
func forgets(t *testing.T) *Memory {
	t.Helper()
	m, err := OpenMemory(nowhere{}, nowhere{}, time.Now, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func everybody(*oauth.Caller) bool { return true }

func newRig(t *testing.T, change ...func(*EndpointOptions)) *rig {
	t.Helper()
	fake := newFake()
	o := EndpointOptions{Backend: fake, ServerInfo: json.RawMessage(fakeInfo), DataKey: []byte(rand.Text()), Memory: forgets(t),
		Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	e, err := NewEndpoint(o)
	if err != nil {
		t.Fatal(err)
	}
	grants := map[string]context.Context{}
	r := &rig{t: t, e: e, fake: fake, end: map[string]context.CancelFunc{}}
	for _, c := range []*oauth.Caller{ana, anew, elsewhere, bob} {
		grants[c.Session], r.end[c.Session] = context.WithCancel(t.Context())
	}
	h := e.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		caller := ana
		switch q.Header.Get("X-Caller") {
		case "bob":
			caller = bob
		case "anew":
			caller = anew
		case "elsewhere":
			caller = elsewhere
		case "nobody":
			h.ServeHTTP(w, q)
			return
		}
		ctx, cancel := context.WithCancel(oauth.WithCaller(q.Context(), caller))
		defer cancel()
		defer context.AfterFunc(grants[caller.Session], cancel)()
		if grants[caller.Session].Err() != nil {
			cancel() // at once, as the guard does
		}
		h.ServeHTTP(w, q.WithContext(ctx))
	}))
	r.url = srv.URL
	t.Cleanup(func() {
		e.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	return r
}

// do sends a request with headers "Name: value".
func (r *rig) do(method string, body io.Reader, headers ...string) *http.Response {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	r.t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, method, r.url+"/mcp", body)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "application/json, text/event-stream")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if more, ok := strings.CutPrefix(name, "+"); ok { // beside what there is, and maybe empty
			q.Header.Add(more, value)
			continue
		}
		if value == "" {
			q.Header.Del(name)
			continue
		}
		q.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (r *rig) post(body string, headers ...string) *http.Response {
	r.t.Helper()
	return r.do(http.MethodPost, strings.NewReader(body), headers...)
}

// initialize opens a transport session and returns its header.
func (r *rig) initialize(headers ...string) string {
	r.t.Helper()
	resp := r.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, headers...)
	id := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != 200 || id == "" {
		r.t.Fatalf("initialize: %d, session %q: %s", resp.StatusCode, id, text(r.t, resp))
	}
	return "Mcp-Session-Id: " + id
}

// legacy is a tools/call of the revisions with sessions.
func legacy(tool, args string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + args + `,"_meta":{"progressToken":"p"}}}`
}

// stateless is a tools/call of 2026-07-28, with the headers it needs.
func stateless(tool, args string) (body string, headers []string) {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + args + `,` + meta + `}}`,
		[]string{"MCP-Protocol-Version: " + modern, "Mcp-Method: tools/call", "Mcp-Name: " + tool}
}

const meta = `"_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"` + modern + `","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"debug"}`

// call calls a tool in the given era and returns every message answered.
func (r *rig) call(era, session, tool, args string) []reply {
	r.t.Helper()
	if era == modern {
		body, headers := stateless(tool, args)
		return messages(r.t, r.post(body, headers...))
	}
	return messages(r.t, r.post(legacy(tool, args), session))
}

type reply struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Error  *struct {
		Code    int
		Message string
	} `json:"error"`
	Result struct {
		Content    []struct{ Type, Text string }
		Structured json.RawMessage `json:"structuredContent"`
		IsError    bool
		Meta       map[string]any `json:"_meta"`
	} `json:"result"`
}

func (m reply) text() string {
	if len(m.Result.Content) == 0 {
		return ""
	}
	return m.Result.Content[0].Text
}

// messages reads a whole response, JSON or stream.
func messages(t *testing.T, resp *http.Response) []reply {
	t.Helper()
	var list []reply
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		var m reply
		if body := text(t, resp); body != "" {
			if err := json.Unmarshal([]byte(body), &m); err != nil {
				t.Fatalf("%d %q: %v", resp.StatusCode, body, err)
			}
			list = append(list, m)
		}
		return list
	}
	s := newEvents(t, resp)
	for {
		m, ok := s.next()
		if !ok {
			return list
		}
		list = append(list, m)
	}
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// events reads server-sent events strictly: each frame is a comment or one
// message event.
type events struct {
	t        *testing.T
	r        *bufio.Reader
	comments int
}

func newEvents(t *testing.T, resp *http.Response) *events {
	return &events{t: t, r: bufio.NewReader(resp.Body)}
}

// next returns the next message; false at the end of the stream.
func (s *events) next() (reply, bool) {
	s.t.Helper()
	for {
		var frame []byte
		for !bytes.HasSuffix(frame, []byte("\n\n")) {
			line, err := s.r.ReadBytes('\n')
			if err != nil {
				if len(frame)+len(line) > 0 {
					s.t.Fatalf("stream ends inside a frame: %q", append(frame, line...))
				}
				return reply{}, false
			}
			frame = append(frame, line...)
		}
		if bytes.HasPrefix(frame, []byte(":")) {
			s.comments++
			continue
		}
		data, ok := strings.CutPrefix(string(frame), "event: message\ndata: ")
		if !ok {
			s.t.Fatalf("not an event: %q", frame)
		}
		var m reply
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			s.t.Fatalf("%q: %v", frame, err)
		}
		return m, true
	}
}

// comment reads one frame that must be a comment.
func (s *events) comment() {
	s.t.Helper()
	for _, want := range []string{": keep-alive\n", "\n"} {
		line, err := s.r.ReadString('\n')
		if strings.HasPrefix(line, "event: ") { // the acknowledgement of a subscription
			s.r.ReadString('\n')
			s.r.ReadString('\n')
			return
		}
		if err != nil || line != want {
			s.t.Fatalf("%q %v, want a comment", line, err)
		}
	}
	s.comments++
}

// nesting returns how deep v nests.
func nesting(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, nesting(e))
		}
		return deepest + 1
	case []any:
		for _, e := range v {
			deepest = max(deepest, nesting(e))
		}
		return deepest + 1
	}
	return 0
}
