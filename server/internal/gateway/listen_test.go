package gateway

import (
	"slices"
	"strings"
	"testing"
)

func (r *rig) listen(filter string) (resp *httpResponse) {
	r.t.Helper()
	return r.post(`{"jsonrpc":"2.0","id":9,"method":"subscriptions/listen","params":{"notifications":`+filter+`,`+meta+`}}`,
		"MCP-Protocol-Version: "+modern, "Mcp-Method: subscriptions/listen")
}

// It handles subscriptions: acknowledged first, tagged, and nothing that was
// not asked for (MCP 2026-07-28 "Subscriptions").
func TestListen(t *testing.T) {
	r := newRig(t)
	resp := r.listen(`{"toolsListChanged":true}`)
	wantStream(t, resp.Header)
	s := newEvents(t, resp)
	first, _ := s.next()
	if first.Method != "notifications/subscriptions/acknowledged" {
		t.Fatalf("first message %+v", first)
	}
	r.e.Changed(PromptList, everybody) // not asked for
	r.e.Changed(ToolList, everybody)
	second, _ := s.next()
	if second.Method != "notifications/tools/list_changed" || !strings.Contains(string(second.Params), `"io.modelcontextprotocol/subscriptionId":9`) {
		t.Errorf("second message %+v %s", second, second.Params)
	}
	r.end[ana.Session]()
	if m, ok := s.next(); ok {
		t.Errorf("after the grant's end: %+v", m)
	}

	// An empty subscription is acknowledged and over; the last message of such
	// a short stream is the one that gets lost most easily.
	other := newRig(t)
	for range 50 {
		list := messages(t, other.listen(`{}`))
		if len(list) != 2 || list[0].Method != "notifications/subscriptions/acknowledged" {
			t.Fatalf("got %+v", list)
		}
	}
}

// It handles subscriptions to resources: those that the Backend takes are
// acknowledged, and end with the stream.
func TestListenToResources(t *testing.T) {
	r := newRig(t)
	resp := r.listen(`{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["test://b","test://a","test://refused","test://b"]}`)
	s := newEvents(t, resp)
	ack, _ := s.next()
	if want := `{"_meta":{"io.modelcontextprotocol/subscriptionId":9},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://a","test://b"]}}`; string(ack.Params) != want {
		t.Errorf("got  %s\nwant %s", ack.Params, want)
	}
	r.fake.update("test://b", `{"uri":"test://b","_meta":{"kept":1.0}}`)
	if m, _ := s.next(); m.Method != "notifications/resources/updated" ||
		string(m.Params) != `{"uri":"test://b","_meta":{"io.modelcontextprotocol/subscriptionId":9,"kept":1.0}}` {
		t.Errorf("%+v %s", m, m.Params)
	}
	r.e.Close() // says goodbye
	if last, ok := s.next(); !ok || string(last.ID) != "9" || last.Result.Meta["io.modelcontextprotocol/subscriptionId"] != 9.0 {
		t.Errorf("%+v", last)
	}
	waitFor(t, "the subscriptions to end", func() bool { return slices.Equal(r.fake.stoppedAll(), []string{"test://a", "test://b"}) })
}

// It handles a client that leaves, and one whose grant ends.
func TestListenEnds(t *testing.T) {
	r := newRig(t)
	for _, end := range []func(close func()){
		func(close func()) { close() },
		func(func()) { r.e.EndSessions(func(s string) bool { return s == ana.Session }) },
	} {
		resp := r.listen(`{"resourceSubscriptions":["test://a"]}`)
		s := newEvents(t, resp)
		s.next()
		r.fake.mu.Lock()
		r.fake.stopped = nil
		r.fake.mu.Unlock()
		end(func() { resp.Body.Close() })
		waitFor(t, "the subscription to end", func() bool { return len(r.fake.stoppedAll()) == 1 })
	}
}

func TestListenRefusals(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		filter string
		status int
		header string
	}{
		"no stream":          {`{"toolsListChanged":true}`, 406, "Accept: application/json"},
		"a filter as a list": {`[]`, 400, "X: y"},
		"none":               {`null`, 400, "X: y"},
		"too many resources": {`{"resourceSubscriptions":[` + strings.Repeat(`"test://a",`, maxWatched) + `"test://b"]}`, 400, "X: y"},
	} {
		resp := r.post(`{"jsonrpc":"2.0","id":9,"method":"subscriptions/listen","params":{"notifications":`+c.filter+`,`+meta+`}}`,
			"MCP-Protocol-Version: "+modern, "Mcp-Method: subscriptions/listen", c.header)
		if got := text(t, resp); resp.StatusCode != c.status || !strings.Contains(got, `"id":9,"error"`) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, got)
		}
	}
}

// It handles a client that opens subscription after subscription: the oldest
// ends.
func TestListensAreBounded(t *testing.T) {
	r := newRig(t)
	first := newEvents(t, r.listen(`{"toolsListChanged":true}`))
	first.next()
	others := newEvents(t, r.post(`{"jsonrpc":"2.0","id":9,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+meta+`}}`,
		"MCP-Protocol-Version: "+modern, "Mcp-Method: subscriptions/listen", "X-Caller: bob"))
	others.next()
	for range maxListens {
		newEvents(t, r.listen(`{"toolsListChanged":true}`)).next()
	}
	if last, _ := first.next(); string(last.ID) != "9" {
		t.Errorf("the first goes on: %+v", last)
	}
	r.e.Changed(ToolList, everybody)
	if m, _ := others.next(); m.Method != "notifications/tools/list_changed" {
		t.Errorf("another's: %+v", m)
	}
}
