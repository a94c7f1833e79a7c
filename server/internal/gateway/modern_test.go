package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// request is a request of 2026-07-28 with the headers it needs.
func modernRequest(method, params string) (body string, headers []string) {
	return `{"jsonrpc":"2.0","id":"x","method":"` + method + `","params":{` + params + meta + `}}`,
		[]string{"MCP-Protocol-Version: " + modern, "Mcp-Method: " + method}
}

func TestDiscover(t *testing.T) {
	r := newRig(t)
	body, headers := modernRequest("server/discover", "")
	got := text(t, r.post(body, headers...))
	want := `{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":` + fakeInfo + `},` +
		`"supportedVersions":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"],` +
		`"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"x":{"kept":1.0}},"instructions":"Be \u003cbrief\u003e."}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// It adds to a result what 2026-07-28 demands and the server behind did not
// say, and changes nothing that it did.
func TestResults(t *testing.T) {
	r := newRig(t)
	result := ""
	answer := func(*Client, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(result), nil }
	for _, m := range []string{"tools/list", "prompts/get"} {
		r.method(m, answer)
	}
	const info = `"_meta":{"io.modelcontextprotocol/serverInfo":` + fakeInfo
	for _, c := range []struct{ method, result, want string }{
		{"tools/list", `{}`, `{` + info + `},"resultType":"complete","ttlMs":0,"cacheScope":"private"}`},
		{"tools/list", `{"tools":[ 1.0 ],"ttlMs":5}`, `{` + info + `},"resultType":"complete","cacheScope":"private","tools":[ 1.0 ],"ttlMs":5}`},
		{"tools/list", `{"resultType":"complete","ttlMs":1,"cacheScope":"public","_meta":{"a":1}}`,
			`{"resultType":"complete","ttlMs":1,"cacheScope":"public",` + info + `,"a":1}}`},
		{"prompts/get", `{"x":[]}`, `{` + info + `},"resultType":"complete","x":[]}`},
		{"prompts/get", `{"resultType":"input_required","inputRequests":{"a":{"params":{"n":1e2}}},"requestState":"s","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"own"}}}`,
			`{"resultType":"input_required","inputRequests":{"a":{"params":{"n":1e2}}},"requestState":"s","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"own"}}}`},
		{"tools/list", `{"resultType":"input_required"}`, `{` + info + `},"resultType":"input_required"}`},
	} {
		result = c.result
		body, headers := modernRequest(c.method, `"name":"n",`)
		want := `{"jsonrpc":"2.0","id":"x","result":` + c.want + `}`
		if got := text(t, r.post(body, append(headers, "Mcp-Name: n")...)); got != want {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.method, c.result, got, want)
		}
	}
	// In a transport session nothing is added.
	result = `{"tools":[]}`
	if got := text(t, r.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, r.initialize())); got != `{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}` {
		t.Errorf("%s", got)
	}
}

// It handles errors of the Backend: those meant for the client word for word,
// all others as an internal one without a detail.
func TestErrors(t *testing.T) {
	r := newRig(t)
	var err error
	r.tool("fail", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) {
		if err == nil {
			panic("a secret detail")
		}
		return nil, fmt.Errorf("call: %w", err)
	})
	r.tool("none", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) { return nil, nil })
	r.tool("list", func(context.Context, *Client, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`[]`), nil
	})
	session := r.initialize()
	for _, c := range []struct {
		tool   string
		err    error
		status int
		want   string
	}{
		{"fail", &rpc.Error{Code: -32021, Message: "no <sampling>", Data: json.RawMessage("{\"requiredCapabilities\":\n{}}")}, 400, `{"code":-32021,"message":"no \u003csampling\u003e","data":{"requiredCapabilities":{}}}`},
		{"fail", rpc.Errorf(-32601, "no"), 404, `{"code":-32601,"message":"no"}`}, // TR-15
		{"fail", rpc.Errorf(-32602, "no"), 400, `{"code":-32602,"message":"no"}`},
		{"fail", rpc.Errorf(17, "no"), 200, `{"code":17,"message":"no"}`},
		{"fail", errors.New("a secret detail"), 200, `{"code":-32603,"message":"` + internal + `"}`},
		{"fail", nil, 200, `{"code":-32603,"message":"` + internal + `"}`},
		{"none", nil, 200, `{"code":-32603,"message":"` + internal + `"}`},
		{"list", nil, 200, `{"code":-32603,"message":"` + internal + `"}`},
	} {
		err = c.err
		want := `{"jsonrpc":"2.0","id":7,"error":` + c.want + `}`
		body, headers := stateless(c.tool, "{}")
		resp := r.post(body, headers...)
		if got := text(t, resp); got != want || resp.StatusCode != c.status {
			t.Errorf("%d %s\nwant %d %s", resp.StatusCode, got, c.status, want)
		}
		resp = r.post(legacy(c.tool, "{}"), session)
		if got := text(t, resp); got != want || resp.StatusCode != 200 {
			t.Errorf("in a session: %d %s", resp.StatusCode, got)
		}
	}
}

// It handles methods that a revision does not have, before any Backend sees
// them.
func TestMethodsOfOtherRevisions(t *testing.T) {
	r := newRig(t)
	for _, m := range []string{"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"} {
		body, headers := modernRequest(m, `"level":"info","uri":"test://a","protocolVersion":"2025-11-25",`)
		resp := r.post(body, headers...)
		if got := text(t, resp); resp.StatusCode != 404 || !strings.Contains(got, `"id":"x","error":{"code":-32601`) {
			t.Errorf("%s: %d %s", m, resp.StatusCode, got)
		}
	}
	session := r.initialize()
	for _, m := range []string{"server/discover", "subscriptions/listen"} {
		resp := r.post(`{"jsonrpc":"2.0","id":1,"method":"`+m+`"}`, session)
		if got := text(t, resp); resp.StatusCode != 200 || !strings.Contains(got, `-32601`) {
			t.Errorf("%s: %d %s", m, resp.StatusCode, got)
		}
	}
}

// It handles requests of 2026-07-28 whose _meta or headers are wrong (B,
// "_meta"; H, "Server Validation").
func TestModernRefusals(t *testing.T) {
	r := newRig(t)
	r.method("resources/read", func(*Client, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`{"contents":[]}`), nil
	})
	good, headers := stateless("echo", `{"message":"x"}`)
	with := func(more ...string) []string { return append(slices.Clone(headers), more...) }
	coded := func(s string) string {
		return "Mcp-Name: =?base64?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	read, readHeaders := modernRequest("resources/read", `"uri":"test://é",`)
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		want    string
	}{
		"a good one":               {good, headers, 200, "Echo: x"},
		"a coded name":             {good, with(coded("echo")), 200, "Echo: x"},
		"a coded other name":       {good, with(coded("add")), 400, "-32020"},
		"a name coded badly":       {good, with("Mcp-Name: =?base64?ZWNobw?="), 400, "-32020"},
		"a coded URI":              {read, append(readHeaders, coded("test://é")), 200, `"contents":[]`},
		"a URI with other letters": {read, append(readHeaders, "Mcp-Name: test://é"), 400, "-32020"},
		"another method":           {good, with("Mcp-Method: tools/list"), 400, "-32020"},
		"no method":                {good, with("Mcp-Method: "), 400, "-32020"},
		"no version header":        {good, with("MCP-Protocol-Version: "), 400, "-32020"},
		"no _meta":                 {strings.Replace(good, `"_meta"`, `"_other"`, 1), headers, 400, "-32602"},
		"a _meta that is a list":   {strings.Replace(good, meta, `"_meta":[]`, 1), headers, 400, "-32602"},
		"capabilities as a list":   {strings.Replace(good, `Capabilities":{}`, `Capabilities":[]`, 1), headers, 400, "-32602"},
		"clientInfo as a string":   {strings.Replace(good, `"progressToken"`, `"io.modelcontextprotocol/clientInfo":"x","progressToken"`, 1), headers, 400, "-32602"},
		"a version as a number":    {strings.Replace(good, `"2026-07-28"`, `20260728`, 1), headers, 400, "-32602"},
		"a response":               {`{"jsonrpc":"2.0","id":1,"result":{}}`, headers, 400, "-32600"},
		"a notification":           {strings.Replace(good, `"id":7,`, ``, 1), headers, 202, ""}, // TR-5
	} {
		t.Run(name, func(t *testing.T) {
			resp := r.post(c.body, c.headers...)
			if got := text(t, resp); resp.StatusCode != c.status || !strings.Contains(got, c.want) {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, got, c.status, c.want)
			}
		})
	}
	future := strings.ReplaceAll(good, modern, "2027-01-01")
	got := text(t, r.post(future, with("MCP-Protocol-Version: 2027-01-01")...))
	if !strings.Contains(got, `"data":{"requested":"2027-01-01","supported":["2026-07-28",`) { // TR-14
		t.Errorf("%s", got)
	}
	if len(r.fake.notified) != 1 || !strings.HasPrefix(r.fake.notified[0], "tools/call ") {
		t.Errorf("notified of %q", r.fake.notified)
	}
}
