// Package mend makes what servers offer into what clients take. The SDKs check
// a list as a whole: one tool with a null for a description, and every tool of
// every server is gone. So what is odd in one item is left out of it, and an
// item that can't be mended is left out of the list.
//
// It changes nothing about an item that is in order, byte for byte, and asks
// nobody. Start at [Tool]; what clients demand stands in shape.go.
package mend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// Tool mends an element of tools/list. notes say what was done, each beginning
// with the member; ok is false if the item has to be left out.
func Tool(raw json.RawMessage) (mended json.RawMessage, notes []string, ok bool) {
	return item(raw, "name", tool)
}

// Prompt mends an element of prompts/list, as [Tool] does.
func Prompt(raw json.RawMessage) (mended json.RawMessage, notes []string, ok bool) {
	return item(raw, "name", prompt)
}

// Resource mends an element of resources/list, as [Tool] does.
func Resource(raw json.RawMessage) (mended json.RawMessage, notes []string, ok bool) {
	return item(raw, "uri", resource)
}

// Template mends an element of resources/templates/list, as [Tool] does.
func Template(raw json.RawMessage) (mended json.RawMessage, notes []string, ok bool) {
	return item(raw, "uriTemplate", template)
}

type object = map[string]json.RawMessage

// maxDepth is how deep an item may be nested: parsers of some clients give up
// at 200, with the whole list.
const maxDepth = 100

func item(raw json.RawMessage, key string, is shape) (json.RawMessage, []string, bool) {
	var notes []string
	if clean := readable(raw); clean != nil {
		raw, notes = clean, append(notes, "text: characters that are no Unicode were replaced")
	}
	if rpc.Depth(raw) > maxDepth {
		return nil, []string{fmt.Sprintf("left out: it is nested more than %d deep", maxDepth)}, false
	}
	var o object
	if json.Unmarshal(raw, &o) != nil || o == nil {
		return nil, []string{"left out: it is no object"}, false
	}
	if name := asText(o[key]); name == "" {
		return nil, []string{"left out: it has no " + key}, false
	} else if key == "uri" && !isAbsolute(name) {
		return nil, []string{"left out: its uri is none: it begins with no scheme, or names no host"}, false
	}
	m := &mender{notes: notes}
	if _, there := o["inputSchema"]; !there && is["inputSchema"] != nil { // which must be there
		o["inputSchema"] = null
	}
	changed := m.object(o, is, "")
	if !isText(o["name"]) { // of a resource: clients want one, if only to show it
		o["name"], changed = o[key], true
		m.note("name: there is none, so it is the %s", key)
	}
	if !changed {
		return raw, m.notes, true
	}
	return encode(o), m.notes, true
}

var (
	scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.\-]*:`)
	noHost = regexp.MustCompile(`(?i)^(?:https?|wss?|ftp):[/\\]*(?:$|[?#])`)
)

// isAbsolute reports whether uri is what Python's SDK 1 takes (pydantic's AnyUrl).
func isAbsolute(uri string) bool { return scheme.MatchString(uri) && !noHost.MatchString(uri) }

// mender collects what is done to one item.
type mender struct{ notes []string }

// maxNotes bounds what is said about one item.
const maxNotes = 8

func (m *mender) note(format string, args ...any) {
	if len(m.notes) < maxNotes {
		m.notes = append(m.notes, fmt.Sprintf(format, args...))
	}
}

// shape is what the members of an object must be. Other members are free.
type shape map[string]rule

// rule mends a value. It returns nil to have the member left out, and says why
// the value was not taken as it is; "" if it was.
type rule func(m *mender, raw json.RawMessage, path string) (mended json.RawMessage, why string)

// object mends the members of o, and reports whether any was changed.
func (m *mender) object(o object, is shape, path string) (changed bool) {
	for _, name := range slices.Sorted(maps.Keys(is)) {
		raw, there := o[name]
		if !there {
			continue
		}
		mended, why := is[name](m, raw, path+name)
		if bytes.Equal(mended, raw) {
			continue
		}
		if o[name] = mended; mended == nil {
			delete(o, name)
		}
		changed = true
		if why != "" {
			m.note("%s: %s", path+name, why)
		}
	}
	return changed
}

var null = json.RawMessage("null")

// optional leaves a member out unless it is what is says.
func optional(is func(raw json.RawMessage) bool, what string) rule {
	return func(_ *mender, raw json.RawMessage, _ string) (json.RawMessage, string) {
		if is(raw) {
			return raw, ""
		}
		return nil, leftOut(raw, what)
	}
}

func leftOut(raw json.RawMessage, what string) string {
	if bytes.Equal(raw, null) {
		return "null was left out"
	}
	return "it is no " + what + ", and was left out"
}

// within mends an object; what is none is left out.
func within(is shape) rule {
	return func(m *mender, raw json.RawMessage, path string) (json.RawMessage, string) {
		var o object
		if json.Unmarshal(raw, &o) != nil || o == nil {
			return nil, leftOut(raw, "object")
		}
		if m.object(o, is, path+".") {
			return encode(o), ""
		}
		return raw, ""
	}
}

// each mends the elements of a list, and leaves out those that can't be.
func each(element rule) rule {
	return func(m *mender, raw json.RawMessage, path string) (json.RawMessage, string) {
		var all []json.RawMessage
		if json.Unmarshal(raw, &all) != nil || all == nil {
			return nil, leftOut(raw, "list")
		}
		changed := false
		kept := []json.RawMessage{}
		for i, one := range all {
			at := fmt.Sprintf("%s[%d]", path, i)
			mended, why := element(m, one, at)
			if why != "" {
				m.note("%s: %s", at, why)
			}
			changed = changed || !bytes.Equal(one, mended)
			if mended != nil {
				kept = append(kept, mended)
			}
		}
		if changed {
			return encode(kept), ""
		}
		return raw, ""
	}
}

// asText returns a JSON string's text, "" for anything else.
func asText(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func isText(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }
func isBool(raw json.RawMessage) bool { return string(raw) == "true" || string(raw) == "false" }

// encode leaves <, > and & as they are.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return null // of RawMessages that were parsed
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// readable returns raw with what is no Unicode replaced: bytes that are no
// UTF-8, and escapes of half a surrogate pair, at which Python's parser gives
// up. nil if there is none.
func readable(raw json.RawMessage) json.RawMessage {
	valid := utf8.Valid(raw)
	if valid && !bytes.Contains(raw, []byte(`\ud`)) && !bytes.Contains(raw, []byte(`\uD`)) {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	clean := encode(v) // encoding/json puts U+FFFD in their place
	if valid && bytes.Count(clean, replacement) == bytes.Count(raw, replacement) {
		return nil // all were pairs
	}
	return clean
}

var replacement = []byte("\ufffd")
