package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// openAt opens a transport session of an older revision.
func (r *rig) openAt(version string) string {
	r.t.Helper()
	return "Mcp-Session-Id: " + r.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+version+`","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`).Header.Get("Mcp-Session-Id")
}

func echo(id int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"message":"%[1]d"}}}`, id)
}

// It handles batches as MCP 2025-03-26 ("Sending Messages to the Server") and
// JSON-RPC 2.0 §6 have them.
func TestBatch(t *testing.T) {
	r := newRig(t)
	session := r.openAt("2025-03-26")
	many := make([]string, maxBatch)
	for i := range many {
		many[i] = echo(i)
	}
	const note = `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`
	for name, c := range map[string]struct {
		body   string
		status int
		want   string // of the whole body; "…" stands for anything
	}{
		"one request":                 {`[` + ping + `]`, 200, `[{"jsonrpc":"2.0","id":1,"result":{}}]`},
		"requests and a notification": {" [" + ping + ",\n" + note + "," + strings.Replace(ping, `"id":1`, `"id":"b"`, 1) + "]", 200, `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":"b","result":{}}]`},
		"notifications alone":         {`[` + note + `,` + note + `]`, 202, ``},
		"responses alone":             {`[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"x"}}]`, 202, ``},
		"an unknown method":           {`[{"jsonrpc":"2.0","id":1,"method":"nope"},` + ping + `]`, 200, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}},{"jsonrpc":"2.0","id":1,"result":{}}]`},
		"what is no message":          {`[1,` + ping + `]`, 200, `[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,…},{"jsonrpc":"2.0","id":1,"result":{}}]`},
		"a message with a bad params": {`[{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}]`, 200, `[{"jsonrpc":"2.0","id":5,"error":{"code":-32602,…}]`},
		"a batch in a batch":          {`[[` + ping + `]]`, 200, `[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,…}]`},
		"initialize":                  {`[` + withEverything + `]`, 200, `[{"jsonrpc":"2.0","id":0,"error":{"code":-32600,…by itself…}]`}, // "Lifecycle": MUST NOT
		"a request of 2026-07-28":     {`[{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}]`, 200, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,…by itself…}]`},
		"none":                        {`[]`, 400, `{"jsonrpc":"2.0","error":{"code":-32600,…`},
		"half of one":                 {`[` + ping, 400, `{"jsonrpc":"2.0","error":{"code":-32700,…`},
		"two":                         {`[` + ping + `][` + ping + `]`, 400, `{"jsonrpc":"2.0","error":{"code":-32700,…`},
		"too many":                    {`[` + strings.Join(many, ",") + `,` + ping + `]`, 400, `{"jsonrpc":"2.0","error":{"code":-32600,…`},
		"nested too deeply":           {`[` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `]`, 400, `{"jsonrpc":"2.0","error":{"code":-32600,…`},
	} {
		resp := r.post(c.body, session)
		got := text(t, resp)
		if resp.StatusCode != c.status || !like(got, c.want) {
			t.Errorf("%s: %d %s\nwant %d %s", name, resp.StatusCode, got, c.status, c.want)
		}
	}
	var list []reply
	if err := json.Unmarshal([]byte(text(t, r.post(`[`+strings.Join(many, ",")+`]`, session))), &list); err != nil || len(list) != maxBatch {
		t.Fatalf("%d answers: %v", len(list), err)
	}
	for i, m := range list {
		if string(m.ID) != fmt.Sprint(i) || m.text() != fmt.Sprint("Echo: ", i) {
			t.Errorf("answer %d is %+v", i, m)
		}
	}
}

// like compares with a pattern in which "…" stands for anything.
func like(got, want string) bool {
	for i, part := range strings.Split(want, "…") {
		at := strings.Index(got, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		got = got[at+len(part):]
	}
	return got == "" || strings.HasSuffix(want, "…")
}

// It handles batches of clients whose revision has none, and of those that have
// no session.
func TestBatchOfAnotherRevision(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"2024-11-05":                {[]string{r.openAt("2024-11-05")}, 400},
		"2025-06-18":                {[]string{r.openAt("2025-06-18")}, 400},
		"2025-11-25":                {[]string{r.openAt("2025-11-25")}, 400},
		"2025-03-26, later by name": {[]string{r.openAt("2025-03-26"), "MCP-Protocol-Version: 2025-06-18"}, 400},
		"2026-07-28":                {[]string{"MCP-Protocol-Version: 2026-07-28"}, 400},
		"no session":                {nil, 400},
		"somebody else's session":   {[]string{r.openAt("2025-03-26"), "X-Caller: bob"}, 404},
	} {
		if resp := r.post(`[`+ping+`]`, c.headers...); resp.StatusCode != c.status || strings.Contains(text(t, resp), `"result"`) {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

// It handles a batch that becomes a stream: notifications first, an answer for
// each request, the slow one last; one that takes nothing but a stream; and a
// cancellation in the batch itself.
func TestBatchStreams(t *testing.T) {
	r := newRig(t)
	session := r.openAt("2025-03-26")
	release := make(chan struct{})
	r.tool("slow", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		progress(c, 1)
		<-release
		return said("slow"), nil
	})
	r.tool("endless", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	s := newEvents(t, r.post(`[`+legacy("slow", "{}")+`,`+echo(2)+`,`+strings.Replace(legacy("endless", "{}"), `"id":7`, `"id":8`, 1)+
		`,{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}]`, session))
	if m, _ := s.next(); m.Method != "notifications/progress" {
		t.Errorf("first %+v", m)
	}
	close(release)
	var answers []string
	for m, ok := s.next(); ok; m, ok = s.next() {
		answers = append(answers, string(m.ID)+m.text())
	}
	slices.Sort(answers)
	if !slices.Equal(answers, []string{"2Echo: 2", "7slow"}) {
		t.Errorf("answers %q", answers)
	}
	resp := r.post(`[`+echo(3)+`,`+echo(4)+`]`, session, "Accept: text/event-stream")
	if list := messages(t, resp); len(list) != 2 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%+v", list)
	}
}

// It handles a session, and a grant, that end while a batch is answered.
func TestBatchEnds(t *testing.T) {
	for what, want := range map[string]int{"session": 200, "grant": 503} {
		r := newRig(t)
		session := r.openAt("2025-03-26")
		began := make(chan struct{})
		r.tool("wait", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
			close(began)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		got := make(chan *http.Response)
		go func() { got <- r.post(`[`+legacy("wait", "{}")+`]`, session) }()
		<-began
		if what == "session" {
			r.do("DELETE", nil, session)
		} else {
			r.end[ana.Session]()
		}
		if resp := <-got; resp.StatusCode != want || !strings.Contains(text(t, resp), `"error"`) {
			t.Errorf("%s: %d", what, resp.StatusCode)
		}
	}
}

// It handles silence in a batch as in a request: comments keep it alive.
func TestBatchIsKeptAlive(t *testing.T) {
	r := newRig(t, func(o *EndpointOptions) { o.KeepAlive = 4 * time.Millisecond })
	release := make(chan struct{})
	r.tool("slow", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) {
		<-release
		return said("done"), nil
	})
	s := newEvents(t, r.post(`[`+legacy("slow", "{}")+`,`+echo(1)+`]`, r.openAt("2025-03-26")))
	for s.comments < 2 {
		s.comment()
	}
	close(release)
	var answers []string
	for m, ok := s.next(); ok; m, ok = s.next() {
		answers = append(answers, m.text())
	}
	slices.Sort(answers)
	if !slices.Equal(answers, []string{"Echo: 1", "done"}) {
		t.Errorf("answers %q", answers)
	}
}

// It handles parameters that are null as if they were left out, wherever a
// revision has them.
func TestNullsCountAsAbsent(t *testing.T) {
	r := newRig(t)
	var got string
	r.tool("self", func(_ context.Context, c *Client, arguments json.RawMessage) (json.RawMessage, error) {
		got = string(arguments)
		progress(c, 1)
		return said("ok"), nil
	})
	r.method("tools/list", func(_ *Client, params json.RawMessage) (json.RawMessage, error) {
		got = string(params)
		return json.RawMessage(`{"tools":[]}`), nil
	})
	init := r.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":null},"clientInfo":{"name":"t","version":"1"},"_meta":null},"error":null}`)
	session := "Mcp-Session-Id: " + init.Header.Get("Mcp-Session-Id")
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}`:                                                            ``,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":null}}`:                                                 `{}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"a","_meta":null}}`:                                     `{"cursor":"a"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"self","arguments":null,"_meta":{"progressToken":null}}}`: ``,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"self","arguments":{"a":null,"b":[null]}},"result":null}`: `{"a":null,"b":[null]}`,
	} {
		got = "not called"
		list := messages(t, r.post(body, session))
		if len(list) != 1 || list[0].Error != nil || got != want {
			t.Errorf("%s: %+v, the backend got %s", body, list, got)
		}
	}
	if resp := r.post(`{"jsonrpc":"2.0","id":null,"method":"notifications/initialized","params":null}`, session); resp.StatusCode != 202 {
		t.Errorf("a notification: %d", resp.StatusCode)
	}
	body, headers := stateless("self", "null")
	body = strings.Replace(body, `"io.modelcontextprotocol/logLevel":"debug"`, `"io.modelcontextprotocol/logLevel":null,"io.modelcontextprotocol/clientInfo":null`, 1)
	if list := messages(t, r.post(body, headers...)); len(list) != 2 || list[1].text() != "ok" || got != "" {
		t.Errorf("2026-07-28: %+v, the backend got %s", list, got)
	}
	asked := make(chan error, 1)
	r.tool("ask", func(ctx context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		_, err := c.Request(ctx, "ping", nil)
		asked <- err
		return said("ok"), nil
	})
	s := newEvents(t, r.post(legacy("ask", "{}"), session))
	m, _ := s.next()
	r.post(`{"jsonrpc":"2.0","id":`+string(m.ID)+`,"method":null,"result":{},"error":null}`, session)
	if err := <-asked; err != nil {
		t.Errorf("an answer with an error of null: %v", err)
	}
}

func FuzzBatch(f *testing.F) {
	for _, s := range []string{`[]`, `[` + ping + `,1]`, `[[]]`, ` [ {"jsonrpc":"2.0","id":1,"method":"a"} , null ]`, `[`, `[{]`, "[\xff]", `["\ud800"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, refused := split(body)
		if refused != nil {
			return
		}
		var want []any
		if err := json.Unmarshal(body, &want); err != nil || len(want) != len(messages) || len(want) > maxBatch || len(want) == 0 {
			t.Fatalf("%q gives %d messages: %v", body, len(messages), err)
		}
		for i, message := range messages {
			m, refused := parse(message)
			if refused != nil {
				continue
			}
			object, ok := want[i].(map[string]any)
			if method, _ := object["method"].(string); !ok || method != m.method && object["method"] != nil {
				t.Errorf("%q is read as %q", message, m.method)
			}
			if nesting(object) > maxDepth || !rpc.IsObject(message) {
				t.Errorf("%q is let through", message)
			}
		}
	})
}
