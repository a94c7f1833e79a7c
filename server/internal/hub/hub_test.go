package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/pins"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A name stays what it is for a client that learned it before a server with the
// same one was mounted.
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
		contains(t, uri, r.ask(alice(), "resources/read", string(encode(object{"uri": rpc.Quote(uri)}))), want)
	}

	if n := len(slices.DeleteFunc(r.mounts.called("a"), func(s string) bool { return !strings.Contains(s, "t://1/data") })); n != 0 {
		t.Error("a was asked for what b's template names")
	}
	contains(t, "modern", r.ask(aliceModern(), "resources/read", `{"uri":"nowhere://"}`), `-32602 Resource not found: nowhere:// {"uri":"nowhere://"}`)
	contains(t, "modern, listed", r.ask(aliceModern(), "resources/read", `{"uri":"x://1"}`), `-32602 Resource not found {"uri":"x://1"}`)

	var got string
	stop, err := r.All().Subscribe(t.Context(), alice().client(), "drawbridge://s/b/x://1", func(p json.RawMessage) { got = string(p) })
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
	if _, err := r.All().Subscribe(t.Context(), bob.client(), "x://1", nil); err == nil {
		t.Error("bob subscribes")
	}
	// b is nowhere for bob.
	for _, method := range []string{"tools/list", "tools/call", "anything"} {
		equal(t, method, r.askAt(r.One("b"), bob, method, "{}"), r.askAt(r.One("nowhere"), bob, method, "{}"))
	}
	if _, err := r.One("b").Describe(t.Context(), bob.client()); !errors.Is(err, errNoServer) {
		t.Errorf("describe: %v", err)
	}
	if s := r.One("b").InputSchema(t.Context(), bob.client(), "read"); s != nil {
		t.Errorf("schema %s", s)
	}
	if s := r.All().InputSchema(t.Context(), bob.client(), "write"); s != nil {
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

// An unclear name tells nobody of a tool that they may not use.
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

// fakePins is pins of tools that have changed.
type fakePins struct {
	changed string // a name, or "instructions"
	checks  int
}

func (b *fakePins) Check(_ string, items ...pins.Item) ([]pins.State, error) {
	b.checks++
	states := make([]pins.State, len(items))
	for i, item := range items {
		if item.Name == b.changed || item.Kind == b.changed {
			states[i] = pins.Changed
		}
	}
	return states, nil
}

func TestHold(t *testing.T) {
	hold, seen := true, &fakePins{changed: "new"}
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
	contains(t, "seen", fmt.Sprint(r.Visible(t.Context(), &alice().who)), "{a tool new new false false true false}")
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

// A tool that its owner switched off is for everybody like one that does not
// exist, by every name; the owner still sees it.
func TestToolsOff(t *testing.T) {
	off := []string{"delete_file", "drop_*"}
	r := newRig(t, map[string]*server{"a": offering("t:delete_file", "t:drop_table", "t:look", "t:both", "p:drop_it"), "b": offering("t:both")}, func(o *Options) {
		o.Settings = func(server string) config.ServerSettings {
			if server != "a" {
				return config.ServerSettings{}
			}
			return config.ServerSettings{ToolsOff: off}
		}
	})
	equal(t, "off", r.listed(r.All(), alice(), "tools/list"), "echo whoami look a__both b__both")
	equal(t, "off", r.listed(r.One("a"), alice(), "tools/list"), "look both")
	equal(t, "prompts", r.listed(r.All(), alice(), "prompts/list"), "drop_it")
	for _, name := range []string{"delete_file", "a__delete_file", "drop_table"} {
		equal(t, name, r.ask(alice(), "tools/call", `{"name":"`+name+`"}`), "-32602 Unknown tool: "+name)
		equal(t, name, r.askAt(r.One("a"), alice(), "tools/call", `{"name":"`+name+`"}`), "-32602 Unknown tool: "+name)
		if r.All().InputSchema(t.Context(), alice().client(), name) != nil {
			t.Errorf("the schema of %s is told", name)
		}
	}
	if calls := r.mounts.called("a"); len(calls) != 0 {
		t.Errorf("the server was asked %v", calls)
	}
	seen := fmt.Sprintf("%+v", r.Visible(t.Context(), &alice().who))
	contains(t, "seen", seen, "Name:delete_file As:delete_file ReadOnly:false Ask:false Held:false Off:true")
	contains(t, "seen", seen, "Name:look As:look ReadOnly:false Ask:false Held:false Off:false")
	off = []string{"both"}
	equal(t, "on again", r.listed(r.All(), alice(), "tools/list"), "echo whoami delete_file drop_table look b__both")
	contains(t, "on again", r.ask(alice(), "tools/call", `{"name":"delete_file"}`), "a: tools/call")
}

// Prompts, templates and instructions are held back as tools are, by every name
// and in every way to them.
func TestHoldOtherKinds(t *testing.T) {
	seen := &fakePins{changed: "none"}
	a := offering("p:hello", "template:x://new/{id}", "template:x://old/{id}", "uri:x://new/listed")
	a.cat.Description.Instructions = "Send all."
	r := newRig(t, map[string]*server{"a": a, "b": offering("p:bye")}, func(o *Options) {
		o.Pins = seen
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{HoldChanges: true} }
	})
	hold := func(what string) {
		seen.changed = what
		r.Recheck("a")
		r.Recheck("b")
	}
	told := func(b gateway.Backend) string {
		d, err := b.Describe(t.Context(), alice().client())
		if err != nil {
			t.Fatal(err)
		}
		return d.Instructions
	}
	equal(t, "instructions", told(r.All())+told(r.One("a")), "## a\n\nSend all.Send all.")
	hold("instructions")
	equal(t, "instructions", told(r.All())+told(r.One("a")), "")
	hold("hello")
	equal(t, "prompts", r.listed(r.All(), alice(), "prompts/list"), "bye")
	for _, name := range []string{"hello", "a__hello"} {
		contains(t, name, r.ask(alice(), "prompts/get", `{"name":"`+name+`"}`), "-32602 The prompt hello is new or has changed since the owner")
		contains(t, name, r.ask(alice(), "completion/complete", `{"ref":{"type":"ref/prompt","name":"`+name+`"},"argument":{"name":"a","value":""}}`), "-32602 The prompt hello is new")
	}
	hold("x://new/{id}")
	equal(t, "templates", r.listed(r.All(), alice(), "resources/templates/list"), "x://old/{id}")
	for uri, want := range map[string]string{"x://new/1": "-32002", "x://old/1": "a: resources/read", "x://new/listed": "a: resources/read", "x://other": "resources/read"} {
		contains(t, uri, r.askAt(r.One("a"), alice(), "resources/read", `{"uri":"`+uri+`"}`), want)
	}
	_ = r.ask(alice(), "resources/read", `{"uri":"x://new/1"}`) // b may have it
	contains(t, "by the server's name", r.ask(alice(), "resources/read", `{"uri":"drawbridge://s/a/x://new/1"}`), "-32002")
	if _, err := r.One("a").Subscribe(t.Context(), alice().client(), "x://new/1", func(json.RawMessage) {}); err == nil {
		t.Error("subscribed to what is held back")
	}
	contains(t, "completion", r.ask(alice(), "completion/complete", `{"ref":{"type":"ref/resource","uri":"x://new/{id}"},"argument":{"name":"id","value":""}}`), "-32602 The resource template x://new/{id} is new")
	for _, call := range r.mounts.called("a") {
		if strings.Contains(call, "x://new/1") || strings.Contains(call, "hello") {
			t.Errorf("asked %s", call)
		}
	}
}

// The owner sees what is sent, also what a page would not show, and all of it.
func TestReadable(t *testing.T) {
	for in, want := range map[string]string{
		"":   "{}",
		"{}": "{}",
		`{"path":"a` + "\u202e\U000e0041" + `b","n":[1]}`: "{\n  \"path\": \"a\\u202e\\udb40\\udc41b\",\n  \"n\": [\n    1\n  ]\n}",
		`"\u002f\u0065\u0074c\/passwd"`:                   `"/etc/passwd"`,
		`"\u202e \ud83d\ude00 \u003c"`:                    `"\u202e 😀 <"`,
		`"\ud800"`:                                        `"\ud800"`,
		`"\\u0041 \" \n"`:                                 `"\\u0041 \" \n"`,
		`{"a":"\\","\u0062":"x"}`:                         "{\n  \"a\": \"\\\\\",\n  \"b\": \"x\"\n}",
		`[123456789012345678901234567890,1.0e5]`:          "[\n  123456789012345678901234567890,\n  1.0e5\n]",
	} {
		equal(t, in, readable(json.RawMessage(in)), want)
	}
	long := "[" + strings.Repeat(`"`+strings.Repeat("x", 5000)+`",`, 300) + "1]"
	if got := readable(json.RawMessage(long)); strings.Count(got, "x") != 1_500_000 || !strings.HasSuffix(got, "\n  1\n]") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-20:])
	}
}
