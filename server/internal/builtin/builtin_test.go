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
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var allTools = config.Tools{Echo: true, Add: true, Whoami: true}

var ana = &oauth.Caller{
	Session: "grant-ana",
	User:    status.User{Sub: "00u1", Email: "ana@example.com", Name: "Ana"},
	Groups:  []string{"everyone"},
	Client:  status.SessionClient{ID: "https://client.example/id", Name: "Claude"},
	Scopes:  []string{"openid"},
}

var bob = &oauth.Caller{Session: "grant-bob", User: status.User{Sub: "00u2"}, Client: status.SessionClient{Name: "Cursor"}}

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
		"a list of arguments":   {"echo", `["message"]`, "an object with message", true},
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
		"nothing to add":        {"add", `null`, "a is required", true},
		"a fraction of nothing": {"add", `{"a":-2.000,"b":0}`, "-2", false},
		"two spellings":         {"echo", `{"message":"a","MESSAGE":"b"}`, "spelt so and not MESSAGE", true},
		"a letter that folds":   {"echo", `{"message":"a","me\u017fsage":"b"}`, "spelt so and not meſsage", true},
		"a member besides":      {"echo", `{"message":"a","to":"bob"}`, "Echo: a", false},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := New(allTools).Call(t.Context(), ana, c.tool, json.RawMessage(c.args))
			result, got := called(t, raw, err)
			if result.IsError != c.wrong || (c.wrong && !strings.Contains(got, c.want)) || (!c.wrong && got != c.want) {
				t.Errorf("%+v, want %q", result, c.want)
			}
		})
	}
}

func TestWhoami(t *testing.T) {
	raw, err := New(allTools).Call(t.Context(), ana, "whoami", nil)
	if _, got := called(t, raw, err); got != "Signed in as Ana <ana@example.com> with Claude." {
		t.Errorf("%q", got)
	}
	const want = `{"user":{"sub":"00u1","email":"ana@example.com","name":"Ana","groups":["everyone"]},"client":{"id":"https://client.example/id","name":"Claude"},"session":"grant-ana","scopes":["openid"],"through":"browser"}`
	if got := rpc.Get(raw, "structuredContent"); string(got) != want {
		t.Errorf("%s", got)
	}
	// Of somebody without address and groups the lists are empty, not null.
	raw, err = New(allTools).Call(t.Context(), bob, "whoami", json.RawMessage(`{}`))
	_, got := called(t, raw, err)
	if !strings.Contains(string(raw), `"groups":[]`) || !strings.Contains(string(raw), `"scopes":[]`) || got != "Signed in as 00u2 with Cursor." {
		t.Errorf("%s", raw)
	}
}

// It handles tools/list: descriptions, schemas and hints of each tool, and
// only the tools that are on.
func TestList(t *testing.T) {
	s := New(config.Tools{Add: true, Whoami: true})
	var list []mcp.Tool
	for _, listed := range s.List() {
		var tool mcp.Tool
		if err := json.Unmarshal(listed.Raw, &tool); err != nil {
			t.Fatal(err)
		}
		if tool.Description == "" || tool.InputSchema.Type != "object" || tool.Annotations.ReadOnlyHint == nil || !*tool.Annotations.ReadOnlyHint {
			t.Errorf("%+v", tool)
		}
		list = append(list, tool)
	}
	if len(list) != 2 || list[0].Name != "add" || list[1].Name != "whoami" {
		t.Fatalf("%+v", list)
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
	if want := slices.Sorted(maps.Keys(list[1].OutputSchema.Properties)); !slices.Equal(want, slices.Sorted(maps.Keys(got))) {
		t.Errorf("answers %v, its schema says %v", got, want)
	}
	s.Set(config.Tools{Echo: true})
	if tools := s.List(); len(tools) != 1 || tools[0].Name != "echo" || string(rpc.Get(rpc.Get(tools[0].Raw, "annotations"), "readOnlyHint")) != "true" || rpc.Get(tools[0].Raw, "inputSchema") == nil {
		t.Errorf("%+v", tools)
	}
	if _, err := s.Call(t.Context(), ana, "add", json.RawMessage(`{"a":1,"b":1}`)); !errors.As(err, new(*rpc.Error)) {
		t.Errorf("a tool that is off: %v", err)
	}
}

// It handles add with the sum as structured content, exact, and as text.
func TestSum(t *testing.T) {
	for args, sum := range map[string]string{`{"a":3,"b":5}`: "8", `{"a":9007199254740992,"b":1.0}`: "9007199254740993"} {
		raw, err := New(allTools).Call(t.Context(), ana, "add", json.RawMessage(args))
		if _, got := called(t, raw, err); got != sum || string(rpc.Get(raw, "structuredContent")) != `{"sum":`+sum+`}` {
			t.Errorf("%s: %s", args, raw)
		}
	}
}

// It handles a tool that is written the way mcp-go's own documentation does.
func TestOrdinaryTool(t *testing.T) {
	type greeting struct {
		Name  string   `json:"name"`
		Times int64    `json:"times"`
		Tags  []string `json:"tags"`
	}
	handler := mcp.NewTypedToolHandler(func(_ context.Context, r mcp.CallToolRequest, g greeting) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(strings.Repeat(g.Name, int(g.Times))), mcp.NewImageContent("aGk=", "image/png")}}, nil
	})
	s := &Server{}
	list := register([]server.ServerTool{{Handler: handler, Tool: mcp.NewTool("greet", mcp.WithString("name", mcp.Required()),
		mcp.WithInteger("times"), mcp.WithArray("tags"))}})
	s.on.Store(&list)
	raw, err := s.Call(t.Context(), ana, "greet", json.RawMessage(`{"name":"Bo","times":2}`))
	if result, got := called(t, raw, err); got != "BoBo" || len(result.Content) != 2 {
		t.Errorf("%s", raw)
	}
	for args, want := range map[string]string{`{"name":"Bo","tags":5}`: "tags must be an array", `{"name":"Bo","Times":2}`: "spelt so and not Times", `[]`: "must be an object with name, tags, times"} {
		raw, err := s.Call(t.Context(), ana, "greet", json.RawMessage(args))
		if result, got := called(t, raw, err); !result.IsError || !strings.Contains(got, want) {
			t.Errorf("%s: %s", args, raw)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	s := New(allTools)
	for b.Loop() {
		if _, err := s.Call(b.Context(), ana, "echo", json.RawMessage(`{"message":"hello"}`)); err != nil {
			b.Fatal(err)
		}
	}
}
