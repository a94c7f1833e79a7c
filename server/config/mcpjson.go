package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxServers bounds how many servers mcp.json may name.
const maxServers = 200

// ServersPath is where mcp.json is: beside config.toml.
func ServersPath(configPath string) string {
	return filepath.Join(filepath.Dir(configPath), "mcp.json")
}

// LoadServers reads the servers of mcp.json at path, in the file's order. The
// form is that of Claude Desktop, Cursor, Windsurf, Cline and Gemini
// ("mcpServers") or of VS Code ("servers"). If there is no file there are no
// servers. The error joins an [*Error] for each problem; the servers that have
// none are returned all the same.
func LoadServers(path string) ([]Server, error) {
	data, err := readServers(path)
	if err != nil {
		return nil, err
	}
	return ParseServers(path, data)
}

// readServers returns the text of mcp.json, nil if there is none.
func readServers(path string) ([]byte, error) {
	data, err := read(path, "the servers")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// ParseServers reads data as mcp.json; file is its name in errors.
func ParseServers(file string, data []byte) ([]Server, error) {
	r := readerOf(file, data)
	root := r.root()
	if root == nil {
		return nil, r.err()
	}
	table := r.table(root)
	if table == nil {
		return nil, r.err()
	}
	if len(table.members) > maxServers {
		r.fail(table.start, "", "there are %d servers, and %d are the most: switch off a group of them by moving it to another file", len(table.members), maxServers)
		return nil, r.err()
	}
	var servers []Server
	seen := map[string]string{}
	for _, m := range table.members {
		before := len(r.errs)
		s := r.server(m)
		if other, ok := seen[strings.ToLower(m.name)]; ok {
			r.fail(m.at, m.name, "the server %s is there already, as %s: give one of them another name", code(m.name), code(other))
		}
		seen[strings.ToLower(m.name)] = m.name // a keychain may not tell cases apart
		if len(r.errs) == before {
			servers = append(servers, s)
		}
	}
	return servers, r.err()
}

// serverReader collects what is wrong in one file.
type serverReader struct {
	mistakes
	// foreign is set while another program's file is imported: its own
	// placeholders are left for the import to turn into ours.
	foreign bool
}

func readerOf(file string, data []byte) *serverReader {
	return &serverReader{mistakes: mistakes{file: file, data: bytes.TrimPrefix(data, []byte("\ufeff"))}} // Windows' Notepad
}

// root parses the file; nil without an error stands for an empty one.
func (r *serverReader) root() *node {
	if strings.TrimSpace(string(r.data)) == "" {
		return nil
	}
	root, err := parseJSON(r.data)
	if err != nil {
		msg := "not valid JSON: " + err.msg
		if bytes.Contains(r.data, []byte("[mcp_servers.")) {
			msg = "this is the form of Codex (TOML): write it as {\"mcpServers\": {\"NAME\": {\"command\": …}}}, or run `drawbridge import codex`"
		}
		r.failAt(err.at, "", msg)
		return nil
	}
	if root.kind != jsonObject {
		r.fail(root.start, "", `the file must be one object: {"mcpServers": {…}}`)
		return nil
	}
	return root
}

// The names under which programs keep their servers.
var tableNames = []string{"mcpServers", "servers"}

// table finds the object that holds the servers. What else stands beside it is
// other programs' business, unless it looks like a slip.
func (r *serverReader) table(root *node) *node {
	r.unique(root, "", "")
	var table *node
	for _, m := range root.members {
		if slices.Contains(tableNames, m.name) {
			if table != nil {
				r.fail(m.at, m.name, "the servers stand twice, under `mcpServers` and under `servers`: move them all under `mcpServers`")
				return nil
			}
			if table = m.value; table.kind == jsonList {
				r.fail(table.start, m.name, `%s is a list, the form of Continue: write an object with the server's name before each: {"NAME": {"command": …}}`, code(m.name))
				return nil
			}
			if table.kind != jsonObject {
				r.fail(table.start, m.name, `%s must be an object with a member for each server: {"NAME": {"command": …}}`, code(m.name))
				return nil
			}
		}
	}
	if table != nil {
		r.unique(table, "", "")
		return table
	}
	if isServer(root) {
		r.fail(root.start, "", `the file is one server alone, without a name: write {"mcpServers": {"NAME": {…}}} around it`)
		return nil
	}
	for _, m := range root.members {
		if form := otherForms[m.name]; form != "" {
			r.fail(m.at, m.name, `the servers stand under %s, in the form of %s: write them as {"mcpServers": {"NAME": {"command": …}}}, or run `+"`drawbridge import FILE`"+` with this file at another place`, code(m.name), form)
		} else if name := Nearest(m.name, tableNames); name != "" {
			r.fail(m.at, m.name, "unknown key %s%s", code(m.name), suggest(name))
		} else if isServer(m.value) {
			r.fail(m.at, m.name, `the server %s stands at the top of the file: put it into {"mcpServers": {…}}`, code(m.name))
		} else if slices.ContainsFunc(m.value.members, func(m member) bool { return isServer(m.value) }) {
			r.fail(m.at, m.name, `the servers stand under %s, which is not read here: write "mcpServers" in its place`, code(m.name))
		}
	}
	return nil
}

// otherForms are what other programs keep their servers under.
var otherForms = map[string]string{"context_servers": "Zed", "mcp": "opencode or of VS Code's settings", "mcp_servers": "Codex",
	"projects": "Claude Code's own settings", "amp.mcpServers": "Amp", "mcp.servers": "VS Code's settings", "extensions": "Goose"}

// isServer reports whether n looks like the settings of one server.
func isServer(n *node) bool {
	return n.member("command") != nil || slices.ContainsFunc(urlNames, func(key string) bool { return n.member(key) != nil })
}

// unique refuses names that come twice: programs differ in which they believe.
func (r *serverReader) unique(object *node, key, where string) {
	seen := map[string]bool{}
	for _, m := range object.members {
		if seen[m.name] {
			r.fail(m.at, strings.TrimPrefix(key+"."+m.name, "."), "%s comes twice%s: take one of them out", code(m.name), where)
		}
		seen[m.name] = true
	}
}
