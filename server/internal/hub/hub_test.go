package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 80)
	r := newRig(t, map[string]*server{
		"a":   offering("t:read", "t:echo", "t:only_a", "t:with.dot", "t:"+long, "t:b__read", "p:hello", "uri:x://1", "template:x://{id}"),
		"b":   offering("t:read", "p:hello", "uri:x://1", "uri:x://2", "template:x://{id}"),
		"c.d": offering("t:read"),
	})
	tools := strings.Fields(r.listed(r.All(), alice(), "tools/list"))
	for _, want := range []string{"echo", "whoami", "only_a", "a__read", "b__read", "a__echo", "a__b__read"} {
		if !slices.Contains(tools, want) {
			t.Errorf("%s is not listed in %v", want, tools)
		}
	}
	seen := map[string]bool{}
	for _, name := range tools {
		if seen[name] || len(name) > 64 || fit(name, 64) != name {
			t.Errorf("name %q", name)
		}
		seen[name] = true
	}
	for name, want := range map[string]string{
		"only_a": "a: tools/call", "a__only_a": "a: tools/call", "b__read": "b: tools/call", "a__b__read": "a: tools/call",
		"echo": "own echo", "a__echo": "a: tools/call", prefix("c.d") + "__read": "c.d: tools/call",
		fit("with.dot", 64): "a: tools/call", prefixed("a", "with.dot"): "a: tools/call", fit(long, 64): "a: tools/call",
		"read": "-32602 read is not clear: more than one server has a tool of that name. Use a__read or b__read or " + prefix("c.d") + "__read",
		"nix":  "-32602 Unknown tool: nix", "with.dot": "-32602 Unknown tool", "b__only_a": "-32602 Unknown tool",
	} {
		contains(t, name, r.ask(alice(), "tools/call", `{"name":"`+name+`"}`), want)
	}
	for _, call := range r.mounts.called("a") {
		if strings.Contains(call, "a__") || !slices.ContainsFunc([]string{"read", "echo", "only_a", "with.dot", long, "b__read"}, func(n string) bool { return strings.HasSuffix(call, `{"name":"`+n+`"}`) }) {
			t.Errorf("a was asked %s", call)
		}
	}
	equal(t, "prompts", r.listed(r.All(), alice(), "prompts/list"), "a__hello b__hello")
	contains(t, "prompt", r.ask(alice(), "prompts/get", `{"name":"b__hello"}`), "b: prompts/get")
	equal(t, "resources", r.listed(r.All(), alice(), "resources/list"), "x://1 drawbridge://s/b/x://1 x://2")
	equal(t, "templates", r.listed(r.All(), alice(), "resources/templates/list"), "x://{id} drawbridge://s/b/x://{id}")
	contains(t, "description", r.ask(alice(), "tools/list", "{}"), `{"description":"[a] Does it","inputSchema":{"type":"object"},"name":"a__read","x":1}`)
	contains(t, "description", r.ask(alice(), "tools/list", "{}"), `{"name":"only_a","description":"Does it","inputSchema":{"type":"object"},"x":1}`)

	one := r.One("a")
	equal(t, "one", r.listed(one, alice(), "tools/list"), "read echo only_a with.dot "+long+" b__read")
	contains(t, "at one", r.askAt(one, alice(), "tools/call", `{"name":"with.dot"}`), "a: tools/call")
	contains(t, "at one", r.askAt(one, alice(), "tools/call", `{"name":"a__read"}`), "-32602 Unknown tool")

	text := strings.Join(r.Findings(), "\n")
	for _, want := range []string{"The tool read of the server a is listed at /mcp as a__read: other servers have one of that name too.",
		"echo of the server a is listed at /mcp as a__echo: Drawbridge has", "The tool with.dot of the server a is listed at /mcp as with_dot-", "The tool b__read of the server a is listed at /mcp as a__b__read: its own name would read as another server's.",
		"The resource x://1 of the server b is listed at /mcp as drawbridge://s/b/x://1"} {
		contains(t, "findings", text, want)
	}
}

// A name stays what it is for a client that learned it before a server with the
// same one was mounted.
func TestNewCollision(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read")})
	equal(t, "before", r.listed(r.All(), alice(), "tools/list"), "echo whoami read")
	contains(t, "prefixed before", r.ask(alice(), "tools/call", `{"name":"a__read"}`), "a: tools/call")
	r.mounts.mu.Lock()
	r.mounts.servers["b"] = offering("t:read")
	r.mounts.mu.Unlock()
	equal(t, "after", r.listed(r.All(), alice(), "tools/list"), "echo whoami a__read b__read")
	contains(t, "prefixed after", r.ask(alice(), "tools/call", `{"name":"a__read"}`), "a: tools/call")
}

func TestResources(t *testing.T) {
	find := func(known string) func(context.Context, string, object, rpc.Peer) (string, error) {
		return func(_ context.Context, method string, p object, _ rpc.Peer) (string, error) {
			if uri, _ := p.text("uri"); uri != known {
				return "", rpc.Errorf(-32002, "Resource not found")
			}
			return `{"contents":[{"uri":"` + known + `"}]}`, nil
		}
	}
	r := newRig(t, map[string]*server{
		"a": offering("uri:x://1").answers(find("hidden://a")),
		"b": offering("uri:x://1", "template:t://{id}/data").answers(find("hidden://b")),
		"c": offering().answers(find("x://1")),
	})
	for uri, want := range map[string]string{
		"hidden://b":              `"hidden://b"`,
		"x://1":                   "-32002", // a's, and a alone is asked
		"drawbridge://s/c/x://1":  `"x://1"`,
		"drawbridge://s/nix/x":    "-32002",
		"t://1/data":              "-32002",
		"nowhere://":              `-32002 Resource not found: nowhere:// {"uri":"nowhere://"}`,
		"drawbridge://s/b/x://1 ": "-32002",
	} {
		contains(t, uri, r.ask(alice(), "resources/read", string(encode(object{"uri": quote(uri)}))), want)
	}

	if n := len(slices.DeleteFunc(r.mounts.called("a"), func(s string) bool { return !strings.Contains(s, "t://1/data") })); n != 0 {
		t.Error("a was asked for what b's template names")
	}
	contains(t, "modern", r.ask(aliceModern(), "resources/read", `{"uri":"nowhere://"}`), `-32602 Resource not found: nowhere:// {"uri":"nowhere://"}`)
	contains(t, "modern, listed", r.ask(aliceModern(), "resources/read", `{"uri":"x://1"}`), `-32602 Resource not found {"uri":"x://1"}`)

	var got string
	stop, err := r.All().Subscribe(t.Context(), alice(), "drawbridge://s/b/x://1", func(p json.RawMessage) { got = string(p) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	updated := r.mounts.updated["b x://1"]
	updated(json.RawMessage(`{"uri":"x://1"}`))
	equal(t, "updated", got, `{"uri":"drawbridge://s/b/x://1"}`)
	got = ""
	r.rules.deny("alice b x://1")
	updated(json.RawMessage(`{"uri":"x://1"}`))
	equal(t, "updated after the rules changed", got, "")
}

func TestPolicy(t *testing.T) {
	r := newRig(t, map[string]*server{
		"a": offering("t:read", "t:write", "r:look", "p:hello", "uri:x://1", "template:y://{id}"),
		"b": offering("t:read", "p:bye", "uri:x://2"),
	})
	bob := alice()
	bob.who.User.Sub, bob.who.Session = "bob", "s-bob"
	r.rules.deny("bob a write", "bob b", "bob a hello", "bob a x://1", "bob a y://{id}", "bob a y://7", "bob drawbridge whoami", "bob a x://9")
	equal(t, "alice's tools", r.listed(r.All(), alice(), "tools/list"), "echo whoami a__read write look b__read")
	equal(t, "bob's tools", r.listed(r.All(), bob, "tools/list"), "echo a__read look") // the same names for everybody
	equal(t, "bob's tools at a", r.listed(r.One("a"), bob, "tools/list"), "read look")
	for _, list := range []string{"prompts/list", "resources/list", "resources/templates/list"} {
		equal(t, "bob's "+list, r.listed(r.All(), bob, list), "")
		equal(t, "bob's "+list, r.listed(r.One("a"), bob, list), "")
	}
	// What bob may not use is answered like what nobody has ever heard of.
	for _, c := range []struct{ method, params string }{
		{"tools/call", `{"name":"write"}`}, {"tools/call", `{"name":"a__write"}`}, {"tools/call", `{"name":"b__read"}`},
		{"tools/call", `{"name":"whoami"}`},
		{"prompts/get", `{"name":"hello"}`}, {"prompts/get", `{"name":"b__bye"}`},
		{"resources/read", `{"uri":"x://1"}`}, {"resources/read", `{"uri":"x://2"}`}, {"resources/read", `{"uri":"y://7"}`},
		{"resources/read", `{"uri":"x://9"}`}, {"resources/read", `{"uri":"drawbridge://s/b/x://2"}`},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"}}`},
		{"completion/complete", `{"ref":{"type":"ref/resource","uri":"y://{id}"}}`},
	} {
		for _, b := range []string{"", "a"} {
			at := r.All()
			if b != "" {
				at = r.One(b)
			}
			if b == "a" && strings.Contains(c.params, "x://2") {
				continue // a may know it
			}
			got := r.askAt(at, bob, c.method, c.params)
			code := "-32602 Unknown "
			if c.method == "resources/read" {
				code = "-32002 Resource not found"
			}
			if !strings.HasPrefix(got, code) {
				t.Errorf("%s %s of bob at %q: %s", c.method, c.params, b, got)
			}
		}
	}
	for _, name := range []string{"a", "b"} {
		if calls := r.mounts.called(name); len(calls) != 0 {
			t.Errorf("%s was asked %v", name, calls)
		}
	}
	if _, err := r.All().Subscribe(t.Context(), bob, "x://1", nil); err == nil {
		t.Error("bob subscribes")
	}
	// A second "name" decides nothing else than the first.
	contains(t, "two names", r.ask(bob, "tools/call", `{"name":"look","Name":"write","NAME":"write"}`), "a: tools/call")
	contains(t, "two names", r.ask(bob, "tools/call", `{"name":"look","name":"write"}`), "-32602 Unknown tool: write")
	contains(t, "the last call of a", strings.Join(r.mounts.called("a"), "\n"), `"name":"look"`)

	// b is nowhere for bob.
	for _, method := range []string{"tools/list", "tools/call", "anything"} {
		equal(t, method, r.askAt(r.One("b"), bob, method, "{}"), r.askAt(r.One("nowhere"), bob, method, "{}"))
	}
	if _, err := r.One("b").Describe(t.Context(), bob); !errors.Is(err, errNoServer) {
		t.Errorf("describe: %v", err)
	}
	if s := r.One("b").InputSchema(t.Context(), bob, "read"); s != nil {
		t.Errorf("schema %s", s)
	}
	if s := r.All().InputSchema(t.Context(), bob, "write"); s != nil {
		t.Errorf("schema %s", s)
	}
	// Read-only goes by what the server says.
	r.rules.deny("alice writes")
	equal(t, "read-only", r.listed(r.All(), alice(), "tools/list"), "echo whoami look")
	contains(t, "read-only", r.ask(alice(), "tools/call", `{"name":"write","annotations":{"readOnlyHint":true}}`), "Unknown tool")
	if seen := fmt.Sprint(r.Visible(t.Context(), &bob.who)); strings.Contains(seen, "write") || !strings.Contains(seen, "a__read") {
		t.Errorf("bob sees %s", seen)
	}
}

// No way of writing a URI gets around a rule for a folder.
func TestDottedURI(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("uri:x://a/../listed", "template:x://{+path}")})
	for uri, want := range map[string]string{
		"x://a/b": "a: resources/read", "x://a/..b/c.d/...": "a: resources/read", "x://a/../listed": "a: resources/read", "drawbridge://s/a/x://a/../listed": "a: resources/read",
		"x://a/../b": "-32002", "x://a/%2e%2e/b": "-32002", "x://a/%252E%252e/b": "-32002", `x://a\..\b`: "-32002", "x://a/..": "-32002", "x://a/./b": "-32002",
		"x://a/..?b": "-32002", "x://a/..%2fb": "-32002", "drawbridge://s/a/x://a/../b": "-32002",
	} {
		for _, b := range []gateway.Backend{r.All(), r.One("a")} {
			if b == r.One("a") && strings.HasPrefix(uri, scheme) {
				continue
			}
			contains(t, uri, r.askAt(b, alice(), "resources/read", string(encode(object{"uri": quote(uri)}))), want)
		}
	}
}

// An unclear name tells nobody of a tool that they may not use.
func TestUnclearNameOfHidden(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read"), "b": offering("t:read")})
	r.rules.deny("alice b")
	equal(t, "one of two", r.ask(alice(), "tools/call", `{"name":"read"}`), "-32602 read is not clear: more than one server has a tool of that name. Use a__read.")
	r.rules.deny("alice a")
	equal(t, "none", r.ask(alice(), "tools/call", `{"name":"read"}`), "-32602 Unknown tool: read")
}

func TestAsk(t *testing.T) {
	var asked status.Approval
	allow := errors.New("The owner did not allow it.")
	r := newRig(t, map[string]*server{"a": offering("t:write_all", "r:look")}, func(o *Options) {
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{Ask: []string{"write*"}} }
		o.Ask = func(_ context.Context, a status.Approval) error { asked = a; return allow }
	})
	call := `{"name":"a__write_all","arguments":{"path":"/etc\u202e/x","n":1}}`
	contains(t, "denied", r.ask(alice(), "tools/call", call), `"isError":true`)
	contains(t, "denied", r.ask(alice(), "tools/call", call), "The owner did not allow it.")
	if len(r.mounts.called("a")) != 0 {
		t.Error("the server was called")
	}
	equal(t, "asked", fmt.Sprintf("%s %s %s %s %s", asked.User, asked.Client, asked.Server, asked.Tool, asked.Arguments),
		"alice@example.com Claude a write_all {\n  \"path\": \"/etc\\u202e/x\",\n  \"n\": 1\n}")
	allow = nil
	contains(t, "allowed", r.ask(alice(), "tools/call", call), "a: tools/call")
	asked = status.Approval{}
	contains(t, "not asked", r.ask(alice(), "tools/call", `{"name":"look"}`), "a: tools/call")
	equal(t, "asked", asked.Tool, "")
	equal(t, "told", <-r.calls, "a write_all The owner did not allow it.")
}

// book is pins of tools that have changed.
type book struct {
	changed string
	checks  int
}

func (b *book) Check(_ string, items ...pins.Item) ([]pins.State, error) {
	b.checks++
	states := make([]pins.State, len(items))
	for i, item := range items {
		if item.Name == b.changed {
			states[i] = pins.Changed
		}
	}
	return states, nil
}

func TestHold(t *testing.T) {
	hold, seen := true, &book{changed: "new"}
	r := newRig(t, map[string]*server{"a": offering("t:new", "t:old")}, func(o *Options) {
		o.Pins = seen
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{HoldChanges: hold} }
	})
	equal(t, "held", r.listed(r.All(), alice(), "tools/list"), "echo whoami old")
	equal(t, "held", r.listed(r.One("a"), alice(), "tools/list"), "old")
	contains(t, "held", r.ask(alice(), "tools/call", `{"name":"new"}`), "has changed since the owner")
	if len(r.mounts.called("a")) != 0 || seen.checks != 1 {
		t.Errorf("the server was called, or looked at %d times", seen.checks)
	}
	contains(t, "seen", fmt.Sprint(r.Visible(t.Context(), &alice().who)), "{a tool new new false false true}")
	hold = false
	equal(t, "told only", r.listed(r.All(), alice(), "tools/list"), "echo whoami new old")
	hold, seen.changed = true, ""
	r.Recheck("a")
	equal(t, "approved", r.listed(r.All(), alice(), "tools/list"), "echo whoami new old")
	seen.changed = "old"
	r.mounts.mu.Lock()
	r.mounts.servers["a"] = offering("t:new", "t:old")
	r.mounts.mu.Unlock()
	r.ServerChanged("a")
	if seen.checks != 3 {
		t.Errorf("looked %d times", seen.checks)
	}
	equal(t, "changed", r.listed(r.All(), alice(), "tools/list"), "echo whoami new")
}

func TestLimit(t *testing.T) {
	now := time.Unix(0, 0)
	r := newRig(t, map[string]*server{"a": offering("t:read")}, func(o *Options) {
		o.CallsPerMinute = func() int { return 3 }
		o.Now = func() time.Time { return now }
	})
	for range 3 {
		contains(t, "within", r.ask(alice(), "tools/call", `{"name":"read"}`), "a: tools/call")
	}
	contains(t, "over", r.ask(alice(), "tools/call", `{"name":"read"}`), "Go on in 20 seconds.")
	contains(t, "built in", r.ask(alice(), "tools/call", `{"name":"echo"}`), "own echo")
	bob := alice()
	bob.who.Session = "s-bob"
	contains(t, "another session", r.ask(bob, "tools/call", `{"name":"read"}`), "a: tools/call")
	now = now.Add(20 * time.Second)
	contains(t, "later", r.ask(alice(), "tools/call", `{"name":"read"}`), "a: tools/call")
	now = now.Add(10 * time.Minute)
	contains(t, "much later", r.ask(bob, "tools/call", `{"name":"read"}`), "a: tools/call")
	if n := len(r.limit.sessions); n != 1 {
		t.Errorf("%d sessions are remembered", n)
	}
}

// A server that hangs or has failed holds up nobody but whoever calls it.
func TestOtherServersDown(t *testing.T) {
	r := newRig(t, map[string]*server{
		"good": offering("t:read"), "hangs": {hang: true}, "crashed": {err: &mount.Error{Message: "It crashed."}},
		"down": func() *server { s := offering("t:gone"); s.state = "failed"; return s }(),
	})
	begin := time.Now()
	equal(t, "list", r.listed(r.All(), alice(), "tools/list"), "echo whoami read")
	first := time.Since(begin)
	r.All().(*side).h.o.Patience = time.Hour // waited for once
	equal(t, "list", r.listed(r.All(), alice(), "tools/list"), "echo whoami read")
	contains(t, "call", r.ask(alice(), "tools/call", `{"name":"read"}`), "good: tools/call")
	contains(t, "unknown", r.ask(alice(), "tools/call", `{"name":"nix"}`), "Unknown tool")
	contains(t, "crashed", r.askAt(r.One("crashed"), alice(), "tools/list", "{}"), "-32603 It crashed.")
	if first > 10*time.Second {
		t.Errorf("the first list took %v", first)
	}
}

func TestServerErrors(t *testing.T) {
	var err error
	r := newRig(t, map[string]*server{"a": offering("t:read", "p:hello").answers(func(context.Context, string, object, rpc.Peer) (string, error) { return "", err })})
	for _, c := range []struct {
		err          error
		tool, prompt string
	}{
		{rpc.Errorf(-32001, "own words"), "-32001 own words", "-32001 own words"},
		{&mount.Error{Message: "The server a is starting.", Cause: errors.New("secret")}, "The server a is starting.", "-32603 The server a is starting."},
		{errors.New("secret"), "The server a could not answer.", "-32603 The server a could not answer."},
		{context.DeadlineExceeded, "takes too long", "-32603 The server a takes too long"},
	} {
		err = c.err
		tool, prompt := r.ask(alice(), "tools/call", `{"name":"read"}`), r.ask(alice(), "prompts/get", `{"name":"hello"}`)
		contains(t, "tool", tool, c.tool)
		contains(t, "prompt", prompt, c.prompt)
		if strings.Contains(tool+prompt, "secret") {
			t.Errorf("%s %s", tool, prompt)
		}
	}
}

func TestBounds(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read")})
	for params, want := range map[string]string{
		`[]`: "-32602", `null`: "-32602", `{"name":1}`: "-32602", `{}`: "-32602", `{"name":null}`: "-32602",
		`{"name":"read","arguments":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: "-32602 The request is nested",
		`{"name":"read","arguments":{"x":"` + strings.Repeat("[", 100) + `"}}`:                    "a: tools/call",
		`{"name":"read","arguments":{"x":"` + strings.Repeat("x", 5<<20) + `"}}`:                  "-32602 The request is longer",
	} {
		contains(t, params[:min(40, len(params))], r.ask(alice(), "tools/call", params), want)
	}
	contains(t, "method", r.ask(alice(), "tasks/get", "{}"), "-32601")
	contains(t, "level", r.ask(alice(), "logging/setLevel", `{"level":"loud"}`), "-32602")
	equal(t, "level", r.ask(alice(), "logging/setLevel", `{"level":"debug"}`), "{}")
}

func TestPages(t *testing.T) {
	var many []string
	for i := range 1201 {
		many = append(many, fmt.Sprint("t:tool", i))
	}
	r := newRig(t, map[string]*server{"a": offering(many...)})
	if n := len(strings.Fields(r.listed(r.All(), alice(), "tools/list"))); n != 1203 {
		t.Errorf("%d tools", n)
	}
	var page struct{ NextCursor string }
	_ = json.Unmarshal([]byte(r.ask(alice(), "tools/list", "{}")), &page)
	for _, c := range []struct{ method, cursor string }{
		{"tools/list", "nonsense"}, {"tools/list", ""}, {"tools/list", page.NextCursor[1:]}, {"prompts/list", page.NextCursor},
	} {
		contains(t, c.method+c.cursor, r.ask(alice(), c.method, `{"cursor":"`+c.cursor+`"}`), "-32602 The cursor")
	}
	contains(t, "no string", r.ask(alice(), "tools/list", `{"cursor":5}`), "-32602")
	contains(t, "another endpoint", r.askAt(r.One("a"), alice(), "tools/list", `{"cursor":"`+page.NextCursor+`"}`), "-32602")
	contains(t, "findings", strings.Join(r.Findings(), "\n"), "There are 1203 tools")
}

func TestDescribe(t *testing.T) {
	a := offering("t:read")
	a.cat.Description.Instructions = "Read first."
	a.cat.Description.Capabilities = json.RawMessage(`{"tools":{"x":1},"tasks":{},"extensions":{"io.modelcontextprotocol/tasks":{},"y":{}}}`)
	r := newRig(t, map[string]*server{"a": a, "b": offering()})
	all, err := r.All().Describe(t.Context(), alice())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "instructions", all.Instructions, "## a\n\nRead first.")
	one, err := r.One("a").Describe(t.Context(), alice())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "one", string(one.Capabilities)+one.Instructions+string(one.ServerInfo),
		`{"extensions":{"y":{}},"tools":{"listChanged":true,"x":1}}Read first.{"name":"x","version":"1"}`)
	r.rules.deny("alice a")
	if all, _ = r.All().Describe(t.Context(), alice()); all.Instructions != "" {
		t.Errorf("instructions %s", all.Instructions)
	}
}

func TestConcurrently(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read"), "b": offering("t:read")})
	var n atomic.Int32
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 200 {
				c := alice()
				if _, err := r.All().Call(t.Context(), c, "tools/call", json.RawMessage(`{"name":"a__read"}`)); err == nil {
					n.Add(1)
				}
				if i%10 == 0 {
					r.mounts.mu.Lock()
					r.mounts.servers[fmt.Sprint("c", i)] = offering("t:read")
					r.mounts.mu.Unlock()
					_, _ = r.All().Call(t.Context(), c, "tools/list", nil)
				}
			}
		}()
	}
	go func() {
		for range r.calls { // OnCall must not block
		}
	}()
	for range 8 {
		<-done
	}
	if n.Load() != 1600 {
		t.Errorf("%d calls succeeded", n.Load())
	}
}
