package mend

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The shapes are what the schemas of TypeScript SDK 1.32 and 2.4 and Python SDK
// 2.3 have in common, for 2025-11-25 and 2026-07-28. What one of them refuses
// is refused here.

var (
	text   = optional(isText, "text")
	yesNo  = optional(isBool, "true or false")
	open   = within(nil)
	icon   = within(shape{"mimeType": text, "sizes": each(text), "theme": oneOf("light", "dark")})
	icons  = each(has("src", icon))
	common = shape{"title": text, "description": text, "icons": icons, "_meta": open}
)

var tool = with(common, shape{
	"inputSchema":  inputSchema,
	"outputSchema": outputSchema,
	"annotations":  within(shape{"title": text, "readOnlyHint": yesNo, "destructiveHint": yesNo, "idempotentHint": yesNo, "openWorldHint": yesNo}),
	"execution":    within(shape{"taskSupport": oneOf("required", "optional", "forbidden")}),
})

var prompt = with(common, shape{
	"arguments": each(has("name", within(shape{"title": text, "description": text, "required": yesNo}))),
})

var annotations = within(shape{"audience": each(oneOf("user", "assistant")), "priority": optional(isPriority, "number from 0 to 1"), "lastModified": optional(isTime, "time as of RFC 3339")})

var resource = with(common, shape{
	"mimeType": text, "size": optional(isSize, "whole number"), "annotations": annotations,
})

var template = with(common, shape{
	"mimeType": text, "annotations": annotations,
})

func with(a, b shape) shape {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

func oneOf(texts ...string) rule {
	return optional(func(raw json.RawMessage) bool { return slices.Contains(texts, asText(raw)) }, "value that is known")
}

// has leaves out an object whose member key is no text.
func has(key string, is rule) rule {
	return func(m *mender, raw json.RawMessage, path string) (json.RawMessage, string) {
		var o object
		if json.Unmarshal(raw, &o) == nil && o != nil && !isText(o[key]) {
			return nil, "it has no " + key + ", and was left out"
		}
		return is(m, raw, path)
	}
}

func isPriority(raw json.RawMessage) bool {
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f >= 0 && f <= 1
}

func isSize(raw json.RawMessage) bool {
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53
}

// isTime is stricter than RFC 3339, as TypeScript's schema is: T and Z are capital.
func isTime(raw json.RawMessage) bool {
	_, err := time.Parse(time.RFC3339Nano, asText(raw))
	return err == nil && !strings.Contains(asText(raw), ",") // which Go takes for a point
}

// inputSchema is an object of type object, whatever was there.
func inputSchema(m *mender, raw json.RawMessage, path string) (json.RawMessage, string) {
	o, ok := root(m, raw, path)
	if !ok {
		return json.RawMessage(`{"type":"object"}`), "there is none that can be read, so any object is taken"
	}
	if o == nil {
		return raw, ""
	}
	return encode(o), ""
}

// root mends what every client reads of a schema's root. It returns nil if
// nothing had to be; ok is false if it is no schema of objects.
func root(m *mender, raw json.RawMessage, path string) (mended object, ok bool) {
	var o object
	if json.Unmarshal(raw, &o) != nil || o == nil {
		return nil, false
	}
	changed := m.object(o, shape{"$schema": text, "properties": properties, "required": each(text)}, path+".")
	if asText(o["type"]) != "object" {
		var types []string
		if o["type"] != nil && string(o["type"]) != "null" && (json.Unmarshal(o["type"], &types) != nil || !slices.Contains(types, "object")) {
			return nil, false
		}
		o["type"], changed = json.RawMessage(`"object"`), true
		m.note("%s.type: it is \"object\" now", path)
	}
	if !changed {
		return nil, true
	}
	return o, true
}

// properties is an object of schemas. true and false are schemas, which clients
// of before 2026 don't know.
func properties(m *mender, raw json.RawMessage, path string) (json.RawMessage, string) {
	var o object
	if json.Unmarshal(raw, &o) != nil || o == nil {
		return nil, leftOut(raw, "object")
	}
	changed := false
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if len(o[name]) > 0 && o[name][0] == '{' {
			continue
		}
		as := `{}`
		if string(o[name]) == "false" {
			as = `{"not":{}}`
		}
		m.note("%s.%s: it is no schema, so it is %s now", path, name, as)
		o[name], changed = json.RawMessage(as), true
	}
	if changed {
		return encode(o), ""
	}
	return raw, ""
}
