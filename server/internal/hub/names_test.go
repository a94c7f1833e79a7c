package hub

import (
	"slices"
	"strings"
	"testing"
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
	equal(t, "one", r.listed(one, alice(), "tools/list"), "read echo only_a with_dot-ff994925 "+fit(long, maxName)+" b__read")
	contains(t, "at one", r.askAt(one, alice(), "tools/call", `{"name":"with.dot"}`), "a: tools/call")
	contains(t, "at one", r.askAt(one, alice(), "tools/call", `{"name":"with_dot-ff994925"}`), "a: tools/call")
	contains(t, "at one", r.askAt(one, alice(), "tools/call", `{"name":"a__read"}`), "-32602 Unknown tool")

	text := strings.Join(r.Findings(), "\n")
	for _, want := range []string{"The tool read of the server a is listed at /mcp as a__read: other servers have one of that name too.",
		"echo of the server a is listed at /mcp as a__echo: Drawbridge has", "The tool with.dot of the server a is listed at /mcp as with_dot-", "The tool b__read of the server a is listed at /mcp as a__b__read: its own name would read as another server's.",
		"The resource x://1 of the server b is listed at /mcp as drawbridge://s/b/x://1"} {
		contains(t, "findings", text, want)
	}
}

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

func TestUnclearNameOfHidden(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read"), "b": offering("t:read")})
	r.rules.deny("alice b")
	equal(t, "one of two", r.ask(alice(), "tools/call", `{"name":"read"}`), "-32602 Unknown tool: read. Use a__read.")
	r.rules.deny("alice a")
	equal(t, "none", r.ask(alice(), "tools/call", `{"name":"read"}`), "-32602 Unknown tool: read")
}

// It handles a server that starts anew, is away, or comes back: the names of the
// others at /mcp don't move.
func TestNamesStay(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read", "t:only", "p:hello", "uri:file:///x"), "b": offering("t:read", "p:hello", "uri:file:///x")})
	lists := func() string {
		var all []string
		for _, method := range []string{"tools/list", "prompts/list", "resources/list"} {
			all = append(all, r.listed(r.All(), alice(), method))
		}
		return strings.Join(all, " | ")
	}
	equal(t, "both", lists(), "echo whoami a__read only b__read | a__hello b__hello | file:///x drawbridge://s/b/file:///x")
	r.mounts.mu.Lock()
	cat := r.mounts.servers["a"].cat
	r.mounts.servers["a"].cat, r.mounts.servers["a"].hang = nil, true
	r.mounts.mu.Unlock()
	equal(t, "a starts", lists(), "echo whoami b__read | b__hello | drawbridge://s/b/file:///x")
	contains(t, "the short name", r.ask(alice(), "tools/call", `{"name":"read"}`), "-32602 Unknown tool: read. Use b__read.")
	r.mounts.mu.Lock()
	r.mounts.servers["a"].cat, r.mounts.servers["a"].hang = cat, false
	r.mounts.mu.Unlock()
	equal(t, "a is back", lists(), "echo whoami a__read only b__read | a__hello b__hello | file:///x drawbridge://s/b/file:///x")
	r.mounts.mu.Lock()
	delete(r.mounts.servers, "a")
	r.mounts.mu.Unlock()
	equal(t, "a is gone", lists(), "echo whoami read | hello | file:///x")
}
