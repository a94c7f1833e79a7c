package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var ana = &oauth.Caller{
	Session: "grant-ana",
	User:    status.User{Sub: "00u1", Email: "ana@example.com", Name: "Ana"},
	Groups:  []string{"everyone"},
	Client:  status.SessionClient{ID: "https://client.example/id", Name: "Claude"},
	Scopes:  []string{"openid"},
}

var bob = &oauth.Caller{Session: "grant-bob", User: status.User{Sub: "00u2"}, Client: status.SessionClient{Name: "Cursor"}}

// client is ana, with nothing to say.
type client struct{ gateway.Client }

func (client) Caller() *oauth.Caller { return ana }

// called decodes a result as an MCP client's library does.
func called(t *testing.T, raw json.RawMessage, err error) (*mcp.CallToolResult, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	result, err := mcp.ParseCallToolResult(&raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return result, result.Content[0].(mcp.TextContent).Text
}

func TestTools(t *testing.T) {
	for name, c := range map[string]struct {
		tool, args, want string
		wrong            bool
	}{
		"a message":             {"echo", `{"message":"hello"}`, "Echo: hello", false},
		"an empty message":      {"echo", `{"message":""}`, "Echo: ", false},
		"letters of all kinds":  {"echo", `{"message":"<é\u2028\n\"日>"}`, "Echo: <é\u2028\n\"日>", false},
		"no message":            {"echo", `{}`, "message is required", true},
		"no arguments":          {"echo", ``, "message is required", true},
		"a list of arguments":   {"echo", `["message"]`, "message is required", true},
		"a message of numbers":  {"echo", `{"message":5}`, "must be a string", true},
		"a name in capitals":    {"echo", `{"Message":"x"}`, "message is required", true},
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
		"nothing to add":        {"add", `null`, "a and b are required", true},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := New(AllTools).Call(t.Context(), ana, c.tool, json.RawMessage(c.args))
			result, got := called(t, raw, err)
			if result.IsError != c.wrong || (c.wrong && !strings.Contains(got, c.want)) || (!c.wrong && got != c.want) {
				t.Errorf("%+v, want %q", result, c.want)
			}
		})
	}
}

func TestWhoami(t *testing.T) {
	raw, err := New(AllTools).Call(t.Context(), ana, "whoami", nil)
	if _, got := called(t, raw, err); got != "Signed in as Ana <ana@example.com> with Claude." {
		t.Errorf("%q", got)
	}
	const want = `{"user":{"sub":"00u1","email":"ana@example.com","name":"Ana","groups":["everyone"]},"client":{"id":"https://client.example/id","name":"Claude"},"session":"grant-ana","scopes":["openid"]}`
	if got := rpc.Get(raw, "structuredContent"); string(got) != want {
		t.Errorf("%s", got)
	}
	// Of somebody without address and groups the lists are empty, not null.
	raw, err = New(AllTools).Call(t.Context(), bob, "whoami", json.RawMessage(`{}`))
	_, got := called(t, raw, err)
	if !strings.Contains(string(raw), `"groups":[]`) || !strings.Contains(string(raw), `"scopes":[]`) || got != "Signed in as 00u2 with Cursor." {
		t.Errorf("%s", raw)
	}
}

// It handles tools/list: descriptions, schemas and hints of each tool, and
// only the tools that are on.
func TestList(t *testing.T) {
	s := New(Tools{Add: true, Whoami: true})
	raw, err := s.Backend(BackendOptions{}).Call(t.Context(), client{}, "tools/list", nil)
	if err != nil {
		t.Fatal(err)
	}
	var list mcp.ListToolsResult
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Tools) != 2 || list.Tools[0].Name != "add" || list.Tools[1].Name != "whoami" {
		t.Fatalf("%s", raw)
	}
	for _, tool := range list.Tools {
		if tool.Description == "" || tool.InputSchema.Type != "object" || tool.Annotations.ReadOnlyHint == nil || !*tool.Annotations.ReadOnlyHint {
			t.Errorf("%+v", tool)
		}
	}
	// The schema of whoami's answer names what it answers.
	answer, err := s.Call(t.Context(), bob, "whoami", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(rpc.Get(answer, "structuredContent"), &got); err != nil {
		t.Fatal(err)
	}
	if want := slices.Sorted(maps.Keys(list.Tools[1].OutputSchema.Properties)); !slices.Equal(want, slices.Sorted(maps.Keys(got))) {
		t.Errorf("answers %v, its schema says %v", got, want)
	}
	if !s.Set(Tools{Echo: true}) || s.Set(Tools{Echo: true}) {
		t.Error("a change is not told from none")
	}
	if tools := s.List(); len(tools) != 1 || tools[0].Name != "echo" || !tools[0].ReadOnly || rpc.Get(tools[0].Raw, "inputSchema") == nil {
		t.Errorf("%+v", tools)
	}
	if _, err := s.Call(t.Context(), ana, "add", json.RawMessage(`{"a":1,"b":1}`)); !errors.Is(err, errUnknown) {
		t.Errorf("a tool that is off: %v", err)
	}
}

// It handles calls, errors and panics by telling who asked; what is no tool is
// no call.
func TestOnCall(t *testing.T) {
	type call struct {
		who, tool string
		err       error
	}
	var calls []call
	s := New(AllTools)
	list := append(slices.Clone(*s.on.Load()), kind{Tool{Name: "bad"}, func(context.Context, *oauth.Caller, json.RawMessage) (json.RawMessage, error) {
		panic("a secret detail")
	}})
	s.on.Store(&list)
	b := s.Backend(BackendOptions{OnCall: func(c *oauth.Caller, tool string, err error) { calls = append(calls, call{c.Session, tool, err}) }})
	call1 := func(params string) (json.RawMessage, error) {
		return b.Call(t.Context(), client{}, "tools/call", json.RawMessage(params))
	}
	raw, err := call1(`{"name":"echo","arguments":{"message":"x"}}`)
	called(t, raw, err)
	raw, err = call1(`{"name":"echo","arguments":{}}`)
	if result, _ := called(t, raw, err); !result.IsError {
		t.Errorf("%s", raw)
	}
	if _, err := call1(`{"name":"bad"}`); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("panic: %v", err)
	}
	for _, none := range []string{`{"name":"nope"}`, `{"name":5}`, ``} {
		var said *rpc.Error
		if _, err := call1(none); !errors.As(err, &said) || said.Code != rpc.CodeInvalidParams {
			t.Errorf("%s: %v", none, err)
		}
	}
	if len(calls) != 3 || calls[0].err != nil || calls[1].err == nil || !errors.Is(calls[2].err, errPanicked) || calls[0].who != ana.Session || calls[2].tool != "bad" {
		t.Errorf("%+v", calls)
	}
}
