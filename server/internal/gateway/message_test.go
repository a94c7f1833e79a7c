package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want *refusal
	}{
		"a request":                       {`{"jsonrpc":"2.0","id":1,"method":"a"}`, nil},
		"a negative id":                   {`{"jsonrpc":"2.0","id":-1,"method":"a"}`, nil},
		"a notification":                  {` {"method":"a","params":{},"jsonrpc":"2.0"}`, nil},
		"a response":                      {`{"jsonrpc":"2.0","id":1,"result":null}`, nil},
		"an error":                        {`{"jsonrpc":"2.0","id":1,"error":{}}`, nil},
		"unknown members":                 {`{"jsonrpc":"2.0","id":1,"method":"a","x":[{"a":1,"a":2}]}`, nil},
		"arguments given twice":           {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{"a":1,"a":2}}}`, nil}, // the tool's business
		"an escaped version":              {`{"jsonrpc":"2\u002e0","id":1,"method":"a"}`, nil},
		"nothing":                         {``, notJSON},
		"half a message":                  {`{"jsonrpc":"2.0"`, notJSON},
		"two messages":                    {`{"jsonrpc":"2.0","method":"a"}{"jsonrpc":"2.0","method":"b"}`, notJSON},
		"letters that are no UTF-8":       {"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", notJSON}, // RFC 8259 §8.1
		"a line break in a string":        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\n\"}", notJSON},
		"a byte order mark":               {"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"a\"}", notJSON},
		"a batch":                         {` [{"jsonrpc":"2.0","method":"a"}]`, not2},
		"a string":                        {`"jsonrpc"`, not2},
		"another version":                 {`{"jsonrpc":"1.0","id":1,"method":"a"}`, not2},
		"no version":                      {`{"id":1,"method":"a"}`, not2},
		"an id of null":                   {`{"jsonrpc":"2.0","id":null,"method":"a"}`, badID}, // B, "Requests"
		"an object as id":                 {`{"jsonrpc":"2.0","id":{},"method":"a"}`, badID},
		"an id of true":                   {`{"jsonrpc":"2.0","id":true,"method":"a"}`, badID},
		"no method":                       {`{"jsonrpc":"2.0","id":1}`, noMethod},
		"an empty method":                 {`{"jsonrpc":"2.0","id":1,"method":""}`, noMethod},
		"a number as method":              {`{"jsonrpc":"2.0","id":1,"method":1,"result":{}}`, noMethod},
		"a response without id":           {`{"jsonrpc":"2.0","result":{}}`, noMethod},
		"a list of params":                {`{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}`, noParams},
		"params of null":                  {`{"jsonrpc":"2.0","id":1,"method":"a","params":null}`, nil},
		"a _meta of null":                 {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta": null}}`, nil},
		"a notification's id of null":     {`{"jsonrpc":"2.0","id":null,"method":"notifications/initialized","params":null}`, nil},
		"a response with all members":     {`{"jsonrpc":"2.0","id":1,"method":null,"params":null,"result":{},"error":null}`, nil},
		"a _meta that is a string":        {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":""}}`, noParams},
		"two methods":                     {`{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`, doubtful},
		"a method in capitals too":        {`{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`, doubtful},
		"a name twice, once escaped":      {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"a","n\u0061me":"b"}}`, doubtful},
		"a name in letters like it":       {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"arguments":{},"argument\u017f":{}}}`, doubtful},
		"a _meta with a version twice":    {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"` + metaVersion + `":"a","` + metaVersion + `":"b"}}}`, doubtful},
		"more members than there are":     {`{"jsonrpc":"2.0","id":1,"method":"a","params":{` + members(maxMembers+1) + `}}`, doubtful},
		"as many members as there may be": {`{"jsonrpc":"2.0","id":1,"method":"a","params":{` + members(maxMembers) + `}}`, nil},
		"arguments nested deeply":         {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}}`, nil},
		"arguments nested too deeply":     {`{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}}`, tooDeep},
		"a million brackets":              {strings.Repeat(`{"a":`, 1e6), tooDeep},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := parse([]byte(c.body)); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(",", min(i, 1)) + `"` + strings.Repeat("m", i+1) + `":0`)
	}
	return b.String()
}

// No bytes make the parser panic, and what it lets through is what
// encoding/json reads there: one message, bounded, on one line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"message":"x"},` + meta + `}}`,
		`{"jsonrpc":"2.0","id":"a\"","result":{}}`, "{\r\n\"jsonrpc\":\"2.0\",\"method\":\"a\"}", `{"id":1}`, `[]`, ` [`, `{"a":"\"["}`, `"\`, strings.Repeat("{", 200),
		`{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","Name":"y"}}`, "{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, refused := parse(body)
		if m.id != nil && !json.Valid(m.id) {
			t.Errorf("id %q of %q", m.id, body)
		}
		if refused != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil || !utf8.Valid(body) {
			t.Fatalf("%q is let through: %v", body, err)
		}
		method, _ := rpc.String(want["method"])
		if strings.HasPrefix(method, "notifications/") {
			want["id"] = rpc.Given(want["id"])
		}
		if method != m.method || !bytes.Equal(rpc.DropNulls(rpc.OneLine(rpc.Given(want["params"]))), m.params) || !bytes.Equal(want["id"], m.id) {
			t.Errorf("%q is read as %+v, elsewhere as %q", body, m, want)
		}
		var all any
		_ = json.Unmarshal(body, &all)
		if nesting(all) > maxDepth || bytes.ContainsAny(m.params, "\n\r") {
			t.Errorf("%q is let through", body)
		}
	})
}

// It handles a grant that ends while the message still comes, or while it is
// answered: nothing is said but that it ended.
func TestGrantEndsDuringRequest(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	r.tool("end", func(ctx context.Context, _ *Client, _ json.RawMessage) (json.RawMessage, error) {
		r.end[ana.Session]()
		<-ctx.Done()
		return said("too late"), nil
	})
	for _, tool := range []string{"end", "echo"} {
		resp := r.post(legacy(tool, `{"message":"too late"}`), session)
		if got := text(t, resp); resp.StatusCode != 503 || strings.Contains(got, "too late") {
			t.Errorf("%s: %d %s", tool, resp.StatusCode, got)
		}
	}
}

// It handles a client that stops reading its stream: whatever works for it is
// told to stop, and doesn't hang.
func TestClientThatDoesNotRead(t *testing.T) {
	x := &exchange{}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &Endpoint{opts: EndpointOptions{KeepAlive: time.Hour}}
	e.begin(x, stuck{http.Header{}}, r, ana, true)
	if x.event([]byte("{}")) || x.ctx.Err() == nil {
		t.Error("an event that nobody took did not end the exchange")
	}
	if x.event([]byte("{}")) {
		t.Error("a second one was sent")
	}
	x.close()
}

// stuck is a response whose client does not read: net/http reports the write
// deadline.
type stuck struct{ header http.Header }

func (s stuck) Header() http.Header         { return s.header }
func (s stuck) WriteHeader(int)             {}
func (s stuck) Write(p []byte) (int, error) { return len(p), nil }
func (s stuck) FlushError() error           { return &net.OpError{Op: "write", Err: io.ErrShortWrite} }
