package console

import (
	"encoding/json"
	"errors"
	"github.com/drawbridge-app/drawbridge/server/config"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A form is made of an input schema, and arguments of what was filled in.
func TestArgumentsOf(t *testing.T) {
	const schema = `{"type":"object","required":["text","n"],"properties":{
		"text":{"type":"string"}, "n":{"type":"integer"}, "size":{"type":["number","null"]}, "yes":{"type":"boolean"},
		"kind":{"enum":["a",2]}, "list":{"type":"array"}, "maybe":{"anyOf":[{"type":"string"},{"type":"null"}]}, "odd":{"$ref":"#/x"}, "worse":7}}`
	for _, c := range []struct {
		name, schema string
		values       map[string]string
		want, wrong  string
	}{
		{"every kind", schema, map[string]string{"text": "a\r\n\"b\"", "n": " 9007199254740993 ", "size": "1.5e3", "yes": "true", "kind": "2", "list": `[{"a":1}]`, "maybe": "m", "odd": "null", "worse": "{}"},
			`{"text":"a\n\"b\"","n":9007199254740993,"size":1.5e3,"yes":true,"kind":2,"list":[{"a":1}],"maybe":"m","odd":null,"worse":{}}`, ""},
		{"nothing but what is required", schema, map[string]string{"n": "0"}, `{"text":"","n":0}`, ""},
		{"a text where a number belongs", schema, map[string]string{"n": `"7"`}, "", "n"},
		{"a number that is none", schema, map[string]string{"n": "seven"}, "", "n"},
		{"a list that is not closed", schema, map[string]string{"n": "1", "list": "[1"}, "", "list"},
		{"a tool without parameters", `{"type":"object"}`, nil, `{}`, ""},
		{"a schema that no form shows", `{"anyOf":[{"type":"object"}]}`, map[string]string{"": `{"a":1}`}, `{"a":1}`, ""},
		{"no schema at all", ``, map[string]string{"": `{"a":1}`}, `{"a":1}`, ""},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			got, wrong := argumentsOf(parametersOf(json.RawMessage(c.schema)), func(name string) string { return c.values[name] })
			if string(got) != c.want || wrong != c.wrong {
				t.Errorf("got %s, wrong %q; want %s, wrong %q", got, wrong, c.want, c.wrong)
			}
		})
	}
}

// Whatever a tool answers is shown.
func TestAnswerOf(t *testing.T) {
	for _, c := range []struct {
		name, result string
		err          error
		failed       bool
		want         string // the first part
		parts        int
	}{
		{"text", `{"content":[{"type":"text","text":"hi"}]}`, nil, false, "hi", 1},
		{"an error of the tool", `{"isError":true,"content":[{"type":"text","text":"no"}]}`, nil, true, "no", 1},
		{"an error of the call", ``, errors.New("gone"), true, "gone", 1},
		{"a picture", `{"content":[{"type":"image","mimeType":"image/png","data":"AAAA"}]}`, nil, false, "image/png, 0 KiB", 1},
		{"structured content too", `{"content":[{"type":"text","text":"1"}],"structuredContent":{"n":1}}`, nil, false, "1", 2},
		{"a resource", `{"content":[{"type":"resource","resource":{"uri":"a:b","text":"c"}}]}`, nil, false, "a:b\nc", 1},
		{"what it does not know", `{"content":[{"type":"smell"}]}`, nil, false, "{\n  \"type\": \"smell\"\n}", 1},
		{"a question back", `{"resultType":"input_required"}`, nil, false, "{\n  \"resultType\": \"input_required\"\n}", 1},
		{"no result", `null`, nil, false, "null", 1},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			a := answerOf(json.RawMessage(c.result), c.err)
			if a.Failed != c.failed || len(a.Parts) != c.parts || a.Parts[0].Text != c.want {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func FuzzParametersOf(f *testing.F) {
	f.Add(`{"properties":{"a":{"type":["string",1,null],"anyOf":[{"anyOf":[{"type":"x"}]}]}},"required":["a"]}`, "1")
	f.Fuzz(func(t *testing.T, schema, value string) {
		got, wrong := argumentsOf(parametersOf(json.RawMessage(schema)), func(string) string { return value })
		if wrong == "" && got != nil && !json.Valid(got) {
			t.Errorf("%s of %q", got, schema)
		}
	})
}

// An entry that is saved as it is shown stays what it was, whatever its values
// hold.
func TestEntryLines(t *testing.T) {
	values := []string{"-c", "import sys\nprint(1)", "", "  ", " a ", `"quoted"`, `"half`, "C:\\x", "A=b: c", "-----BEGIN X-----\nQUJD==\r\n-----END X-----\n", "日本\tx", `{"a":1}`, `""`, "true"}
	lines := linesOf(strings.Join(shownLines(values), "\r\n"))
	if len(lines) != len(values) {
		t.Fatalf("%d values are %d lines: %q", len(values), len(lines), lines)
	}
	for i, value := range values {
		if got := meant(lines[i]); got != value {
			t.Errorf("%q is shown as %s and read as %q", value, lines[i], got)
		}
		_, after, _ := strings.Cut(pairLines(map[string]string{"A": value}, "="), "=")
		if got := meant(after); got != value || strings.ContainsAny(after, "\r\n") {
			t.Errorf("the variable %q is shown as %s and read as %q", value, after, got)
		}
	}
}

// What was ticked is what was shown: an entry that another program has changed
// since is another one.
func TestChangedItemIsAnother(t *testing.T) {
	file := filepath.Join(t.TempDir(), "theirs.json")
	ticked := func(entry string) (string, string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(`{"mcpServers":{"notes":`+entry+`}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		im := config.Importer{Path: filepath.Join(t.TempDir(), "mcp.json")}
		plan, err := im.ImportServers(file)
		if err != nil || len(plan.Items) != 1 || plan.Items[0].As != "notes" {
			t.Fatalf("got %+v, %v", plan, err)
		}
		return itemKey(plan.Items[0]), plan.Items[0].Server().Program()
	}
	shown, program := ticked(`{"command":"npx","args":["notes"],"env":{"API_KEY":"sk-1234567890abcdef"}}`)
	if program != "npx notes" {
		t.Errorf("shown as %q", program)
	}
	for _, other := range []string{`{"command":"sh","args":["notes"]}`, `{"command":"npx","args":["other"]}`,
		`{"command":"npx","args":["notes"],"env":{"API_KEY":"sk-1234567890abcdef","NODE_OPTIONS":"--require x"}}`, `{"url":"https://notes.example/mcp"}`} {
		if now, _ := ticked(other); now == shown {
			t.Errorf("%s passes for what was shown", other)
		}
	}
}
