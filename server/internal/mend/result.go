package mend

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Result leaves the nulls of optional members out of the result of a tools/call,
// prompts/get or resources/read: clients refuse the whole result for one. What
// a tool says in structuredContent, and _meta, is its own.
func Result(method string, raw json.RawMessage) json.RawMessage {
	if !bytes.Contains(raw, null) { // results are large, and seldom have one
		return raw
	}
	of := map[string]func(json.RawMessage) json.RawMessage{
		"tools/call":     members("content", block),
		"prompts/get":    members("messages", members("content", block)),
		"resources/read": members("contents", members("", nil)),
	}[method]
	if of == nil {
		return raw
	}
	if method == "tools/call" && bytes.Equal(rpc.Get(raw, "content"), null) {
		raw = rpc.Set(raw, "content", json.RawMessage("[]")) // Python's SDK 1 demands one
	}
	return of(raw)
}

// block is one of content. A resource stands in it, and annotations and icons.
func block(raw json.RawMessage) json.RawMessage {
	plain := members("", nil)
	for _, key := range []string{"annotations", "resource", "icons"} {
		raw = members(key, plain)(raw)
	}
	return raw
}

// members takes the nulls out of an object, and mends what stands under key with
// of. Of a list it does so with each element that is no null itself. Anything else stays as it is.
func members(key string, of func(json.RawMessage) json.RawMessage) func(json.RawMessage) json.RawMessage {
	return func(raw json.RawMessage) json.RawMessage {
		raw = bytes.TrimSpace(raw)
		if !bytes.Contains(raw, null) {
			return raw
		}
		if raw[0] == '[' {
			var all []json.RawMessage
			if json.Unmarshal(raw, &all) != nil {
				return raw
			}
			all = slices.DeleteFunc(all, func(one json.RawMessage) bool { return bytes.Equal(one, null) })
			for i := range all {
				all[i] = members(key, of)(all[i])
			}
			return encode(all)
		}
		raw = rpc.DropNulls(raw)
		if kind, _ := rpc.String(rpc.Get(raw, "type")); kind == "text" && rpc.Get(raw, "text") == nil {
			raw = rpc.Set(raw, "text", json.RawMessage(`""`)) // it was null, and is demanded
		}
		below := rpc.Get(raw, key)
		if of == nil || below == nil {
			return raw
		}
		if mended := of(below); !bytes.Equal(below, mended) {
			return rpc.Set(raw, key, mended)
		}
		return raw
	}
}
