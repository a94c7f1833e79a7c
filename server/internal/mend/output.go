package mend

import (
	"encoding/json"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
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
	c := &compiler{}
	if json.Unmarshal(raw, &c.root) != nil {
		return nil, leftOut(raw, "schema")
	}
	if why := c.schema(c.root); why != "" {
		m.notes = m.notes[:before]
		return nil, why + ", so that clients can't use it; it was left out"
	}
	return raw, ""
}

// compiler looks for what a validator can't compile.
type compiler struct {
	root    any
	anchors []string
}

// kinds is what the keywords of draft 7 and 2020-12 take.
var kinds = map[string]func(c *compiler, v any) bool{
	"type": func(_ *compiler, v any) bool { return isType(v) }, "enum": func(_ *compiler, v any) bool { l, ok := v.([]any); return ok && len(l) > 0 },
	"multipleOf": positive, "maximum": number, "minimum": number, "exclusiveMaximum": number, "exclusiveMinimum": number,
	"maxLength": count, "minLength": count, "maxItems": count, "minItems": count, "maxProperties": count, "minProperties": count, "maxContains": count, "minContains": count,
	"pattern":     func(_ *compiler, v any) bool { s, ok := v.(string); return ok && isPattern(s) },
	"format":      isString,
	"uniqueItems": yesOrNo, "nullable": yesOrNo,
	"required": texts,
	"$comment": isString, "$schema": isString, "$ref": (*compiler).ref,
	// What a schema calls itself by, and what depends on who compiles it: rare
	// at a tool's output, and each client has its own idea of it.
	"$id": never, "id": never, "$anchor": never, "$dynamicRef": never, "$dynamicAnchor": never, "$recursiveRef": never, "$recursiveAnchor": never, "$async": never, "$data": never, "discriminator": never,
	"dependentRequired": func(c *compiler, v any) bool {
		o, ok := v.(map[string]any)
		return ok && all(o, func(v any) bool { return texts(c, v) })
	},
}

var (
	subschema  = []string{"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "additionalItems", "propertyNames", "contains", "not", "if", "then", "else"}
	subschemas = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	named_     = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)

// schema returns why v can't be compiled, or "".
func (c *compiler) schema(v any) string {
	o, ok := v.(map[string]any)
	if !ok {
		if _, ok := v.(bool); !ok {
			return "a schema in it is neither an object nor true or false"
		}
		return ""
	}
	for key, value := range o {
		why := ""
		check := kinds[key]
		list, isList := value.([]any)
		switch {
		case check != nil && !check(c, value):
			why = "its keyword " + strconv.Quote(key) + " has a value that can't be used"
		case slices.Contains(subschema, key):
			why = c.schema(value)
		case key == "items" && isList:
			why = c.each(list)
		case key == "items":
			why = c.schema(value)
		case slices.Contains(subschemas, key):
			if !isList || len(list) == 0 {
				return "its keyword " + strconv.Quote(key) + " is no list of schemas"
			}
			why = c.each(list)
		case slices.Contains(named_, key) || key == "dependencies":
			why = c.members(key, value)
		}
		if why != "" {
			return why
		}
	}
	return ""
}

func (c *compiler) each(list []any) string {
	for _, v := range list {
		if why := c.schema(v); why != "" {
			return why
		}
	}
	return ""
}

func (c *compiler) members(key string, value any) string {
	o, ok := value.(map[string]any)
	if !ok {
		return "its keyword " + strconv.Quote(key) + " is no object"
	}
	for name, v := range o {
		if key == "patternProperties" && !isPattern(name) {
			return "it has a pattern that JavaScript can't read"
		}
		if key == "dependencies" && texts(c, v) {
			continue
		}
		if why := c.schema(v); why != "" {
			return why
		}
	}
	return ""
}

// ref takes references within the schema that lead to a schema.
func (c *compiler) ref(v any) bool {
	s, ok := v.(string)
	if !ok || s != "#" && !strings.HasPrefix(s, "#/") || strings.Contains(s, "%") {
		return false
	}
	at := c.root
	for _, part := range strings.Split(strings.TrimPrefix(s, "#"), "/")[1:] {
		o, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]; !ok {
			return false
		}
	}
	switch at.(type) {
	case map[string]any, bool:
		return true
	}
	return false
}

var typeNames = []string{"string", "number", "integer", "boolean", "object", "array", "null"}

func isType(v any) bool {
	if s, ok := v.(string); ok {
		return slices.Contains(typeNames, s)
	}
	list, ok := v.([]any)
	seen := map[string]bool{}
	for _, one := range list {
		s, isText := one.(string)
		if !isText || seen[s] || !slices.Contains(typeNames, s) {
			return false
		}
		seen[s] = true
	}
	return ok && len(list) > 0
}

func number(_ *compiler, v any) bool   { _, ok := v.(float64); return ok }
func positive(_ *compiler, v any) bool { f, ok := v.(float64); return ok && f > 0 }
func isString(_ *compiler, v any) bool { _, ok := v.(string); return ok }
func yesOrNo(_ *compiler, v any) bool  { _, ok := v.(bool); return ok }
func never(*compiler, any) bool        { return false }
func count(_ *compiler, v any) bool {
	f, ok := v.(float64)
	return ok && f >= 0 && f == math.Trunc(f)
}

func texts(c *compiler, v any) bool {
	list, ok := v.([]any)
	for _, one := range list {
		ok = ok && isString(c, one)
	}
	return ok
}

func all(o map[string]any, is func(any) bool) bool {
	for _, v := range o {
		if !is(v) {
			return false
		}
	}
	return true
}

// safePattern is made of what regular expressions of JavaScript with the flag u
// and of Go have in common: no look-around, no names, no assertion but ^ and $.
var safePattern = regexp.MustCompile(`^(?:[^\\\[\](){}*+?^$]|\\[dDwWsStnrfv^$\\.*+?()\[\]{}|/]|[\^$]|\((?:\?:)?|\)|` +
	`\[\^?(?:[^\\\[\]^-]|[A-Za-z0-9]-[A-Za-z0-9]|\\[dDwWsStnrfv^$\\.*+?()\[\]{}|/-])+-?\]|[*+?]|\{\d+(?:,\d*)?\})*$`)

var repeatedAssertion = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*[\^$][*+?{]`) // which Go takes

// isPattern reports whether JavaScript can surely read a pattern, as validators
// there do. Of what is rare the answer is no: the tool works without its schema.
func isPattern(s string) bool {
	_, err := syntax.Parse(s, syntax.Perl)
	return err == nil && safePattern.MatchString(s) && !strings.Contains(strings.ReplaceAll(s, "(?:", ""), "(?") && !repeatedAssertion.MatchString(s)
}
