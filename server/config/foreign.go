package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// foreignTable is the servers of another program, in its own form.
type foreignTable struct {
	members []member
	adapt   func(*node) *node // to the form of mcpServers
}

// foreignTables finds the servers of another program's file: those of all its
// users' projects, too.
func foreignTables(root *node) []foreignTable {
	asIs := func(n *node) *node { return n }
	var found []foreignTable
	add := func(n *node, adapt func(*node) *node) {
		if n != nil && n.kind == jsonObject && len(n.members) > 0 {
			found = append(found, foreignTable{n.members, adapt})
		}
	}
	add(root.member("mcpServers"), asIs)
	add(root.member("servers"), asIs)
	add(root.member("amp.mcpServers"), asIs)
	add(root.member("context_servers"), fromZed)
	add(root.member("mcp_servers"), fromCodex)
	if settings := root.member("mcp"); settings != nil {
		if servers := settings.member("servers"); servers != nil && !isServer(servers) {
			add(servers, asIs) // VS Code's settings
		} else {
			add(settings, fromOpencode)
		}
	}
	if projects := root.member("projects"); projects != nil { // Claude Code
		for _, m := range projects.members {
			add(m.value.member("mcpServers"), asIs)
		}
	}
	return found
}

// fromZed takes the command apart that older files hold as an object.
func fromZed(n *node) *node {
	command := n.member("command")
	if command == nil || command.kind != jsonObject {
		return without(n, "source", "settings")
	}
	flat := *without(n, "source", "settings", "command")
	for _, m := range command.members {
		if m.name == "path" {
			m.name = "command"
		}
		flat.members = append(flat.members, m)
	}
	return &flat
}

var opencodeUse = regexp.MustCompile(`\{(env|file):([^{}]*)\}`)

// fromOpencode takes the command apart, which is a list there.
func fromOpencode(n *node) *node {
	flat := *without(n, "command", "type")
	for i, m := range flat.members {
		if m.name == "environment" {
			flat.members[i].name = "env"
		}
	}
	if command := n.member("command"); command != nil && len(command.items) > 0 {
		args := *command
		args.items = command.items[1:]
		flat.members = append(flat.members, member{"command", n.start, command.items[0]}, member{"args", n.start, &args})
	} else if command != nil {
		flat.members = append(flat.members, member{"command", n.start, command})
	}
	return mapTexts(&flat, func(s string) string { return opencodeUse.ReplaceAllString(s, "$${$1:$2}") })
}

// fromCodex turns what names variables into placeholders of ours.
func fromCodex(n *node) *node {
	flat := *without(n, "http_headers", "env_http_headers", "bearer_token_env_var", "env_vars")
	headers, env := &node{kind: jsonObject}, &node{kind: jsonObject}
	text := func(s string) *node { return &node{kind: jsonString, text: s} }
	if v := n.member("http_headers"); v != nil {
		headers.members = append(headers.members, v.members...)
	}
	if v := n.member("env_http_headers"); v != nil {
		for _, m := range v.members {
			headers.members = append(headers.members, member{m.name, m.at, text("${env:" + m.value.text + "}")})
		}
	}
	if v := n.member("bearer_token_env_var"); v != nil {
		headers.members = append(headers.members, member{"Authorization", v.start, text("Bearer ${env:" + v.text + "}")})
	}
	if v := n.member("env_vars"); v != nil {
		for _, name := range v.items {
			env.members = append(env.members, member{name.text, name.start, text("${env:" + name.text + "}")})
		}
	}
	if v := n.member("env"); v != nil {
		env.members = append(env.members, v.members...)
	}
	if len(env.members) > 0 {
		flat = *without(&flat, "env")
		flat.members = append(flat.members, member{"env", n.start, env})
	}
	if len(headers.members) > 0 {
		flat.members = append(flat.members, member{"headers", n.start, headers})
	}
	return &flat
}

func without(n *node, names ...string) *node {
	left := *n
	left.members = slices.DeleteFunc(slices.Clone(n.members), func(m member) bool { return slices.Contains(names, m.name) })
	return &left
}

func mapTexts(n *node, f func(string) string) *node {
	mapped := *n
	if n.kind == jsonString {
		mapped.text = f(n.text)
	}
	mapped.items, mapped.members = slices.Clone(n.items), slices.Clone(n.members)
	for i := range mapped.items {
		mapped.items[i] = mapTexts(mapped.items[i], f)
	}
	for i := range mapped.members {
		mapped.members[i].value = mapTexts(mapped.members[i].value, f)
	}
	return &mapped
}

// tomlAsJSON is a file of Codex as JSON.
func tomlAsJSON(file string, data []byte) ([]byte, error) {
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s is not valid TOML: correct it first", file) // the error would quote the line
	}
	return json.Marshal(map[string]any{"mcp_servers": all["mcp_servers"]})
}

// remarks are what other programs say of a server that is no setting.
var remarks = []string{"note", "notes", "description", "name", "displayName", "title", "comment", "comments", "_comment", "//", "$schema", "icon", "iconUrl",
	"version", "gallery", "id", "tags", "category", "source", "homepage", "repository"}

// notTaken says which settings of an entry have no place in mcp.json, and where
// they have one.
func notTaken(n *node) []string {
	var notes []string
	for _, m := range n.members {
		if slices.Contains(serverNames, m.name) || slices.Contains(remarks, m.name) {
			continue
		}
		note, key := "its "+code(m.name)+" is not taken over", strings.ToLower(m.name)
		switch {
		case strings.Contains(key, "auth"):
			note += ": sign in with `drawbridge server sign-in`, or set an Authorization header"
		case strings.Contains(key, "timeout"), strings.Contains(key, "tool"), strings.Contains(key, "approve"), strings.Contains(key, "allow"):
			note += ": see `timeout`, `start`, `tools_off` and `ask` in [server.NAME] of config.toml"
		}
		notes = append(notes, note)
	}
	return notes
}
