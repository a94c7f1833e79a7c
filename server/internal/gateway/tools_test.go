package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

func TestTools(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	for name, c := range map[string]struct {
		tool, args, want string
		wrong            bool
	}{
		"a message":             {"echo", `{"message":"hello"}`, "Echo: hello", false},
		"an empty message":      {"echo", `{"message":""}`, "Echo: ", false},
		"letters of all kinds":  {"echo", `{"message":"<é\u2028\n\"日>"}`, "Echo: <é\u2028\n\"日>", false},
		"no message":            {"echo", `{}`, "message is required", true},
		"a message of numbers":  {"echo", `{"message":5}`, "must be a string", true},
		"integers":              {"add", `{"a":2,"b":-5}`, "-3", false},
		"2.0":                   {"add", `{"a":2.0,"b":1}`, "3", false},
		"integers past 2^53":    {"add", `{"a":9007199254740993,"b":1}`, "9007199254740994", false},
		"integers past 2^64":    {"add", `{"a":99999999999999999999999,"b":1}`, "100000000000000000000000", false},
		"a fraction":            {"add", `{"a":1.5,"b":1}`, "a is required and must be an integer", true},
		"a fraction next to 1":  {"add", `{"a":0.99999999999999999999,"b":1}`, "must be an integer", true},
		"an exponent":           {"add", `{"a":1e3,"b":1}`, "must be an integer written in digits", true},
		"an exponent of a bomb": {"add", `{"a":1e-1000000000,"b":1}`, "must be an integer", true},
		"too many digits":       {"add", `{"a":1,"b":` + strings.Repeat("9", 305) + `}`, "b has more than 300 digits", true},
		"a string":              {"add", `{"a":"1","b":1}`, "a is required", true},
		"no b":                  {"add", `{"a":1}`, "b is required", true},
		"null":                  {"add", `{"a":null,"b":1}`, "a is required", true},
	} {
		for _, era := range []string{"2025-11-25", modern} {
			t.Run(name+" in "+era, func(t *testing.T) {
				list := r.call(era, session, c.tool, c.args)
				got := list[len(list)-1]
				if got.Result.IsError != c.wrong || (c.wrong && !strings.Contains(got.text(), c.want)) || (!c.wrong && got.text() != c.want) {
					t.Errorf("%+v, want %q", got, c.want)
				}
			})
		}
	}
}

func TestWhoami(t *testing.T) {
	r := newRig(t)
	session := r.initialize()
	for _, era := range []string{"2025-11-25", modern} {
		got := r.call(era, session, "whoami", "{}")[0]
		var id Identity
		if err := json.Unmarshal(got.Result.Structured, &id); err != nil {
			t.Fatal(err)
		}
		if id.User.Email != "ana@example.com" || id.User.Sub != "00u1" || id.User.Groups[0] != "everyone" || id.Session != "grant-ana" ||
			id.Client.Name != "Claude" || id.Scopes[0] != "openid" {
			t.Errorf("%s: %+v", era, id)
		}
		if want := "Signed in as Ana <ana@example.com> with Claude."; got.text() != want {
			t.Errorf("%q, want %q", got.text(), want)
		}
	}
	// Of somebody without address and groups the lists are empty, not null.
	body, headers := stateless("whoami", "{}")
	got := messages(t, r.post(body, append(headers, "X-Caller: bob")...))[0]
	if !strings.Contains(string(got.Result.Structured), `"groups":[]`) || got.text() != "Signed in as 00u2 with Cursor." {
		t.Errorf("%s %q", got.Result.Structured, got.text())
	}
}

// It handles tools/list: descriptions, schemas and hints of each tool, and
// only the tools that are on.
func TestToolList(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Tools = Tools{Add: true, Whoami: true} })
	resp := r.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, r.initialize())
	var list struct{ Result mcp.ListToolsResult }
	if err := json.Unmarshal([]byte(text(t, resp)), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Result.Tools) != 2 || r.gw.Tools() != 2 {
		t.Fatalf("%d tools", len(list.Result.Tools))
	}
	for _, tool := range list.Result.Tools {
		if tool.Description == "" || tool.InputSchema.Type != "object" || tool.Annotations.ReadOnlyHint == nil || !*tool.Annotations.ReadOnlyHint {
			t.Errorf("%+v", tool)
		}
		if tool.Name == "whoami" && len(tool.OutputSchema.Properties) != 4 {
			t.Errorf("output schema %+v", tool.OutputSchema)
		}
	}
}

// It handles calls, errors and panics by telling who asked.
func TestOnCall(t *testing.T) {
	type call struct {
		who, tool string
		err       error
	}
	var mu sync.Mutex
	var calls []call
	r := newRig(t, func(o *Options) {
		o.OnCall = func(c *oauth.Caller, tool string, err error) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, call{c.Session, tool, err})
		}
	})
	r.gw.mcp.AddTool(mcp.NewTool("bad"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		panic("a secret detail")
	})
	session := r.initialize()
	r.call("2025-11-25", session, "echo", `{"message":"x"}`)
	r.call("2025-11-25", session, "echo", `{}`)
	if got := r.call(modern, "", "bad", "{}"); got[0].Error == nil || strings.Contains(got[0].Error.Message, "secret") {
		t.Errorf("panic: %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(calls) != 3 || calls[0].err != nil || !errors.Is(calls[1].err, errToolFailed) || !errors.Is(calls[2].err, errPanicked) || calls[0].who != ana.Session {
		t.Errorf("%+v", calls)
	}
}
