package builtin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

type parameter struct {
	name     string
	kind     string // its "type"; "" takes anything
	required bool
}

func parametersOf(t mcp.Tool) []parameter {
	var list []parameter
	for name, schema := range t.InputSchema.Properties {
		p := parameter{name: name, required: slices.Contains(t.InputSchema.Required, name)}
		if members, ok := schema.(map[string]any); ok {
			p.kind, _ = members["type"].(string)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	return list
}

// read returns the arguments as [mcp.CallToolRequest.GetArguments] gives them,
// or says what is wrong with them. It is stricter than what handlers read them
// with: to encoding/json "Message" is "message" too. That none comes twice, the
// caller has seen to.
func read(parameters []parameter, arguments json.RawMessage) (map[string]any, error) {
	members := map[string]any{}
	if len(arguments) > 0 && string(arguments) != "null" && !rpc.IsObject(arguments) {
		var names []string
		for _, p := range parameters {
			names = append(names, p.name)
		}
		return nil, fmt.Errorf("arguments must be an object with %s", strings.Join(names, ", "))
	}
	for name, value := range rpc.Members(arguments) {
		var v any
		if text, ok := rpc.String(value); ok { // as nearly all are
			v = text
		} else if err := json.Unmarshal(value, &v); err != nil {
			return nil, fmt.Errorf("%s can't be read: %w", name, err)
		}
		members[string(name)] = v
	}
	for _, p := range parameters {
		for name := range members {
			if name != p.name && strings.EqualFold(name, p.name) {
				return nil, fmt.Errorf("%s is required, spelt so and not %s", p.name, name)
			}
		}
		value := rpc.Get(arguments, p.name)
		if value == nil && !p.required {
			continue
		}
		if err := p.check(value); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// maxDigits bounds the work with one integer. No float64 has more than 308.
const maxDigits = 300

const number = "-0123456789"

// kinds are the types in words, and what a value of each begins with.
var kinds = map[string]struct{ words, first string }{"string": {"a string", `"`}, "object": {"an object", "{"}, "array": {"an array", "["},
	"boolean": {"true or false", "tf"}, "number": {"a number", number}, "integer": {"an integer written in digits", number},
	"": {"given", `"{[tfn` + number}}

// check holds a value against the type of JSON Schema 2020-12 §6.1.1. Of
// numbers "2.0" is an integer; an exponent makes none, because a few bytes of it
// can ask for gigabytes.
func (p parameter) check(value json.RawMessage) error {
	kind := kinds[p.kind]
	ok := len(value) > 0 && strings.IndexByte(kind.first, value[0]) >= 0
	if ok && p.kind == "integer" {
		ok = strings.Trim(whole(value), number) == ""
	}
	must := "must be "
	if p.required {
		must = "is required and must be "
	}
	switch {
	case !ok:
		return fmt.Errorf("%s %s%s", p.name, must, kind.words)
	case len(value) > maxDigits && strings.IndexByte(number, value[0]) >= 0:
		return fmt.Errorf("%s has more than %d digits", p.name, maxDigits)
	}
	return nil
}

// whole returns a number without a fraction that is nothing.
func whole(number json.RawMessage) string {
	digits, fraction, _ := strings.Cut(string(number), ".")
	if strings.Trim(fraction, "0") != "" {
		return string(number)
	}
	return digits
}
