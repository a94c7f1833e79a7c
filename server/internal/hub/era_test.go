package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// inquirer asks its client three things at once, in the legacy way, and answers
// with what it heard.
func inquirer(ctx context.Context, method string, p object, peer rpc.Peer) (string, error) {
	if method == "logging/setLevel" {
		return "{}", nil
	}
	peer.Notify("notifications/progress", json.RawMessage(`{"progressToken":"first","progress":1}`))
	answers := make([]string, 3)
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i, q := range []string{"sampling/createMessage", "elicitation/create", "roots/list"} {
		all.Go(func() {
			answer, err := peer.Request(ctx, q, json.RawMessage(fmt.Sprintf(`{"message":"m%d"}`, i)))
			answers[i], errs[i] = string(answer), err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	peer.Notify("notifications/progress", json.RawMessage(`{"progressToken":"first","progress":2}`))
	return `{"content":[],"heard":[` + strings.Join(answers, ",") + `]}`, nil
}

type inputRequired struct {
	ResultType    string
	InputRequests map[string]struct {
		Method string
		Params json.RawMessage
	}
	RequestState string
	Heard        []json.RawMessage
}

func (r *rig) inquire(c *person, params string) inputRequired {
	r.t.Helper()
	var in inputRequired
	if text := r.ask(c, "tools/call", params); json.Unmarshal([]byte(text), &in) != nil {
		r.t.Fatal(text)
	}
	return in
}

// retry is the params of the next try, with answers to the questions of which.
func (in inputRequired) retry(which ...string) string {
	answers := object{}
	for id, q := range in.InputRequests {
		for _, w := range which {
			if q.Method == w {
				answers[id] = encode(object{"to": quote(q.Method)})
			}
		}
	}
	return string(encode(object{"name": quote("read"), "inputResponses": encode(answers), "requestState": quote(in.RequestState),
		"_meta": json.RawMessage(`{"progressToken":"second"}`)}))
}

var questions = []string{"sampling/createMessage", "elicitation/create"}

// It handles a client of 2026-07-28 at a server that asks the client while it
// works (MCP 2026-07-28, "Multi Round-Trip Requests").
func TestModernClientLegacyServer(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read", "t:other").answers(inquirer)})
	c := aliceModern()
	c.level = "warning"
	first := r.inquire(c, `{"name":"read","inputResponses":{"q1":{}},"_meta":{"progressToken":"first"}}`)
	if first.ResultType != "input_required" || len(first.InputRequests) != 2 {
		t.Fatalf("got %+v", first)
	}
	// What was not answered is asked again.
	second := r.inquire(c, first.retry("elicitation/create"))
	if second.ResultType != "input_required" || len(second.InputRequests) != 1 || second.RequestState == first.RequestState {
		t.Fatalf("got %+v", second)
	}
	contains(t, "used twice", r.ask(c, "tools/call", first.retry(questions...)), "-32602 requestState was used already")
	// The state is for this person, this tool and this server's word alone.
	bob := aliceModern()
	bob.who.Session = "s-bob"
	contains(t, "another session", r.ask(bob, "tools/call", second.retry(questions...)), "-32602 requestState is not one")
	contains(t, "another tool", r.ask(c, "tools/call", strings.Replace(second.retry(questions...), `"read"`, `"other"`, 1)), "-32602 requestState is not one")
	second.RequestState, first.RequestState = second.RequestState[:10]+"A"+second.RequestState[11:], second.RequestState
	contains(t, "tampered", r.ask(c, "tools/call", second.retry(questions...)), "-32602 requestState is not one")
	second.RequestState = first.RequestState
	third := r.inquire(c, second.retry(questions...))
	equal(t, "heard", fmt.Sprintf("%s", third.Heard), `[{"to":"sampling/createMessage"} {"to":"elicitation/create"} {"roots":[]}]`)
	equal(t, "progress", strings.Join(c.heard, "\n"), `notifications/progress {"progressToken":"first","progress":1}`+"\n"+`notifications/progress {"progress":2,"progressToken":"second"}`)
	calls := r.mounts.called("a")
	equal(t, "calls", strings.Join(calls, "\n"), `logging/setLevel {"level":"warning"}`+"\n"+`tools/call {"_meta":{"progressToken":"first"},"name":"read"}`)
	var told []string
	for len(r.calls) > 0 {
		told = append(told, strings.Split(<-r.calls, " requestState")[0])
	}
	equal(t, "told", strings.Join(told, ", "), "a read, a read, a other, a read, a read <nil>") // the refused ones too
}

// It handles a client that does not declare what the server needs: -32021 with
// requiredCapabilities (MCP 2026-07-28, "Error Codes").
func TestMissingCapability(t *testing.T) {
	var ended error
	done := make(chan struct{})
	r := newRig(t, map[string]*server{"a": offering("t:read").answers(func(ctx context.Context, method string, _ object, peer rpc.Peer) (string, error) {
		defer close(done)
		_, _ = peer.Request(ctx, "sampling/createMessage", json.RawMessage(`{}`))
		<-ctx.Done()
		ended = ctx.Err()
		return "", ended
	})})
	c := aliceModern()
	c.capabilities = `{"elicitation":{}}`
	contains(t, "lacking", r.ask(c, "tools/call", `{"name":"read"}`), `-32021 The client lacks a capability that this needs: sampling/createMessage {"requiredCapabilities":{"sampling":{}}}`)
	<-done
	if ended == nil {
		t.Error("the server was not told")
	}
}

// It handles a server that wants an address opened before it is called again,
// at a client of 2026-07-28, which has no such error. The next call is a call
// like any other: it is counted, and the owner asked.
func TestVisit(t *testing.T) {
	asked, visited := 0, false
	r := newRig(t, map[string]*server{"a": offering("t:read").answers(func(context.Context, string, object, rpc.Peer) (string, error) {
		if visited {
			return `{"content":[]}`, nil
		}
		return "", &rpc.Error{Code: codeNeedsVisit, Message: "Sign in first", Data: json.RawMessage(`{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example/","message":"m"}]}`)}
	})}, func(o *Options) {
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{Ask: []string{"*"}} }
		o.Ask = func(context.Context, status.Approval) error { asked++; return nil }
	})
	c := aliceModern()
	contains(t, "not capable", r.ask(c, "tools/call", `{"name":"read"}`), `-32021 Sign in first {"requiredCapabilities":{"elicitation":{"url":{}}}}`)
	c.capabilities = `{"elicitation":{"url":{}}}`
	in := r.inquire(c, `{"name":"read"}`)
	equal(t, "asked", string(in.InputRequests["q1"].Params), `{"message":"m","mode":"url","url":"https://x.example/"}`)
	visited = true
	equal(t, "again", r.ask(c, "tools/call", in.retry("elicitation/create")), `{"content":[]}`)
	equal(t, "owner asked", fmt.Sprint(asked), "3")
	contains(t, "legacy client", r.ask(alice(), "tools/call", `{"name":"read"}`), `{"content":[]}`)
}

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
		if _, got := capable(json.RawMessage(c.capabilities), c.method, json.RawMessage(c.params)); got != c.want {
			t.Errorf("%s of %s: %v", c.method, c.capabilities, got)
		}
	}
}

// A call that waits for its client ends with the session, with the client's
// leaving, and when it waits too long.
func TestSuspendedEnds(t *testing.T) {
	ended := make(chan error, 10)
	ask := func(ctx context.Context, _ string, _ object, peer rpc.Peer) (string, error) {
		_, err := peer.Request(ctx, "sampling/createMessage", nil)
		if err == nil {
			<-ctx.Done()
			err = ctx.Err()
		}
		ended <- err
		return "", err
	}
	for name, end := range map[string]func(*rig, *person, inputRequired){
		"session":  func(r *rig, c *person, _ inputRequired) { r.Forget("s-alice") },
		"close":    func(r *rig, c *person, _ inputRequired) { r.Close() },
		"too long": func(r *rig, c *person, _ inputRequired) {},
		"client leaves": func(r *rig, c *person, in inputRequired) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if _, err := r.All().Call(ctx, c, "tools/call", json.RawMessage(in.retry(questions...))); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		},
	} {
		r := newRig(t, map[string]*server{"a": offering("t:read").answers(ask)}, func(o *Options) {
			if o.Hold = time.Hour; name == "too long" {
				o.Hold = 10 * time.Millisecond
			}
		})
		c := aliceModern()
		in := r.inquire(c, `{"name":"read"}`)
		end(r, c, in)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		contains(t, name, r.ask(c, "tools/call", in.retry(questions...)), "-32602")
	}
}

// Calls that a client gave up without a word make room for its next ones.
func TestSuspendedBound(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read").answers(inquirer)})
	c := aliceModern()
	first := r.inquire(c, `{"name":"read"}`)
	for range 3 * maxSuspendedPerson {
		r.inquire(c, `{"name":"read"}`)
	}
	last := r.inquire(c, `{"name":"read"}`)
	contains(t, "the first", r.ask(c, "tools/call", first.retry(questions...)), "-32602 requestState was used already, or waited too long")
	contains(t, "the last", r.ask(c, "tools/call", last.retry(questions...)), `"heard"`)
	if n := len(r.suspended.waiting); n >= maxSuspendedPerson {
		t.Errorf("%d calls wait", n)
	}
}

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
	equal(t, "result", r.ask(c, "tools/call", `{"name":"read","requestState":"planted","_meta":{"progressToken":7,"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}`), `{"_meta":{"x":1},"content":[]}`)
	equal(t, "asked", strings.Join(asked, " "), `elicitation/create{"message":"m"} sampling/createMessage`)
	meta := `{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"roots":{},"sampling":{},"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"info","progressToken":7}`
	equal(t, "calls", strings.Join(r.mounts.called("a"), "\n"), `tools/call `+meta+`,"name":"read"}`+"\n"+
		`tools/call `+meta+`,"inputResponses":{"a":{"answer":"elicitation/create"},"b":{"roots":[]},"c":{"answer":"sampling/createMessage"}},"name":"read","requestState":"s1"}`+"\n"+
		`tools/call `+meta+`,"inputResponses":{},"name":"read","requestState":"s2"}`)
	equal(t, "not found", r.ask(c, "resources/read", `{"uri":"x://1"}`), "-32002 not found")

	// What the client does not offer it is not asked.
	round, c.capabilities = 0, `{}`
	contains(t, "not offered", r.ask(c, "prompts/get", `{"name":"hello"}`), "-32601 The client does not support elicitation/create.")
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

// It handles both sides in one era: what they say goes through as it is.
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
	c.capabilities, c.level = `{"sampling":{}}`, "error"
	equal(t, "legacy", r.ask(c, "tools/call", `{"name":"legacy"}`), `{"sampled":1}`)
	c.level = "warning" // more talkative
	r.ask(c, "tools/call", `{"name":"legacy"}`)
	c.level = "error"
	r.ask(c, "tools/call", `{"name":"legacy"}`)
	levels := 0
	for _, call := range r.mounts.called("l") {
		if strings.HasPrefix(call, "logging/setLevel") {
			levels++
		}
	}
	equal(t, "levels set", fmt.Sprint(levels), "2")
	for _, b := range []gateway.Backend{r.All(), r.One("l")} {
		for _, method := range []string{"notifications/roots/list_changed", "notifications/progress", "notifications/evil"} {
			b.Notified(t.Context(), c, method, nil)
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
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"A":{"b":[]}}`, `{"a":"<\u2028>","b":null}`, `{"":"\\\""}`, `[]`, `null`, `{"a":1,"a":2}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := fields(json.RawMessage(s))
		if err != nil || s == "" {
			return
		}
		again, err := fields(encode(o))
		if err != nil {
			t.Fatalf("%q became %q: %v", s, encode(o), err)
		}
		if len(again) != len(o) {
			t.Fatalf("%q became %q", s, encode(o))
		}
		for k, v := range o {
			if string(again[k]) != string(v) {
				t.Errorf("%q: %q was %q", k, again[k], v)
			}
		}
		if d := depth([]byte(s)); d < 1 || d > len(s) {
			t.Errorf("%q is %d deep", s, d)
		}
	})
}

// Whatever a server calls its tools, clients take their names, and each name
// leads to its own tool.
func FuzzName(f *testing.F) {
	f.Add("a", "read", "b", "read")
	f.Add("a", "_x", "a_", "x")
	f.Add("a__b", "c", "a", "b__c")
	f.Add("ä", "", "é", "\x00")
	f.Add("a___b", "c", "a", "b-1__c")
	f.Fuzz(func(t *testing.T, s1, t1, s2, t2 string) {
		if s1 == s2 {
			s2 += "'"
		}
		x := newIndex([]mounted{{s1, offering2(t1, t2)}, {s2, offering2(t2, t1)}}, own{}.List(), false)
		if p := prefix(s1); strings.Contains(p, separator) || strings.HasSuffix(p, "_") || p == prefix(s2) {
			t.Errorf("prefix %q of %q", p, s1)
		}
		seen := map[string]bool{}
		for _, th := range x.tools.list {
			if n := len(th.listed); n == 0 || n > maxName || fit(th.listed, maxName) != th.listed || seen[th.listed] {
				t.Errorf("%q of %q is listed as %q", th.name, th.server, th.listed)
			}
			seen[th.listed] = true
			if x.tools.byName[th.listed] != th || (th.server != Own && x.tools.byName[th.always] != th) {
				t.Errorf("%q of %q: %q, %q lead elsewhere", th.name, th.server, th.listed, th.always)
			}
		}
	})
}

// A template matches what it may expand to; none is too much to compile.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"file:///{path}", "x://{+a}/{b*}{?c,d}", "{", "}", "{}", "x{a", "((", strings.Repeat("{a}", 600)} {
		f.Add(s, "file:///x")
	}
	f.Fuzz(func(t *testing.T, template, uri string) {
		if re := templatePattern(template); re != nil {
			re.MatchString(uri)
		}
	})
}
