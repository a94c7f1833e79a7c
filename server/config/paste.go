package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Paste reads what people copy from a page that tells how to add a server: a
// JSON entry, with or without what stands around it, a table of Codex, a URL, a
// command line, or that of `claude mcp add`. name is what the server is to be
// called; "" takes the name that the text has, else one after the program.
func (im Importer) Paste(text, name string) (Import, error) {
	existing, err := LoadServers(im.Path)
	if err != nil {
		return Import{}, fmt.Errorf("mend mcp.json first: %w", err)
	}
	data, err := pastedTable(strings.TrimSpace(text))
	if err != nil {
		return Import{}, err
	}
	items, err := im.read("", data)
	if err == nil && len(items) == 0 {
		err = errNoEntry
	}
	if err != nil {
		return Import{}, err
	}
	for i := range items {
		if len(items) == 1 && name != "" {
			items[i].Name = name
		} else if items[i].Name == "" {
			items[i].Name = nameAfter(items[i].server)
		}
		items[i].server.Name = items[i].Name
		items[i].awaitSecrets()
	}
	plan := Import{Path: im.Path}
	plan.add(items, existing)
	return plan, nil
}

var errNoEntry = errors.New("this is no server: paste its JSON entry, the command line that starts it, or its URL")

// pastedTable is what was pasted as a file of mcpServers.
func pastedTable(text string) ([]byte, error) {
	if strings.Contains(text, "[mcp_servers.") {
		return tomlAsJSON("what you pasted", []byte(text))
	}
	if strings.HasPrefix(text, `"`) && strings.Contains(text, "{") { // a member of the table, without its braces
		text = "{" + text + "\n}"
	}
	if !strings.HasPrefix(text, "{") {
		s, err := commandServer(text)
		if err != nil {
			return nil, err
		}
		return []byte(`{"mcpServers": {` + marshalJSON(s.Name) + ": " + entryOf(s) + "}}"), nil
	}
	root, bad := parseJSON([]byte(text))
	if bad != nil {
		return nil, fmt.Errorf("what you pasted is not valid JSON: in line %d, %s", bad.at.line, bad.msg)
	}
	switch {
	case isServer(root):
		name := ""
		if n := root.member("name"); n != nil {
			name = n.text
		}
		text = `{"mcpServers": {` + marshalJSON(name) + ": " + text + "\n}}"
	case len(foreignTables(root)) == 0:
		text = `{"mcpServers": ` + text + "\n}"
	}
	return []byte(text), nil
}

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// commandServer is the server of a command line, or of a URL alone.
func commandServer(line string) (Server, error) {
	all, err := words(strings.TrimPrefix(strings.Trim(line, "`"), "$ "))
	if err != nil {
		return Server{}, err
	}
	s := Server{Env: map[string]string{}, Headers: map[string]string{}}
	if len(all) > 3 && all[1] == "mcp" && all[2] == "add" {
		all = s.addOptions(all[3:])
	}
	for len(all) > 0 && assignment.MatchString(all[0]) {
		s.assign(all[0])
		all = all[1:]
	}
	switch {
	case len(all) == 0:
		return s, errNoEntry
	case isURL(all[0]):
		s.URL = all[0]
		s.SSE = s.SSE || strings.HasSuffix(s.URL, "/sse")
		return s, nil
	}
	s.Command, s.Args = all[0], all[1:]
	return s, nil
}

func (s *Server) assign(pair string) {
	name, value, _ := strings.Cut(pair, "=")
	s.Env[name] = value
}

// addOptions reads the options of `claude mcp add` (codex and gemini have the
// same), and returns the command behind them.
func (s *Server) addOptions(all []string) (command []string) {
	for len(all) > 0 {
		word := all[0]
		switch {
		case word == "--":
			return all[1:]
		case !strings.HasPrefix(word, "-") && s.Name == "":
			s.Name = word
		case !strings.HasPrefix(word, "-") && !isURL(word):
			return all
		case isURL(word):
			command = []string{word} // options may follow
		}
		all = all[1:]
		option, value, given := strings.Cut(word, "=")
		if !strings.HasPrefix(option, "-") {
			continue
		}
		if !given && len(all) > 0 {
			value, all = all[0], all[1:]
		}
		switch option {
		case "-e", "--env":
			s.assign(value)
		case "-H", "--header":
			name, text, _ := strings.Cut(value, ":")
			s.Headers[name] = strings.TrimSpace(text)
		case "-t", "--transport":
			s.SSE = value == "sse"
		}
	}
	return command
}

func isURL(word string) bool {
	return strings.HasPrefix(word, "https://") || strings.HasPrefix(word, "http://")
}

// words takes a command line apart as a shell does. On Windows a backslash is
// part of a path.
func words(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	quote, inside := byte(0), false
	end := func() {
		if inside {
			all = append(all, word.String())
		}
		word.Reset()
		inside = false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line) && (runtime.GOOS != "windows" || strings.IndexByte("\n\"", line[i+1]) >= 0):
			if i++; line[i] == '\n' {
				end()
				continue
			}
			word.WriteByte(line[i])
			inside = true
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			end()
		default:
			word.WriteByte(c)
			inside = true
		}
	}
	end()
	if quote != 0 {
		return nil, fmt.Errorf("a quote (%c) is opened and never closed: close it", quote)
	}
	if slices.ContainsFunc(all, func(w string) bool { return slices.Contains([]string{"&&", "||", "|", ";", ">", "<"}, w) }) {
		return nil, errors.New("this needs a shell (&&, | or ;): write it into a script, and paste the script's path")
	}
	return all, nil
}

// awaited is what pages write where the reader's own secret belongs.
var awaited = regexp.MustCompile(`(?i)^$|^<.*>$|^\[.*\]$|^\{.*\}$|^(your|my|insert|replace|enter|paste)\b|^(your|my|insert|replace)[-_]|^x{3,}|^\.{3}|^…`)

// awaitSecrets puts ${keychain:NAME} where a page leaves a gap for a secret.
func (item *ImportItem) awaitSecrets() {
	item.server = item.server.filled(func(key, name, value string) string {
		scheme := authScheme.FindString(value)
		named := isSecretName(name) || strings.HasSuffix(strings.ToLower(name), "_key")
		if !inSecretPlace(key) || !named && scheme == "" || !awaited.MatchString(value[len(scheme):]) {
			return value
		}
		return scheme + "${keychain:" + secretBehind(scheme, name) + "}"
	})
	item.Set = Secrets(item.server)
}

var (
	versionPart = regexp.MustCompile(`(.)@[^/@]*$`)
	namePart    = regexp.MustCompile(`^(mcp-server-|server-|mcp-)|(-mcp-server|-mcp|-server|_mcp|\.[a-z]{1,3})$`)
)

// nameAfter is a name for a server that was given none.
func nameAfter(s Server) string {
	if u, err := url.Parse(s.URL); err == nil && u.Hostname() != "" {
		host := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(u.Hostname(), "www."), "api."), "mcp.")
		name, _, _ := strings.Cut(host, ".")
		return GoodName(name)
	}
	program := s.Command
	for _, arg := range s.Args {
		if !strings.HasPrefix(arg, "-") && !slices.Contains([]string{"run", "dlx", "exec", "x", "tool"}, arg) {
			program = arg
			break
		}
	}
	parts := strings.FieldsFunc(versionPart.ReplaceAllString(program, "$1"), func(r rune) bool { return r == '/' || r == '\\' })
	for _, part := range slices.Backward(parts) {
		name := part
		for before := ""; before != name; {
			before, name = name, namePart.ReplaceAllString(name, "")
		}
		if !slices.Contains([]string{"", "index", "main", "server", "cli", "dist", "build", "src", "mcp"}, name) {
			return GoodName(name)
		}
	}
	return GoodName(path.Base(program))
}
