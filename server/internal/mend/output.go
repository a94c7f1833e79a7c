package mend

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// outputSchema leaves out a schema that some client can't compile: TypeScript
// clients compile all of a list's at once (Ajv), and one that can't be takes the
// list along. What a tool returns is the same without it.
func outputSchema(m *mender, raw json.RawMessage, path string) (json.RawMessage, string) {
	before := len(m.notes)
	o, ok := root(m, raw, path)
	if !ok {
		m.notes = m.notes[:before]
		return nil, leftOut(raw, "schema of objects")
	}
	if o == nil {
		_ = json.Unmarshal(raw, &o)
	}
	if id := o["$id"]; id != nil { // two tools may have the same, and validators keep one schema for each
		delete(o, "$id")
		m.note("%s.$id: it was left out", path)
		raw = encode(o)
	} else if len(m.notes) > before {
		raw = encode(o)
	}
	if keyword := uncompilable(raw); keyword != "" {
		m.notes = m.notes[:before]
		return nil, "its keyword " + strconv.Quote(keyword) + " has a value that can't be used, so that clients can't use it; it was left out"
	}
	return raw, ""
}

// uncompilable returns the keyword for which some client's validator can't
// compile a schema, or "". Each client has its own idea of the revision; what
// 2020-12, MCP's own, does not take is left out, whatever $schema says.
func uncompilable(raw json.RawMessage) string {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	root, ok := schema.(map[string]any)
	if err != nil || !ok {
		return "type"
	}
	delete(root, "$schema")
	if keyword := beyond(root); keyword != "" {
		return keyword
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // it fetches nothing, and reads no file
	c.UseRegexpEngine(javaScript)
	if err = c.AddResource("schema:", root); err == nil {
		_, err = c.Compile("schema:")
	}
	var pattern *jsonschema.InvalidRegexError
	var invalid *jsonschema.SchemaValidationError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &pattern):
		return "pattern"
	case !errors.As(err, &invalid):
		return "$ref"
	}
	at, _ := invalid.Err.(*jsonschema.ValidationError)
	for at != nil && len(at.Causes) > 0 {
		at = at.Causes[0]
	}
	if at == nil || len(at.InstanceLocation) == 0 {
		return "type"
	}
	return at.InstanceLocation[len(at.InstanceLocation)-1]
}

var (
	// refused is what a schema calls itself by, and what depends on who compiles
	// it: rare at a tool's output.
	refused = []string{"$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$async", "$data", "discriminator", "additionalItems"}

	values = []string{"const", "default", "dependentRequired", "enum", "examples"}
	named  = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)

// beyond returns a keyword that Ajv does not take though the specification of
// JSON Schema does, or "".
func beyond(v any) string {
	if list, ok := v.([]any); ok {
		for _, v := range list {
			if keyword := beyond(v); keyword != "" {
				return keyword
			}
		}
	}
	schema, _ := v.(map[string]any)
	for key, value := range schema {
		below := []any{value}
		ref, _ := value.(string)
		list, _ := value.([]any)
		switch {
		case slices.Contains(refused, key),
			key == "enum" && len(list) == 0,
			key == "nullable" && (value != true || schema["type"] == nil),
			key == "$ref" && (ref != "#" && !strings.HasPrefix(ref, "#/") || strings.Contains(ref, "%")):
			return key
		case slices.Contains(values, key):
			continue
		case slices.Contains(named, key):
			of, _ := value.(map[string]any)
			below = slices.Collect(maps.Values(of))
		}
		if keyword := beyond(below); keyword != "" {
			return keyword
		}
	}
	return ""
}

// javaScript reads a pattern if JavaScript, with the flag u, surely can. Of what
// is rare the answer is no: the tool works without its schema.
func javaScript(pattern string) (jsonschema.Regexp, error) {
	if !safePattern.MatchString(pattern) || goOnly.MatchString(pattern) {
		return nil, errors.New("it is not plain")
	}
	return regexp.Compile(pattern)
}

// safePattern is made of what regular expressions of JavaScript with the flag u
// and of Go have in common: no look-around, no names, no assertion but ^ and $.
var safePattern = regexp.MustCompile(`^(?:[^\\\[\](){}*+?^$]|\\[dDwWsStnrfv^$\\.*+?()\[\]{}|/]|[\^$]|\((?:\?:)?|\)|` +
	`\[\^?(?:[^\\\[\]^-]|[A-Za-z0-9]-[A-Za-z0-9]|\\[dDwWsStnrfv^$\\.*+?()\[\]{}|/-])+-?\]|[*+?]|\{\d+(?:,\d*)?\})*$`)

// goOnly is an assertion that is repeated, or a group with flags or a name.
var goOnly = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*(?:[\^$][*+?{]|\(\?[^:])`)
