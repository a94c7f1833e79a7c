package servers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// fixture is what the official conformance suite expects of the server under
// test: a Backend behind an Endpoint of ours. Most of it is gateway_fixture.json.
type fixture struct {
	endpoint *gateway.Endpoint

	Lists        map[string]json.RawMessage           // whole results, by method
	Tools        map[string]json.RawMessage           // results of tools/call, by tool
	Elicitations map[string]json.RawMessage           // params of elicitation/create, by tool
	Rounds       map[string][]map[string]inputRequest // inputRequests of each round, by tool or prompt
	Prompts      map[string]json.RawMessage           // results of prompts/get; {name} stands for an argument
	Resources    map[string]json.RawMessage           // results of resources/read, by URI
}

type inputRequest struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

//go:embed gateway_fixture.json
var fixtureJSON []byte

type fixtureParams struct {
	Name           string
	URI            string
	Arguments      map[string]string
	InputResponses map[string]json.RawMessage
	RequestState   string
}

func (f *fixture) Describe(context.Context, *gateway.Client) (rpc.Description, error) {
	return rpc.Description{ServerInfo: json.RawMessage(`{"name":"fixture","version":"1"}`),
		Capabilities: json.RawMessage(`{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"completions":{}}`)}, nil
}

func (f *fixture) Call(ctx context.Context, c *gateway.Client, method string, params json.RawMessage) (rpc.Object, error) {
	raw, err := f.call(ctx, c, method, params)
	return rpc.ObjectOf(raw), err
}

func (f *fixture) call(ctx context.Context, c *gateway.Client, method string, params json.RawMessage) (json.RawMessage, error) {
	if list := f.Lists[method]; list != nil {
		return list, nil
	}
	var p fixtureParams
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "wrong params")
	}
	switch method {
	case "tools/call":
		return f.tool(ctx, c, p, params)
	case "prompts/get":
		return f.prompt(c, p)
	case "resources/read":
		return f.resource(p.URI)
	}
	return nil, rpc.Errorf(rpc.CodeMethodNotFound, "no such method")
}

func (f *fixture) tool(ctx context.Context, c *gateway.Client, p fixtureParams, params json.RawMessage) (json.RawMessage, error) {
	if result := f.Tools[p.Name]; result != nil {
		return result, nil
	}
	if rounds := f.Rounds[p.Name]; rounds != nil {
		return f.round(c, p, rounds, fixtureText("state-ok"))
	}
	if ask := f.Elicitations[p.Name]; ask != nil {
		if p.Arguments["message"] != "" {
			ask = rpc.Set(ask, "message", fixtureJSONOf(p.Arguments["message"]))
		}
		result, err := c.Request(ctx, "elicitation/create", ask)
		return fixtureText("Elicitation completed: %s", result), err
	}
	switch p.Name {
	case "test_tool_with_progress":
		token := rpc.Get(rpc.Get(params, "_meta"), "progressToken")
		for _, at := range []string{"0", "50", "100"} {
			c.Notify("notifications/progress", json.RawMessage(`{"progressToken":`+string(token)+`,"progress":`+at+`,"total":100}`))
			time.Sleep(5 * time.Millisecond)
		}
	case "test_tool_with_logging", "test_logging_tool":
		for i := range 3 {
			c.Notify("notifications/message", fixtureJSONOf(map[string]any{"level": "info", "data": i}))
		}
	case "test_sampling":
		result, err := c.Request(ctx, "sampling/createMessage", fixtureJSONOf(map[string]any{"maxTokens": 100,
			"messages": []any{map[string]any{"role": "user", "content": map[string]string{"type": "text", "text": p.Arguments["prompt"]}}}}))
		return fixtureText("LLM response: %s", result), err
	case "test_missing_capability":
		if rpc.Get(c.Capabilities, "sampling") == nil {
			return nil, &rpc.Error{Code: rpc.CodeMissingCapability, Message: "sampling is needed", Data: json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`)}
		}
	case "test_trigger_tool_change":
		f.endpoint.Changed(gateway.ToolList, everybody)
	case "test_trigger_prompt_change":
		f.endpoint.Changed(gateway.PromptList, everybody)
	default:
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "no such tool")
	}
	return fixtureText("done"), nil
}

func (f *fixture) prompt(c *gateway.Client, p fixtureParams) (json.RawMessage, error) {
	result := string(f.Prompts[p.Name])
	if result == "" {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "no such prompt")
	}
	for name, value := range p.Arguments {
		result = strings.ReplaceAll(result, "{"+name+"}", value)
	}
	if rounds := f.Rounds[p.Name]; rounds != nil {
		return f.round(c, p, rounds, json.RawMessage(result))
	}
	return json.RawMessage(result), nil
}

func (f *fixture) resource(uri string) (json.RawMessage, error) {
	if result := f.Resources[uri]; result != nil {
		return result, nil
	}
	var id string
	if _, err := fmt.Sscanf(uri, "test://template/%3s/data", &id); err == nil {
		return fixtureJSONOf(map[string]any{"contents": []any{map[string]string{"uri": uri, "mimeType": "application/json", "text": `{"id":"` + id + `"}`}}}), nil
	}
	return nil, &rpc.Error{Code: rpc.CodeInvalidParams, Message: "Resource not found", Data: fixtureJSONOf(map[string]string{"uri": uri})}
}

// round asks for input until every round has been answered. The state that the
// client carries says, signed, which round it is.
func (f *fixture) round(c *gateway.Client, p fixtureParams, rounds []map[string]inputRequest, done json.RawMessage) (json.RawMessage, error) {
	n := 0
	if p.RequestState != "" {
		if _, err := fmt.Sscanf(p.RequestState, "%d.", &n); err != nil || n >= len(rounds) || p.RequestState != fixtureState(n) {
			return nil, rpc.Errorf(rpc.CodeInvalidParams, "the state is not ours")
		}
	}
	asked := maps.Clone(rounds[n])
	answered := true
	for name, ask := range asked {
		answered = answered && rpc.IsObject(p.InputResponses[name])
		feature, _, _ := strings.Cut(ask.Method, "/")
		if rpc.Get(c.Capabilities, feature) == nil && len(rounds[n]) == 2 { // the scenario of capabilities
			delete(asked, name)
		}
	}
	if answered {
		n++
	}
	if n == len(rounds) {
		return done, nil
	}
	if answered {
		asked = rounds[n]
	}
	return fixtureJSONOf(map[string]any{"resultType": "input_required", "inputRequests": asked, "requestState": fixtureState(n)}), nil
}

func fixtureState(round int) string {
	mac := hmac.New(sha256.New, fixtureJSON)
	fmt.Fprint(mac, round)
	return fmt.Sprintf("%d.%s", round, hex.EncodeToString(mac.Sum(nil)))
}

func fixtureText(format string, args ...any) json.RawMessage {
	return fixtureJSONOf(map[string]any{"content": []any{map[string]string{"type": "text", "text": fmt.Sprintf(format, args...)}}})
}

func fixtureJSONOf(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func (f *fixture) Notified(context.Context, *gateway.Client, string, json.RawMessage) {}

func (f *fixture) Subscribe(context.Context, *gateway.Client, string, func(json.RawMessage)) (func(), error) {
	return func() {}, nil
}

func (f *fixture) InputSchema(_ context.Context, _ *gateway.Client, tool string) json.RawMessage {
	var list struct {
		Tools []struct {
			Name        string
			InputSchema json.RawMessage
		}
	}
	_ = json.Unmarshal(f.Lists["tools/list"], &list)
	for _, t := range list.Tools {
		if t.Name == tool {
			return t.InputSchema
		}
	}
	return nil
}
