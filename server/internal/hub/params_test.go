package hub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/policy"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// spellings are other ways to write a name that some decoder takes for it: Go's
// folds Unicode, so that the long s is an s and the Kelvin sign a k.
func spellings(name string) []string {
	list := []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], name[:len(name)-1] + strings.ToUpper(name[len(name)-1:])}
	for from, to := range map[string]string{"s": "\u017f", "k": "\u212a"} {
		if strings.Contains(name, from) {
			list = append(list, strings.Replace(name, from, to, 1))
		}
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == name })
}

// Each member of each method in each spelling, beside the true one and in its
// place: no server gets it.
func TestMembersNobodyLookedAt(t *testing.T) {
	for _, c := range []struct{ method, params, where, member string }{
		{"tools/call", `{"name":"write","arguments":{}%s}`, "params", "arguments"},
		{"tools/call", `{"name":"write"%s}`, "params", "arguments"},
		{"tools/call", `{"name":"write","arguments":{}%s}`, "params", "name"},
		{"tools/call", `{"name":"write"%s}`, "params", "task"},
		{"tools/call", `{"name":"write"%s}`, "params", "inputResponses"},
		{"tools/call", `{"name":"write"%s}`, "params", "requestState"},
		{"tools/call", `{"name":"write"%s}`, "params", "_meta"},
		{"tools/call", `{"name":"write","task":{"x":1%s}}`, "task", "ttl"},
		{"tools/call", `{"name":"write","_meta":{"x":1%s}}`, "_meta", "progressToken"},
		{"tools/call", `{"name":"write","_meta":{"x":1%s}}`, "_meta", "io.modelcontextprotocol/clientCapabilities"},
		{"tools/call", `{"name":"write","_meta":{"x":1%s}}`, "_meta", "io.modelcontextprotocol/protocolVersion"},
		{"prompts/get", `{"name":"hello"%s}`, "params", "name"},
		{"prompts/get", `{"name":"hello"%s}`, "params", "arguments"},
		{"resources/read", `{"uri":"x://1"%s}`, "params", "uri"},
		{"resources/read", `{"uri":"x://1"%s}`, "params", "_meta"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"argument":{"name":"a","value":"b"}%s}`, "params", "ref"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"argument":{"name":"a","value":"b"}%s}`, "params", "argument"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"argument":{"name":"a","value":"b"}%s}`, "params", "context"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"%s},"argument":{"name":"a","value":"b"}}`, "ref", "type"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"%s},"argument":{"name":"a","value":"b"}}`, "ref", "name"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"%s},"argument":{"name":"a","value":"b"}}`, "ref", "uri"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"argument":{"name":"a","value":"b"%s}}`, "argument", "name"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"argument":{"name":"a","value":"b"%s}}`, "argument", "value"},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"context":{"x":1%s}}`, "context", "arguments"},
	} {
		r := newRig(t, map[string]*server{"a": offering("t:write", "p:hello", "uri:x://1")})
		if got := r.ask(alice(), c.method, fmt.Sprintf(c.params, "")); strings.HasPrefix(got, "-") {
			t.Errorf("%s as it should be: %s", c.method, got)
		}
		before := len(r.mounts.called("a"))
		for _, written := range spellings(c.member) {
			for _, key := range []string{string(rpc.Quote(written)), `"` + escaped(written) + `"`} {
				params := fmt.Sprintf(c.params, ","+key+`:{"path":"/etc/passwd"}`)
				for _, at := range []gateway.Backend{r.All(), r.One("a")} {
					contains(t, c.method+" "+params, r.askAt(at, alice(), c.method, params), fmt.Sprintf("-32602 %s has a member", c.where))
				}
			}
		}
		if n := len(r.mounts.called("a")); n != before {
			t.Errorf("%s: a server was asked %v", c.method, r.mounts.called("a")[before:])
		}
	}
}

// escaped is a name with each letter as an escape.
func escaped(name string) string {
	var b strings.Builder
	for _, r := range name {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

// A member that stands twice, anywhere, reaches no server.
func TestDoubledMembers(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:write", "p:hello")})
	for _, c := range []struct{ method, params string }{
		{"tools/call", `{"name":"write","arguments":{},"arguments":{"a":1}}`},
		{"tools/call", `{"name":"write","n\u0061me":"look"}`},
		{"tools/call", `{"name":"write","arguments":{"path":"/tmp/a","path":"/etc/passwd"}}`},
		{"tools/call", `{"name":"write","arguments":{"a":[{"b":[1,{"c":"}","c":2}]}]}}`},
		{"tools/call", `{"name":"write","_meta":{"x":{"y":1,"\u0079":2}}}`},
		{"prompts/get", `{"name":"hello","arguments":{"a":"1","a":"2"}}`},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello","name":"bye"},"argument":{"name":"a","value":"b"}}`},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"hello"},"context":{"arguments":{"a":"1","a":"2"}}}`},
	} {
		contains(t, c.params, r.ask(alice(), c.method, c.params), "-32602 An object in this request has a member twice")
	}
	if calls := r.mounts.called("a"); len(calls) != 0 {
		t.Errorf("a was asked %v", calls)
	}
}

// What MCP defines goes through, and nothing else does.
func TestParamsAreRebuilt(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:write", "p:hello", "uri:x://1", "template:y://{id}")})
	for _, c := range []struct{ method, params, want string }{
		{"tools/call", `{"evil":1,"task":{"ttl":60000,"x":1},"name":"write","_meta":{"traceparent":"t","com.example/x":{"Name":1}},"arguments":{"Name":1,"name":2},"meta":{}}`,
			`{"_meta":{"com.example/x":{"Name":1},"traceparent":"t"},"arguments":{"Name":1,"name":2},"name":"write","task":{"ttl":60000}}`},
		{"tools/call", `{"name":"write","arguments":{"n":123456789012345678901234567890,"f":1.0e5}}`, `{"arguments":{"n":123456789012345678901234567890,"f":1.0e5},"name":"write"}`},
		{"tools/call", `{"name":"write","task":null,"_meta":null}`, `{"name":"write"}`},
		{"prompts/get", `{"name":"hello","arguments":{"a":"b"},"uri":"file:///etc/passwd"}`, `{"arguments":{"a":"b"},"name":"hello"}`},
		{"resources/read", `{"uri":"x://1","arguments":{"path":"/etc/passwd"},"name":"x"}`, `{"uri":"x://1"}`},
		{"completion/complete", `{"ref":{"type":"ref/resource","uri":"y://{id}","path":"x"},"argument":{"name":"id","value":"1","x":2},"context":{"arguments":{"Q":"1"},"x":1},"x":2}`,
			`{"argument":{"name":"id","value":"1"},"context":{"arguments":{"Q":"1"}},"ref":{"type":"ref/resource","uri":"y://{id}"}}`},
	} {
		before := len(r.mounts.called("a"))
		r.ask(alice(), c.method, c.params)
		if calls := r.mounts.called("a")[before:]; len(calls) != 1 || calls[0] != c.method+" "+c.want {
			t.Errorf("%s became\n%q, want\n%s", c.params, calls, c.want)
		}
	}
	for _, params := range []string{`{"name":"write","task":[]}`, `{"name":"write","_meta":"x"}`, `[]`, `"x"`, `{"ref":{"type":"ref/prompt","name":"hello"},"argument":"x"}`} {
		method := "tools/call"
		if strings.Contains(params, "ref") {
			method = "completion/complete"
		}
		contains(t, params, r.ask(alice(), method, params), "-32602 ")
	}
}

// Where a rule limits resources, each way to a server decides on what it sends.
func TestResourcesByRule(t *testing.T) {
	rules := policy.New([]config.Rule{{Resources: []string{"file:///X/public/*"}, Prompts: []string{"*"}}})
	r := newRig(t, map[string]*server{
		"a": offering("uri:file:///X/public/my note", "uri:file:///X/public/../listed", "uri:file:///X/public/b", "template:file:///X/public/{+path}", "template:file:///X/{+path}"),
		"b": offering("uri:y://1"),
	}, func(o *Options) { o.Policy = func() Policy { return rules } })
	equal(t, "resources", r.listed(r.All(), alice(), "resources/list"), "file:///X/public/b")
	equal(t, "templates", r.listed(r.All(), alice(), "resources/templates/list"), "file:///X/public/{+path}")
	for tail, want := range map[string]bool{"a": true, "b": true, "%20": true, "my note": false, "../listed": false, "%2e%2e/private.txt#%zz": false, "%2e%2e/private.txt?%zz": false,
		".\t./private.txt": false, `..\private.txt`: false, "%252e%252e/x": false, "ä": false, "%": false} {
		uri := "file:///X/public/" + tail
		for name, at := range map[string]gateway.Backend{uri: r.All(), "drawbridge://s/a/" + uri: r.All(), uri + "": r.One("a")} {
			got := r.askAt(at, alice(), "resources/read", string(encode(object{"uri": rpc.Quote(name)})))
			if strings.Contains(got, "a: resources/read") != want {
				t.Errorf("%q: %s", name, got)
			}
			stop, err := at.Subscribe(t.Context(), alice().client(), name, func(json.RawMessage) {})
			if (err == nil) != want {
				t.Errorf("subscribe to %q: %v", name, err)
			}
			if stop != nil {
				stop()
			}
		}
	}
	complete := func(uri, value string) string {
		return r.ask(alice(), "completion/complete", fmt.Sprintf(`{"ref":{"type":"ref/resource","uri":%q},"argument":{"name":"path","value":%q}}`, uri, value))
	}
	contains(t, "a value", complete("file:///X/public/{+path}", "re"), "a: completion/complete")
	for _, value := range []string{"../", "..", "%2e%2e/", `..\`, ".\t./"} {
		contains(t, value, complete("file:///X/public/{+path}", value), "-32602")
	}
	contains(t, "in the context", r.ask(alice(), "completion/complete", `{"ref":{"type":"ref/resource","uri":"file:///X/public/{+path}"},"argument":{"name":"path","value":"a"},"context":{"arguments":{"folder":"../private"}}}`), "-32602")
	contains(t, "another template", complete("file:///X/{+path}", "re"), "-32602")
	for _, call := range slices.Concat(r.mounts.called("a"), r.mounts.called("b")) {
		if strings.Contains(call, "private") || strings.Contains(call, "listed") || strings.Contains(call, "note") {
			t.Errorf("asked %s", call)
		}
	}
}

// callParams is how mcp-go and others written in Go read the params of a call.
type callParams struct {
	Name           string          `json:"name"`
	URI            string          `json:"uri"`
	Arguments      json.RawMessage `json:"arguments"`
	Task           json.RawMessage `json:"task"`
	Meta           json.RawMessage `json:"_meta"`
	RequestState   json.RawMessage `json:"requestState"`
	InputResponses json.RawMessage `json:"inputResponses"`
}

// encoding/json reads of what is sent on what was decided on.
func FuzzParams(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"a","Arguments":{}}`, `{"name":"a","argument\u017f":1}`, `{"tas\u212a":1,"name":"x"}`, `{"uri":"a","URI":"b"}`, `{"_META":{}}`, `{"_meta":{"progress_token":1}}`,
		`{"name":"a","arguments":{"x":[{"a":1,"a":2}]}}`, `{"\ud800":1,"\udc00":2}`, `{"name":"a","requeſtState":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return
		}
		for _, method := range []string{"tools/call", "resources/read"} {
			params, err := paramsOf(method, json.RawMessage(raw))
			if err != nil {
				continue
			}
			var got callParams
			sent := encode(params)
			if rpc.Doubled(sent) {
				t.Errorf("%s became %s", raw, sent)
			}
			if json.Unmarshal(sent, &got) != nil {
				continue // it is read as nothing at all
			}
			name, _ := params.text("name")
			uri, _ := params.text("uri")
			if got.Name != name || got.URI != uri || string(got.Arguments) != string(params["arguments"]) || string(got.Task) != string(params["task"]) ||
				string(got.Meta) != string(params["_meta"]) || string(got.RequestState) != string(params["requestState"]) || string(got.InputResponses) != string(params["inputResponses"]) {
				t.Errorf("%s became %s, which Go reads as %+v", raw, sent, got)
			}
			var meta map[string]json.RawMessage
			var token struct{ ProgressToken json.RawMessage }
			if json.Unmarshal(got.Meta, &meta) == nil && json.Unmarshal(got.Meta, &token) == nil && string(token.ProgressToken) != string(meta["progressToken"]) {
				t.Errorf("%s: the progress token is read as %s", sent, token.ProgressToken)
			}
		}
	})
}
