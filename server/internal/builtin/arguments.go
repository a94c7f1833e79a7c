package builtin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// parameter is one member of a tool's input schema.
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
// with: to encoding/json "Message" is "message" too, and the last of two counts.
func read(parameters []parameter, arguments json.RawMessage) (map[string]any, error) {
	members := map[string]any{}
	if len(arguments) > 0 && string(arguments) != "null" {
		if err := json.Unmarshal(arguments, &members); err != nil {
			return nil, fmt.Errorf("arguments must be an object with %s", names(parameters))
		}
	}
	for _, p := range parameters {
		var value json.RawMessage
		times := 0
		for name, v := range rpc.Members(arguments) {
			switch {
			case string(name) == p.name:
				value = v
				times++
			case strings.EqualFold(string(name), p.name):
				return nil, fmt.Errorf("%s is required, spelt so and not %s", p.name, name)
			}
		}
		switch {
		case times > 1:
			return nil, fmt.Errorf("%s must be given once", p.name)
		case times == 0 && !p.required:
			continue
		}
		if err := p.check(value); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func names(parameters []parameter) string {
	var list []string
	for _, p := range parameters {
		list = append(list, p.name)
	}
	return strings.Join(list, ", ")
}

// maxDigits bounds the work with one integer. No float64 has more than 308.
const maxDigits = 300

// check holds a value against the type of JSON Schema 2020-12 §6.1.1. Of
// numbers "2.0" is an integer; an exponent makes none, because a few bytes of it
// can ask for gigabytes.
func (p parameter) check(value json.RawMessage) error {
	first := byte(0)
	if len(value) > 0 {
		first = value[0]
	}
	number := first == '-' || first >= '0' && first <= '9'
	ok := map[string]bool{"": first != 0, "string": first == '"', "object": first == '{', "array": first == '[',
		"boolean": first == 't' || first == 'f', "number": number, "integer": number && strings.Trim(whole(value), "-0123456789") == ""}[p.kind]
	must := "must be "
	if p.required {
		must = "is required and must be "
	}
	switch {
	case !ok:
		return fmt.Errorf("%s %s%s", p.name, must, described[p.kind])
	case number && len(value) > maxDigits:
		return fmt.Errorf("%s has more than %d digits", p.name, maxDigits)
	}
	return nil
}

// described are the types in words.
var described = map[string]string{"": "given", "string": "a string", "object": "an object", "array": "an array", "boolean": "true or false",
	"number": "a number", "integer": "an integer written in digits"}

// whole returns a number without a fraction that is nothing.
func whole(number json.RawMessage) string {
	digits, fraction, _ := strings.Cut(string(number), ".")
	if strings.Trim(fraction, "0") != "" {
		return string(number)
	}
	return digits
}
