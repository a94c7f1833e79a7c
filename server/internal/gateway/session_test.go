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

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

const withEverything = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{},"elicitation":{},"x":1.0},"clientInfo":{"name":"t","version":"1","kept":[ 1 ]}}}`

// open opens a transport session of a client that can be asked everything.
func (r *rig) open() string {
	r.t.Helper()
	return "Mcp-Session-Id: " + r.post(withEverything).Header.Get("Mcp-Session-Id")
}

// It hands on what the client said of itself, and what the Backend says, as
// they stand.
func TestInitializeLosesNothing(t *testing.T) {
	r := newRig(t)
	got := text(t, r.post(withEverything))
	want := `{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"x":{"kept":1.0}},"serverInfo":` +
		fakeInfo + `,"instructions":"Be \u003cbrief\u003e."}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.method("tools/list", func(c *Client, params json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(fmt.Sprintf("{\n\"said\":%s,\"of\":%s,\"version\":%q,\"era\":%q,\r\n\"params\":%s,\"nothing\": null}",
			c.Capabilities, c.Info, c.Peer.(*call).version, c.Era, params)), nil
	})
	call := "{\"jsonrpc\":\"2.0\",\n\"method\":\"tools/list\",\"id\":\"a\\u0062\",\"params\":{\"big\":123456789012345678901234567890,\"f\":1.0,\"é\":\"\\ud800\"}}"
	want = "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"result\":{\n" + `"said":{"sampling":{},"elicitation":{},"x":1.0},"of":{"name":"t","version":"1","kept":[ 1 ]},"version":"2025-06-18","era":"legacy",` + "\r\n" +
		`"params":{"big":123456789012345678901234567890,"f":1.0,"é":"\ud800"},"nothing": null}}`
	if got := text(t, r.post(call, r.open())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = "event: message\ndata: " + strings.NewReplacer("\r", " ", "\n", " ").Replace(want) + "\n\n" // a line break ends an event's line
	if got := text(t, r.post(call, r.open(), "Accept: text/event-stream")); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// It handles a Backend that can't say what it is: there is no session then.
func TestInitializeFails(t *testing.T) {
	r := newRig(t)
	for want, fail := range map[string]func() error{
		`-32603`: func() error { panic("a secret detail") },
		`"off"`:  func() error { return rpc.Errorf(5, "off") },
	} {
		r.fake.describe = fail
		resp := r.post(withEverything)
		if got := text(t, resp); resp.Header.Get("Mcp-Session-Id") != "" || !strings.Contains(got, want) || strings.Contains(got, "secret") {
			t.Errorf("%q %s", resp.Header.Get("Mcp-Session-Id"), got)
		}
	}
	if len(r.e.sessions.byKey) != 0 {
		t.Errorf("left %d", len(r.e.sessions.byKey))
	}
	huge := strings.Replace(withEverything, `"x":1.0`, `"x":"`+strings.Repeat("x", maxKept)+`"`, 1)
	if resp := r.post(huge); resp.Header.Get("Mcp-Session-Id") != "" || !strings.Contains(text(t, resp), "-32602") {
		t.Error("a client may have us keep anything")
	}
}

// It handles log messages by the level that the session asked for, and those
// of 2026-07-28 by the request's.
func TestLogLevels(t *testing.T) {
	r := newRig(t)
	r.tool("log", func(_ context.Context, c *Client, _ json.RawMessage) (json.RawMessage, error) {
		for _, level := range levels {
			c.Notify("notifications/message", json.RawMessage(`{"level":"`+level+`","data":1}`))
		}
		c.Notify("notifications/message", json.RawMessage(`{"data":"no level"}`))
		return said(c.LogLevel), nil
	})
	told := ""
	r.method("logging/setLevel", func(c *Client, params json.RawMessage) (json.RawMessage, error) {
		told = string(params)
		return json.RawMessage(`{}`), nil
	})
	session := r.initialize()
	if list := r.call("", session, "log", "{}"); len(list) != 10 {
		t.Errorf("before any level: %d messages", len(list))
	}
	set := func(level string) reply {
		return messages(t, r.post(`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"`+level+`"}}`, session))[0]
	}
	if m := set("loud"); m.Error == nil || m.Error.Code != -32602 || told != "" {
		t.Errorf("%+v", m)
	}
	set("error")
	if list := r.call("", session, "log", "{}"); len(list) != 5 || list[4].text() != "error" || told != `{"level":"error"}` {
		t.Errorf("from error on: %+v, the backend was told %s", list, told)
	}
	body, headers := stateless("log", "{}")
	for level, want := range map[string]int{"debug": 9, "emergency": 2} {
		if list := messages(t, r.post(strings.Replace(body, "debug", level, 1), headers...)); len(list) != want {
			t.Errorf("%s: %d messages", level, len(list))
		}
	}
	none := strings.Replace(body, `,"io.modelcontextprotocol/logLevel":"debug"`, "", 1)
	if list := messages(t, r.post(none, headers...)); len(list) != 1 { // CL, "Logging"
		t.Errorf("without a level: %d messages", len(list))
	}
	if resp := r.post(strings.Replace(body, "debug", "loud", 1), headers...); resp.StatusCode != 400 {
		t.Errorf("no level: %d", resp.StatusCode)
	}
}

// It handles resources/subscribe: one subscription a URI, updates on the GET
// stream, and an end with the session.
func TestSubscribe(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	do := func(method, uri string) *http.Response {
		return r.post(`{"jsonrpc":"2.0","id":1,"method":"resources/`+method+`","params":{"uri":"`+uri+`"}}`, session)
	}
	for _, uri := range []string{"test://a", "test://a", "test://b", "test://c"} {
		if got := text(t, do("subscribe", uri)); got != `{"jsonrpc":"2.0","id":1,"result":{}}` {
			t.Errorf("%s: %s", uri, got)
		}
	}
	if got := text(t, do("subscribe", "test://refused")); !strings.Contains(got, "no such resource") {
		t.Errorf("%s", got)
	}
	if n := len(r.fake.watched["test://a"]); n != 1 {
		t.Errorf("%d subscriptions to one resource", n)
	}
	do("unsubscribe", "test://c")
	// Told twice before anybody listens, it is said once.
	r.fake.update("test://a", `{"uri":"test://a","title":"old"}`)
	r.fake.update("test://a", "{\"uri\":\"test://a\",\n\"title\":\"new\"}")
	s := newEvents(t, r.do("GET", nil, session))
	if m, _ := s.next(); m.Method != "notifications/resources/updated" || string(m.Params) != `{"uri":"test://a", "title":"new"}` {
		t.Errorf("%+v %s", m, m.Params)
	}
	r.e.Changed(ResourceList, everybody)
	if m, _ := s.next(); m.Method != "notifications/resources/list_changed" || m.Params != nil {
		t.Errorf("%+v", m)
	}
	r.do("DELETE", nil, session)
	if got := r.fake.stoppedAll(); !slices.Equal(got, []string{"test://a", "test://b", "test://c"}) {
		t.Errorf("ended: %v", got)
	}
}

// It handles more subscriptions than a client can need.
func TestSubscriptionsAreBounded(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	var last string
	for i := range maxWatched + 1 {
		last = text(t, r.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"test://%d"}}`, i), session))
	}
	if !strings.Contains(last, "-32602") || len(r.fake.watched) != maxWatched {
		t.Errorf("%d: %s", len(r.fake.watched), last)
	}
}

// It handles several GET streams of one session: each message goes to one of
// them (TL-5), the newest, and to the one before when that is gone.
func TestNewestStreamIsTold(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	first := newEvents(t, r.do("GET", nil, session))
	newest := r.do("GET", nil, session)
	r.e.Changed(ToolList, everybody)
	if m, _ := newEvents(t, newest).next(); m.Method != "notifications/tools/list_changed" {
		t.Errorf("%+v", m)
	}
	newest.Body.Close()
	s := r.e.sessions.byKey[sessionKey{strings.TrimPrefix(session, "Mcp-Session-Id: "), ana.Session}]
	waitFor(t, "the stream to end", func() bool { s.outbox.mu.Lock(); defer s.outbox.mu.Unlock(); return len(s.outbox.wakes) == 1 })
	r.e.Changed(PromptList, everybody)
	if m, _ := first.next(); m.Method != "notifications/prompts/list_changed" {
		t.Errorf("%+v", m)
	}
}

// It handles a list that changed for some people only.
func TestChangedForSome(t *testing.T) {
	r := newRig(t)
	anas := newEvents(t, r.do("GET", nil, r.initialize()))
	bobs := newEvents(t, r.do("GET", nil, r.initialize("X-Caller: bob"), "X-Caller: bob"))
	r.e.Changed(ToolList, func(c *oauth.Caller) bool { return c.User.Sub == bob.User.Sub })
	r.e.Elicited(ana.Session, "far", "e1") // to a client that opens no addresses
	r.e.Changed(PromptList, everybody)
	if m, _ := anas.next(); m.Method != "notifications/prompts/list_changed" {
		t.Errorf("ana: %+v", m)
	}
	if m, _ := bobs.next(); m.Method != "notifications/tools/list_changed" {
		t.Errorf("bob: %+v", m)
	}
}

// It handles a notification that takes long, and one that makes the Backend
// panic: it is accepted all the same, without a stream (TL-3).
func TestNotificationOfAClient(t *testing.T) {
	r := newRig(t, func(o *EndpointOptions) { o.KeepAlive = 2 * time.Millisecond })
	session := r.initialize()
	for _, c := range []struct{ did func() }{
		{func() { time.Sleep(20 * time.Millisecond) }}, // several ticks of keepAlives
		{func() { panic("a secret detail") }},
	} {
		r.fake.onNotify = c.did
		resp := r.post(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed","params":{"a":1.0}}`, session)
		if got := text(t, resp); resp.StatusCode != 202 || got != "" || resp.Header.Get("Content-Type") != "" {
			t.Errorf("%d %q", resp.StatusCode, got)
		}
	}
	if want := []string{`notifications/roots/list_changed {"a":1.0}`}; !slices.Equal(r.fake.notified, want) {
		t.Errorf("%q", r.fake.notified)
	}
}
