package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

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
	r.Forget(func(s string) bool { return s == "s-alice" })
	if n := len(r.limit.sessions); n != 1 {
		t.Errorf("%d sessions are remembered", n)
	}
}

func TestOtherServersDown(t *testing.T) {
	r := newRig(t, map[string]*server{
		"good": offering("t:read"), "hangs": {hang: true}, "crashed": {err: &mount.Error{Message: "It crashed."}},
		"down": func() *server { s := offering("t:gone"); s.state = "failed"; return s }(),
	})
	begin := time.Now()
	equal(t, "list", r.listed(r.All(), alice(), "tools/list"), "echo whoami read")
	first := time.Since(begin)
	r.All().(*endpoint).h.o.Patience = time.Hour // waited for once
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
	} {
		contains(t, params[:min(40, len(params))], r.ask(alice(), "tools/call", params), want)
	}
	contains(t, "method", r.ask(alice(), "tasks/get", "{}"), "-32601")
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
	all, err := r.All().Describe(t.Context(), alice().client())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "instructions", all.Instructions, "## a\n\nRead first.")
	one, err := r.One("a").Describe(t.Context(), alice().client())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "one", string(one.Capabilities)+one.Instructions+string(one.ServerInfo),
		`{"extensions":{"y":{}},"tools":{"x":1}}Read first.{"name":"x","version":"1"}`)
	r.rules.deny("alice a")
	if all, _ = r.All().Describe(t.Context(), alice().client()); all.Instructions != "" {
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
				if _, err := r.All().Call(t.Context(), c.client(), "tools/call", json.RawMessage(`{"name":"a__read"}`)); err == nil {
					n.Add(1)
				}
				if i%10 == 0 {
					r.mounts.mu.Lock()
					r.mounts.servers[fmt.Sprint("c", i)] = offering("t:read")
					r.mounts.mu.Unlock()
					_, _ = r.All().Call(t.Context(), c.client(), "tools/list", nil)
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
