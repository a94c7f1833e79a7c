package servers

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/mend"
)

// odd makes up items that are wrong somewhere.
type odd struct{ *rand.Rand }

var oddities = []string{`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e400`, `""`, `"x"`, `"a b"`, `"\ud800"`, `"\u0000"`, `[]`, `[null]`, `["a"]`, `[1,"a",{}]`, `{}`, `{"a":null}`, `[{}]`, `{"type":"object"}`,
	`"user"`, `["user","nobody"]`, `0.5`, `"2026-01-01T00:00:00Z"`, `"2026-01-01"`, `"light"`, `"required"`, `[{"src":"x:y"},{"src":null}]`, `[{"name":"a"},{"name":null},7]`}

func (o odd) pick(from []string) string { return from[o.IntN(len(from))] }

// value is mostly a good one.
func (o odd) value(good ...string) string {
	if o.IntN(4) == 0 {
		return o.pick(oddities)
	}
	return o.pick(good)
}

func (o odd) object(members ...string) string {
	var parts []string
	for i := 0; i < len(members); i += 2 {
		if o.IntN(3) > 0 {
			parts = append(parts, fmt.Sprintf("%q:%s", members[i], members[i+1]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

var patterns = []string{`^[a-z]+$`, `^\\d{4}-\\d{2}$`, `[`, `a{`, `a{1,3}`, `}`, `\\p{L}`, `(?<n>a)`, `(?=a)b`, `(?i)a`, `\\-`, `[\\w-]`, `[a-\\d]`, `[]`, `[^]`, `(?<!a)b`, `\\1`, `x**`, `[z-a]`, `\\u{1F600}`, `[\\-]`, `\\/`, `(?P<n>a)`, `a++`, `\\Qa\\E`, `[[:alpha:]]`, `\\b`, `[\\b]`, `[\\B]`, `\\z`, `a|`, `(`, `)`, `]`, `^*`, `$?`, `(?:a)?`, `\\x41`, `.{0,}`, `{1}`, `a{2,1}`, `[\\d-z]`, `[a-z-9]`, `(?=a)*`, `\\b+`, `(?#c)`, `x{1001}`}

func (o odd) schema(deep int) string {
	if deep > 3 {
		return o.value(`{}`, `true`, `{"type":"string"}`)
	}
	below := func() string { return o.schema(deep + 1) }
	return o.object("type", o.value(`"object"`, `"object"`, `"string"`, `["object","null"]`, `["string","null"]`, `"strng"`, `[]`, `["string","string"]`),
		"properties", o.value(`{"a":`+below()+`,"b":`+below()+`}`, `{}`, `{"__proto__":{}}`, `{"constructor":{"type":"string"}}`), "required", o.value(`["a"]`, `[]`, `["a","a"]`),
		o.pick([]string{"items", "not", "if", "then", "else", "additionalProperties", "contains", "propertyNames", "unevaluatedProperties", "additionalItems", "unevaluatedItems"}), o.value(below(), `false`, `[`+below()+`]`),
		o.pick([]string{"anyOf", "oneOf", "allOf", "prefixItems", "enum", "examples"}), o.value(`[`+below()+`]`, `[`+below()+`,`+below()+`]`),
		o.pick([]string{"$defs", "definitions", "patternProperties", "dependentSchemas", "dependencies", "dependentRequired"}), o.value(`{"A":`+below()+`}`, `{"A":["a"]}`, `{"[":{}}`),
		o.pick([]string{"$ref", "$ref", "$ref", "$id", "$anchor", "$dynamicRef", "$schema", "$comment", "id", "$recursiveRef"}), o.value(`"#"`, `"#/$defs/A"`, `"#/definitions/A"`, `"#/properties/a"`, `"https://x.example/y"`, `"#A"`, `"#/a%20b"`, `"http://json-schema.org/draft-07/schema#"`, `"https://json-schema.org/draft/2020-12/schema"`),
		o.pick([]string{"pattern", "format"}), o.value(`"`+o.pick(patterns)+`"`, `"date-time"`, `"nonsense"`),
		o.pick([]string{"minimum", "maximum", "multipleOf", "minLength", "maxItems", "exclusiveMinimum", "minContains", "maxProperties", "minProperties"}), o.value(`0`, `1`, `5`, `-1`, `0.5`),
		o.pick([]string{"uniqueItems", "nullable", "const", "default", "deprecated", "readOnly", "discriminator", "$async", "contentMediaType"}), o.value(`true`, `{"propertyName":"a"}`, `"x"`))
}

func (o odd) icons() string { return o.value(`[{"src":"x:y","sizes":["1x1"],"theme":"dark"}]`, `[]`) }

func (o odd) annotations() string {
	return o.value(o.object("audience", o.value(`["user"]`), "priority", o.value(`0.5`, `1`), "lastModified", o.value(`"2026-01-12T15:00:58Z"`, `"2026-01-12T15:00:58.123+01:00"`, `"2026-01-12t15:00:58z"`, `"2026-01-12T15:00Z"`, `"2026-02-30T00:00:00Z"`, `"2026-01-12T15:00:58,5Z"`, `"2026-01-12T24:00:00Z"`)))
}

func (o odd) item(method string) string {
	common := []string{"title", o.value(`"t"`), "description", o.value(`"d"`), "icons", o.icons(), "_meta", o.value(`{"a":null}`)}
	switch method {
	case "tools/list":
		hint := func() string { return o.value(`true`, `false`) }
		return o.object(append(common, "name", o.value(`"a"`, `"b"`), "inputSchema", o.value(o.schema(0), `{"type":"object"}`), "outputSchema", o.value(o.schema(0)), "execution", o.value(`{"taskSupport":`+o.value(`"optional"`)+`}`),
			"annotations", o.value(o.object("title", o.value(`"t"`), "readOnlyHint", hint(), "destructiveHint", hint(), "idempotentHint", hint(), "openWorldHint", hint())))...)
	case "prompts/list":
		return o.object(append(common, "name", o.value(`"a"`), "arguments", o.value(`[`+o.object("name", o.value(`"a"`), "title", o.value(`"t"`), "description", o.value(`"d"`), "required", o.value(`true`))+`]`))...)
	case "resources/list":
		return o.object(append(common, "uri", o.value(`"a:b"`), "name", o.value(`"n"`), "mimeType", o.value(`"text/plain"`), "size", o.value(`12`, `1.0`, `1e3`), "annotations", o.annotations())...)
	}
	return o.object(append(common, "uriTemplate", o.value(`"a:{b}"`), "name", o.value(`"n"`), "mimeType", o.value(`"text/plain"`), "annotations", o.annotations())...)
}

var mended = []struct {
	method, key string
	of          func(json.RawMessage) (json.RawMessage, []string, bool)
}{
	{"tools/list", "tools", mend.Tool}, {"prompts/list", "prompts", mend.Prompt},
	{"resources/list", "resources", mend.Resource}, {"resources/templates/list", "resourceTemplates", mend.Template},
}

// TestMendedListsAreTaken makes up odd items, mends them, and has the clients of
// the real SDKs judge what comes of it. DRAWBRIDGE_TEST_ROUNDS sets how many.
func TestMendedListsAreTaken(t *testing.T) {
	judges := []*rig.Script{rig.StartScript(t, nil, "servers/judge.mjs")}
	if python := os.Getenv("DRAWBRIDGE_TEST_PYTHON"); python != "" { // one that has the package mcp 2.3
		judges = append(judges, rig.StartProcess(t, nil, python, "servers/judge.py"))
	}
	rounds := 400
	if n := os.Getenv("DRAWBRIDGE_TEST_ROUNDS"); n != "" {
		_, _ = fmt.Sscan(n, &rounds)
	}
	seed := rig.Seed()
	t.Logf("seed %d", seed)
	o := odd{rand.New(rand.NewPCG(seed, 0))}
	listed, kept, outputs, lost := 0, 0, 0, 0
	for range rounds {
		list := mended[o.IntN(2)*o.IntN(len(mended))] // tools more often than the others
		var items []json.RawMessage
		given := o.item(list.method)
		item, notes, ok := list.of(json.RawMessage(given))
		listed++
		if !ok {
			continue
		}
		items = append(items, item)
		kept++
		for _, judge := range judges {
			judge.Write(map[string]any{"method": list.method, "result": map[string]any{list.key: items}})
			var verdict map[string]string
			judge.Read(&verdict)
			for client, why := range verdict {
				if why != "" {
					t.Errorf("%s refuses %s\n given %s\n mended %s (%s)\n %s", client, list.method, given, item, strings.Join(notes, "; "), why)
				}
			}
		}
		if strings.Contains(given, `"outputSchema":{`) && json.Valid([]byte(given)) {
			outputs++
			if !strings.Contains(string(item), `"outputSchema"`) {
				lost++
			}
		}
	}
	t.Logf("%d items, %d kept; %d of %d output schemas left out", listed, kept, lost, outputs)
	if kept < rounds/3 {
		t.Errorf("%d of %d were left out: there was little to judge", rounds-kept, rounds)
	}
}

// TestMendedPatterns has JavaScript compile the regular expressions that an
// output schema keeps.
func TestMendedPatterns(t *testing.T) {
	judge := rig.StartScript(t, nil, "servers/judge.mjs")
	seed := rig.Seed()
	t.Logf("seed %d", seed)
	o := odd{rand.New(rand.NewPCG(seed, 0))}
	tool := func(pattern string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"name":"a","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"a":{"type":"string","pattern":%s}}}}`, pattern))
	}
	all := make([]string, 0, 3000)
	for _, p := range patterns {
		all = append(all, `"`+p+`"`)
	}
	parts := strings.Split(`a b \ [ ] ( ) { } * + ? ^ $ | - . , : = ! < > d w b B s u x p 0 1 2 9 / (?: (?= (?<! \d [^ {1,2} \- \. \w - a-z`, " ")
	for len(all) < cap(all) {
		var b strings.Builder
		for range 1 + o.IntN(7) {
			b.WriteString(o.pick(parts))
		}
		quoted, _ := json.Marshal(b.String())
		all = append(all, string(quoted))
	}
	kept, lost := 0, 0
	for _, p := range all {
		item, _, _ := mend.Tool(tool(p))
		keeps := strings.Contains(string(item), "outputSchema")
		judge.Write(map[string]any{"method": "tools/list", "result": map[string]any{"tools": []json.RawMessage{tool(p)}}})
		var verdict map[string]string
		judge.Read(&verdict)
		switch {
		case keeps && verdict["v1"] != "":
			t.Errorf("%s was kept: %s", p, verdict["v1"])
		case keeps:
			kept++
		case verdict["v1"] == "":
			lost++
		}
	}
	t.Logf("%d patterns kept, %d left out that JavaScript reads", kept, lost)
	if lost > kept {
		t.Errorf("%d patterns left out that JavaScript reads, %d kept", lost, kept)
	}
}
