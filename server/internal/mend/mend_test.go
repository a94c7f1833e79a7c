package mend_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/mend"
)

type mender = func(json.RawMessage) (json.RawMessage, []string, bool)

// TestMend has what public servers were seen to list. That real clients take
// what comes of it is shown in e2e/servers.
func TestMend(t *testing.T) {
	for _, c := range []struct {
		of       mender
		in, want string // "" is left out
		note     string // "" is none
	}{
		{mend.Tool, `{"name":"a","inputSchema":{"type":"object","oneOf":[{"title":"<b>"}],"x-own":1.50},"x-unknown":[1, 2]}`, "same", ""},
		{mend.Tool, `{"name":"a","inputSchema":{"type":"object","properties":{"n":{"default":null,"minimum":90071992547409931}}}}`, "same", ""},
		{mend.Tool, `{"name":"bad"}`, `{"inputSchema":{"type":"object"},"name":"bad"}`, "inputSchema: there is none that can be read"},
		{mend.Tool, `{"name":"a","inputSchema":null}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema: "},
		{mend.Tool, `{"name":"a","inputSchema":[]}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema: "},
		{mend.Tool, `{"name":"a","inputSchema":{}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema.type: "},
		{mend.Tool, `{"name":"a","inputSchema":{"type":["object","null"]}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema.type: "},
		{mend.Tool, `{"name":"a","inputSchema":{"type":"string"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema: "},
		{mend.Tool, `{"name":"a","inputSchema":{"anyOf":[{"type":"object"}]}}`, `{"inputSchema":{"anyOf":[{"type":"object"}],"type":"object"},"name":"a"}`, "inputSchema.type: "},
		{mend.Tool, `{"name":"a","inputSchema":{"$ref":"#/$defs/A","$defs":{"A":{"type":"object"}}}}`, `{"inputSchema":{"$defs":{"A":{"type":"object"}},"$ref":"#/$defs/A","type":"object"},"name":"a"}`, "inputSchema.type: "},
		{mend.Tool, `{"name":"a","inputSchema":{"type":"object","properties":null,"required":null}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema.properties: null was left out"},
		{mend.Tool, `{"name":"a","inputSchema":{"type":"object","properties":[],"required":true,"$schema":7}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "inputSchema.required: it is no list"},
		{mend.Tool, `{"name":"a","inputSchema":{"type":"object","properties":{"b":true,"c":false,"d":null},"required":["b",1]}}`,
			`{"inputSchema":{"properties":{"b":{},"c":{"not":{}},"d":{}},"required":["b"],"type":"object"},"name":"a"}`, "inputSchema.properties.b: it is no schema"},
		{mend.Tool, `{"name":"a","description":null,"title":null,"annotations":null,"_meta":null,"icons":null,"execution":null,"outputSchema":null,"inputSchema":{"type":"object"}}`,
			`{"inputSchema":{"type":"object"},"name":"a"}`, "description: null was left out"},
		{mend.Tool, `{"name":"a","description":["x"],"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "description: it is no text"},
		{mend.Tool, `{"name":"a","annotations":{"readOnlyHint":"true","title":null,"destructiveHint":false},"inputSchema":{"type":"object"}}`,
			`{"annotations":{"destructiveHint":false},"inputSchema":{"type":"object"},"name":"a"}`, "annotations.readOnlyHint: it is no true or false"},
		{mend.Tool, `{"name":"a","outputSchema":[],"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "outputSchema: it is no schema of objects"},
		{mend.Tool, `{"name":"a","outputSchema":{"type":"array"},"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, "outputSchema: "},
		{mend.Tool, `{"name":"a","outputSchema":{"type":"object","properties":{"b":{"type":"strng"}}},"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, `outputSchema: its keyword "type"`},
		{mend.Tool, `{"name":"a","outputSchema":{"type":"object","$ref":"#/$defs/B"},"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, `outputSchema: its keyword "$ref"`},
		{mend.Tool, `{"name":"a","outputSchema":{"type":"object","properties":{"b":{"pattern":"["}}},"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a"}`, `outputSchema: its keyword "pattern"`},
		{mend.Tool, `{"name":"a","outputSchema":{"type":"object","$id":"x:y"},"inputSchema":{"type":"object"}}`, `{"inputSchema":{"type":"object"},"name":"a","outputSchema":{"type":"object"}}`, "outputSchema.$id: "},
		{mend.Tool, `{"name":"a","outputSchema":{"type":"object","$defs":{"N":{"properties":{"next":{"$ref":"#/$defs/N"}}}},"properties":{"e":{"enum":["a",null]},"d":{"pattern":"^\\d{4}-\\d\\d$","default":null},"n":{"anyOf":[{"$ref":"#/$defs/N"},{"type":"null"}]}},"required":["e"],"additionalProperties":false},"inputSchema":{"type":"object"}}`, "same", ""},
		{mend.Tool, `{"name":"a","icons":[{"src":"x:y","sizes":"any"},{"sizes":["1x1"]},null],"inputSchema":{"type":"object"}}`,
			`{"icons":[{"src":"x:y"}],"inputSchema":{"type":"object"},"name":"a"}`, "icons[1]: it has no src"},
		{mend.Tool, `{"name":"a","description":"\ud800x","inputSchema":{"type":"object"}}`, "{\"description\":\"\ufffdx\",\"inputSchema\":{\"type\":\"object\"},\"name\":\"a\"}", "text: characters"},
		{mend.Tool, `{"name":"a","description":"\ud83d\ude00 \\ud800","inputSchema":{"type":"object"}}`, "same", ""},
		{mend.Tool, `{"inputSchema":{"type":"object"}}`, "", "left out: it has no name"},
		{mend.Tool, `{"name":7,"inputSchema":{"type":"object"}}`, "", "left out: it has no name"},
		{mend.Tool, `null`, "", "left out: it is no object"},
		{mend.Tool, `"a"`, "", "left out: it is no object"},
		{mend.Tool, `{"name":"a","inputSchema":` + strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat(`}`, 200) + `}`, "", "left out: it is nested"},
		{mend.Prompt, `{"name":"p","arguments":[{"name":"a","required":true}]}`, "same", ""},
		{mend.Prompt, `{"name":"p","description":null,"arguments":[{"name":"a","required":"yes","description":null},{"description":"b"},"c"]}`,
			`{"arguments":[{"name":"a"}],"name":"p"}`, "arguments[0].required: it is no true or false"},
		{mend.Prompt, `{"name":"p","arguments":null}`, `{"name":"p"}`, "arguments: null was left out"},
		{mend.Resource, `{"uri":"a:b","name":"b","size":12,"annotations":{"priority":0.5,"audience":["user"],"lastModified":"2026-01-12T15:00:58Z"}}`, "same", ""},
		{mend.Resource, `{"uri":"a:b","mimeType":null,"size":"12 KB","annotations":{"priority":7,"audience":["user","me"],"lastModified":"yesterday"}}`,
			`{"annotations":{"audience":["user"]},"name":"a:b","uri":"a:b"}`, "size: it is no whole number"},
		{mend.Resource, `{"name":"x"}`, "", "left out: it has no uri"},
		{mend.Resource, `{"name":"x","uri":"/home/ana/notes.txt"}`, "", "left out: its uri is none"}, // Python's SDK 1 gives up on the list
		{mend.Resource, `{"name":"x","uri":"notes"}`, "", "left out: its uri is none"},
		{mend.Resource, `{"name":"x","uri":"http://"}`, "", "left out: its uri is none"},
		{mend.Resource, `{"name":"x","uri":"memo://"}`, "same", ""},
		{mend.Resource, `{"name":"x","uri":"file:///a b/é"}`, "same", ""},
		{mend.Resource, `{"name":"x","uri":"http:///x"}`, "same", ""},
		{mend.Template, `{"uriTemplate":"a:{b}","name":null,"title":1}`, `{"name":"a:{b}","uriTemplate":"a:{b}"}`, "name: there is none"},
	} {
		got, notes, ok := c.of(json.RawMessage(c.in))
		want := c.want
		if want == "same" {
			want = c.in
		}
		all := strings.Join(notes, "; ")
		if ok != (want != "") || string(got) != want || (all == "") != (c.note == "") || !strings.Contains(all, c.note) {
			t.Errorf("%s\n got  %s (%s)\n want %s (%s)", c.in, got, all, want, c.note)
		}
		if ok { // what was mended needs no more mending
			if again, notes, ok := c.of(got); string(again) != string(got) || len(notes) > 0 || !ok {
				t.Errorf("%s: mended again: %s, %v", c.in, again, notes)
			}
		}
	}
}

func TestResult(t *testing.T) {
	for _, c := range []struct{ method, in, want string }{
		{"tools/call", `{"content":[{"type":"text","text":"null","x":1.0}],"structuredContent":{"a":null}}`, "same"},
		{"tools/call", `{"content":[{"type":"text","text":"a","annotations":null,"_meta":null},{"type":"resource","resource":{"uri":"a:b","text":"","mimeType":null},"annotations":{"audience":null}}],"isError":null,"structuredContent":null,"_meta":null}`,
			`{"content":[{"type":"text","text":"a"},{"type":"resource","resource":{"uri":"a:b","text":""},"annotations":{}}]}`},
		{"tools/call", `{"content":[],"_meta":{"a":null},"structuredContent":{"a":[null]}}`, "same"},
		{"tools/call", `{"content":null}`, `{"content":[]}`},
		{"tools/call", `{"content":[null,{"type":"text","text":"a"},null]}`, `{"content":[{"type":"text","text":"a"}]}`},
		{"tools/call", `{"content":[null]}`, `{"content":[]}`},
		{"tools/call", `{"content":[{"type":"text","text":null}]}`, `{"content":[{"text":"","type":"text"}]}`},
		{"tools/call", `{"isError":null,"structuredContent":{"a":[null]}}`, `{"structuredContent":{"a":[null]}}`},
		{"resources/read", `{"contents":[null,{"uri":"a:b","text":"x"}]}`, `{"contents":[{"uri":"a:b","text":"x"}]}`},
		{"tools/call", `null`, "same"},
		{"prompts/get", `{"description":null,"messages":[{"role":"user","content":{"type":"text","text":"a","annotations":null}}]}`, `{"messages":[{"role":"user","content":{"type":"text","text":"a"}}]}`},
		{"resources/read", `{"contents":[{"uri":"a:b","text":"x","mimeType":null,"blob":null}]}`, `{"contents":[{"uri":"a:b","text":"x"}]}`},
		{"completion/complete", `{"completion":{"values":[],"total":null}}`, "same"},
	} {
		want := c.want
		if want == "same" {
			want = c.in
		}
		if got := mend.Result(c.method, json.RawMessage(c.in)); string(got) != want {
			t.Errorf("%s\n got  %s\n want %s", c.in, got, want)
		}
	}
}

func FuzzTool(f *testing.F) {
	f.Add([]byte(`{"name":"a","inputSchema":{"type":"object","properties":{"a":true}},"outputSchema":{"type":"object","properties":{"a":{"pattern":"(?<a>b)\\d{2}[a-z-]"}}},"icons":[{}]}`))
	f.Add([]byte(`{"name":"a","description":"\ud800\u0000","annotations":{"title":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		for _, of := range []mender{mend.Tool, mend.Prompt, mend.Resource, mend.Template} {
			got, notes, ok := of(data)
			if !ok {
				if len(notes) == 0 {
					t.Fatalf("%s was left out without a word", data)
				}
				continue
			}
			if !json.Valid(got) {
				t.Fatalf("%s became %s", data, got)
			}
			if again, notes, ok := of(got); !ok || len(notes) > 0 || string(again) != string(got) {
				t.Fatalf("%s became %s, and then %s: %v", data, got, again, notes)
			}
		}
		if got := mend.Result("tools/call", data); !json.Valid(got) {
			t.Fatalf("%s became %s", data, got)
		}
	})
}
