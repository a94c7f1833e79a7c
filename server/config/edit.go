package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tailscale/hujson"
)

// ErrNoServer says that mcp.json has no server of the name.
var ErrNoServer = errors.New("mcp.json has no such server")

// PutServer writes s into mcp.json at path, which is made if there is none: in
// the place of the server of its name, else behind the last. Comments, the
// order, the other servers, and what the entry says to other programs stay as
// they are, byte for byte. The error is that of a server that [LoadServers]
// would refuse, or of the file.
func PutServer(path string, s Server) error {
	if err := checkServer(s); err != nil {
		return err
	}
	return edit(path, func(table object) error {
		if entry, ok := table.object(s.Name); ok {
			entry.update(s)
		} else {
			table.set(s.Name, entryOf(s))
		}
		return nil
	})
}

// SwitchServer switches the server of name off, or on again.
func SwitchServer(path, name string, off bool) error {
	return edit(path, func(table object) error {
		entry, ok := table.object(name)
		if !ok {
			return fmt.Errorf("%w: %s", ErrNoServer, code(name))
		}
		entry.switchOff(off)
		return nil
	})
}

// RemoveServer takes the server of name out, with [ErrNoServer] if there is none.
func RemoveServer(path, name string) error {
	return edit(path, func(table object) error {
		if !table.has(name) {
			return fmt.Errorf("%w: %s", ErrNoServer, code(name))
		}
		table.remove(name)
		return nil
	})
}

// checkServer says what [ParseServers] would.
func checkServer(s Server) error {
	_, err := ParseServers("", []byte(marshalJSON(map[string]any{"mcpServers": map[string]any{s.Name: json.RawMessage(entryOf(s))}})))
	var sentences []error
	for _, e := range Errors(err) { // the lines are of no file
		sentences = append(sentences, &Error{Key: e.Key, Msg: e.Msg})
	}
	return errors.Join(sentences...)
}

// field is one member of an entry as Drawbridge writes it; "" for no value.
type field struct {
	name, value string
	remote      bool // of a server with a URL alone; else of one with a command alone
}

func fieldsOf(s Server) []field {
	value := func(given bool, v any) string {
		if !given {
			return ""
		}
		return marshalJSON(v)
	}
	return []field{
		{name: "command", value: value(s.Command != "", s.Command)},
		{name: "args", value: value(len(s.Args) > 0, s.Args)},
		{name: "env", value: value(len(s.Env) > 0, s.Env)},
		{name: "cwd", value: value(s.Dir != "", s.Dir)},
		{name: "url", value: value(s.URL != "", s.URL), remote: true},
		{name: "headers", value: value(len(s.Headers) > 0, s.Headers), remote: true},
	}
}

// entryOf is s as an object.
func entryOf(s Server) string {
	var parts []string
	if s.URL != "" {
		parts = append(parts, `"type": `+typeOf(s)) // Claude Code and VS Code want it said
	}
	for _, f := range fieldsOf(s) {
		if f.value != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", f.name, f.value))
		}
	}
	if s.Off {
		parts = append(parts, `"disabled": true`)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func typeOf(s Server) string {
	if s.SSE {
		return `"sse"`
	}
	return `"http"`
}

// marshalJSON is for values that JSON always holds: texts, lists and objects of
// them. It leaves <, > and & as they are.
func marshalJSON(v any) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSpace(buf.String())
}

// update makes the entry say what s does.
func (entry object) update(s Server) {
	value := nodeOf(hujson.Value{Value: entry.Object}, 0)
	old := (&serverReader{foreign: true}).server(member{name: s.Name, value: value})
	if changed := (old.URL == "") != (s.URL == ""); changed || old.SSE != s.SSE {
		entry.remove("transport")
		if changed {
			entry.remove("type")
		}
		if s.URL != "" {
			entry.set("type", typeOf(s))
		}
	}
	if old.URL != s.URL {
		for _, alias := range urlNames[1:] {
			entry.remove(alias)
		}
	}
	before := fieldsOf(old)
	for i, f := range fieldsOf(s) {
		refused := f.remote && s.Command != "" || !f.remote && s.URL != "" // beside what s is
		switch {
		case refused, f.value == "" && before[i].value != "":
			entry.remove(f.name)
		case f.value != before[i].value:
			entry.set(f.name, f.value)
		}
	}
	if old.Off != s.Off {
		entry.switchOff(s.Off)
	}
}

// switchOff says it in the word that the entry uses.
func (entry object) switchOff(off bool) {
	if entry.has("enabled") {
		entry.set("enabled", fmt.Sprint(!off))
		if !entry.has("disabled") {
			return
		}
	}
	if off || entry.has("disabled") {
		entry.set("disabled", fmt.Sprint(off))
	}
}

// editing keeps two edits of this process from undoing each other.
var editing sync.Mutex

// edit reads mcp.json, has change plan its edits, and writes the file whole or
// not at all. If another program writes it at the same time, it starts again.
func edit(path string, change func(table object) error) error {
	editing.Lock()
	defer editing.Unlock()
	for range 3 {
		before, err := readServers(path)
		if err != nil {
			return err
		}
		after, err := edited(path, before, change)
		if err != nil || bytes.Equal(before, after) {
			return err
		}
		if now, err := readServers(path); err != nil || !bytes.Equal(now, before) {
			continue
		}
		if err := WriteFile(path, after); err != nil {
			return fmt.Errorf("save the servers: %w", err)
		}
		return nil
	}
	return fmt.Errorf("another program keeps writing %s: close it, then try again", path)
}

// edited is the text after change. It never makes a file worse: what was
// written can be read again.
func edited(path string, text []byte, change func(table object) error) ([]byte, error) {
	r := readerOf(path, text)
	if len(bytes.TrimSpace(r.data)) == 0 {
		r.data = []byte("{\n  \"mcpServers\": {}\n}\n")
	}
	if root := r.root(); root != nil {
		r.table(root)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	tree, _ := parseTree(r.data)
	top := object{Object: tree.Value.(*hujson.Object)}
	table, ok := top.object(tableNames[0])
	if !ok {
		table, ok = top.object(tableNames[1])
	}
	if !ok {
		top.set(tableNames[0], "{}")
		table, _ = top.object(tableNames[0])
	}
	if err := change(table); err != nil {
		return nil, err
	}
	after := bytes.TrimSuffix(tree.Pack(), []byte("\n")) // that of parseTree
	if _, err := parseJSON(after); err != nil || len(after) > maxSize {
		return nil, fmt.Errorf("%s could not be changed without spoiling it: edit it by hand", path)
	}
	return after, nil
}
