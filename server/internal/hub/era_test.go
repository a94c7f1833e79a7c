package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// inquirer asks its client three questions at once, in the legacy way, and answers
// with what it got.
// retry is the params of the next try, with answers to the questions of which.
// It handles a client of 2026-07-28 at a server that asks the client while it
// works (MCP 2026-07-28, "Multi Round-Trip Requests").
// It handles a client that does not declare what the server needs: -32021 with
// requiredCapabilities (MCP 2026-07-28, "Error Codes").
// It handles a server that wants an address opened before it is called again,
// at a client of 2026-07-28, which has no such error. The next call is a call
// like any other: it is counted, and the owner asked.
func TestCapable(t *testing.T) {
	for _, c := range []struct {
		capabilities, method, params string
		want                         bool
	}{
		{``, "sampling/createMessage", ``, false}, {`{"sampling":{}}`, "sampling/createMessage", `{}`, true},
		{`{"elicitation":{}}`, "elicitation/create", `{}`, true}, {`{"elicitation":{}}`, "elicitation/create", `{"mode":"url"}`, false},
		{`{"elicitation":{"url":{}}}`, "elicitation/create", `{}`, false}, {`{"elicitation":{"url":{}}}`, "elicitation/create", `{"mode":"url"}`, true},
		{`{"elicitation":{"url":{},"form":{}}}`, "elicitation/create", `{"mode":"form"}`, true},
		{`{"sampling":{}}`, "sampling/createMessage", `{"tools":[]}`, false}, {`{"sampling":{"tools":{}}}`, "sampling/createMessage", `{"tools":[]}`, true},
		{`{"anything":{}}`, "anything", `{}`, false},
	} {
		if _, err := refused(json.RawMessage(c.capabilities), c.method, json.RawMessage(c.params)); (err == nil) != c.want {
			t.Errorf("%s of %s: %v", c.method, c.capabilities, err)
		}
	}
}

// A call that waits for its client ends with the session, with the client's
// leaving, and when it waits too long.
// Calls that a client gave up without a word make room for its next ones.
// It handles a client with a transport session at a server of 2026-07-28.
func TestLegacyClientModernServer(t *testing.T) {
	round := 0
	r := newRig(t, map[string]*server{"a": offering("t:read", "p:hello", "uri:x://1").modern().answers(func(_ context.Context, method string, p object, peer rpc.Peer) (string, error) {
		if method == "resources/read" {
			return "", rpc.Errorf(-32602, "not found")
		}
		switch round++; round {
		case 1:
			return `{"resultType":"input_required","requestState":"s1","inputRequests":{"b":{"method":"roots/list"},"c":{"method":"sampling/createMessage"},"a":{"method":"elicitation/create","params":{"message":"m"}}}}`, nil
		case 2:
			return `{"resultType":"input_required","requestState":"s2"}`, nil
		}
		return `{"resultType":"complete","ttlMs":0,"cacheScope":"private","content":[],"_meta":{"io.modelcontextprotocol/serverInfo":{},"x":1}}`, nil
	})})
	c := alice()
	c.capabilities, c.level = `{"roots":{},"sampling":{},"elicitation":{}}`, "info"
	var asked []string
	c.answer = func(method string, params json.RawMessage) (string, error) {
		asked = append(asked, method+string(params))
		return `{"answer":"` + method + `"}`, nil
	}
	equal(t, "result", r.ask(c, "tools/call", `{"name":"read","requestState":"planted","_meta":{"progressToken":7,"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}`), `{"content":[],"_meta":{"x":1}}`)
	equal(t, "asked", strings.Join(asked, " "), `elicitation/create{"message":"m"} sampling/createMessage`)
	meta := `{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"roots":{},"sampling":{},"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"info","progressToken":7}`
	equal(t, "calls", strings.Join(r.mounts.called("a"), "\n"), `tools/call `+meta+`,"name":"read"}`+"\n"+
		`tools/call `+meta+`,"inputResponses":{"a":{"answer":"elicitation/create"},"b":{"roots":[]},"c":{"answer":"sampling/createMessage"}},"name":"read","requestState":"s1"}`+"\n"+
		`tools/call `+meta+`,"inputResponses":{},"name":"read","requestState":"s2"}`)
	equal(t, "not found", r.ask(c, "resources/read", `{"uri":"x://1"}`), "-32002 not found")

	// What the client does not offer it is not asked.
	round, c.capabilities = 0, `{}`
	contains(t, "not offered", r.ask(c, "prompts/get", `{"name":"hello"}`), "-32601 The client does not support sampling/createMessage.")
	equal(t, "asked", fmt.Sprint(len(asked)), "2")

	// It can't be asked for ever.
	s := r.mounts.servers["a"]
	n := 0
	s.call = func(context.Context, string, object, rpc.Peer) (string, error) {
		n++
		return `{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage"}}}`, nil
	}
	c.capabilities = `{"sampling":{}}`
	contains(t, "for ever", r.ask(c, "tools/call", `{"name":"read"}`), `"isError":true`)
	equal(t, "rounds", fmt.Sprint(n), fmt.Sprint(maxRounds+1))
}

// It handles client and server of one era: what they say goes through as it is.
func TestSameEra(t *testing.T) {
	r := newRig(t, map[string]*server{
		"m": offering("t:modern").modern().answers(func(_ context.Context, _ string, p object, peer rpc.Peer) (string, error) {
			return `{"resultType":"input_required","requestState":"theirs","x":` + string(encode(p)) + `}`, nil
		}),
		"l": offering("t:legacy").answers(func(ctx context.Context, method string, p object, peer rpc.Peer) (string, error) {
			if method != "tools/call" {
				return "{}", nil
			}
			peer.Notify("notifications/message", json.RawMessage(`{"level":"info"}`))
			answer, err := peer.Request(ctx, "sampling/createMessage", json.RawMessage(`{}`))
			return string(answer), err
		}),
	})
	params := `{"_meta":{"io.modelcontextprotocol/logLevel":"info"},"arguments":{"b":1,"a":2},"inputResponses":{"x":{}},"name":"modern","requestState":"theirs"}`
	equal(t, "modern", r.ask(aliceModern(), "tools/call", params), `{"resultType":"input_required","requestState":"theirs","x":`+params+`}`)
	c := alice()
	c.answer = func(string, json.RawMessage) (string, error) { return `{"sampled":1}`, nil }
	contains(t, "legacy, not offered", r.ask(c, "tools/call", `{"name":"legacy"}`), "-32601")
	c.capabilities = `{"sampling":{}}`
	equal(t, "legacy", r.ask(c, "tools/call", `{"name":"legacy"}`), `{"sampled":1}`)
	for _, b := range []gateway.Backend{r.All(), r.One("l")} {
		for _, method := range []string{"notifications/roots/list_changed", "notifications/progress", "notifications/evil"} {
			b.Notified(t.Context(), c.client(), method, nil)
		}
	}
	equal(t, "told", strings.Join(r.mounts.told, " "), "l notifications/progress")
}

func TestCompletion(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("p:hello", "template:x://{id}"), "b": offering("p:hello", "template:x://{id}")})
	r.mounts.servers["b"].cat.Description.Capabilities = json.RawMessage(`{"prompts":{}}`)
	for params, want := range map[string]string{
		`{"ref":{"type":"ref/prompt","name":"a__hello"},"argument":{}}`:     "a: completion/complete",
		`{"ref":{"type":"ref/resource","uri":"x://{id}"},"argument":{}}`:    "a: completion/complete",
		`{"ref":{"type":"ref/prompt","name":"b__hello"}}`:                   `"values":[]`,
		`{"ref":{"type":"ref/resource","uri":"drawbridge://s/b/x://{id}"}}`: `"values":[]`,
		`{"ref":{"type":"ref/prompt","name":"hello"}}`:                      "-32602 hello is not clear",
		`{"ref":{"type":"ref/prompt"}}`:                                     "-32602", `{}`: "-32602", `{"ref":{"type":"x"}}`: "-32602", `{"ref":[]}`: "-32602",
	} {
		contains(t, params, r.ask(alice(), "completion/complete", params), want)
	}
	equal(t, "asked", strings.Join(r.mounts.called("b"), ""), "")
	for _, call := range r.mounts.called("a") {
		if !strings.Contains(call, `"name":"hello"`) && !strings.Contains(call, `"uri":"x://{id}"`) {
			t.Error(call)
		}
	}
}

// What clients send is taken apart and put together again without a change.
// Whatever a server calls its tools, clients take their names, and each name
// leads to its own tool.
// A template matches what it may expand to; none is too much to compile.
