package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Programs that share the form of mcp.json fill in its values differently:
// Claude Code ${VAR} and ${VAR:-default}, VS Code and Cursor ${env:VAR} and
// ${userHome}, Gemini CLI $VAR too, Windsurf ${file:PATH}. All of these are
// filled in when a server starts. What nobody fills in is refused, never sent.

// Expander is where the values of placeholders come from.
type Expander struct {
	Secret func(name string) (string, error) // ${keychain:NAME}; its error is a sentence
	Env    func(name string) (string, bool)
	Home   string
}

// use is a part of a value: a text that stands for itself, or a placeholder.
type use struct {
	text string // as written
	says string // what a text stands for
	kind useKind
	name string
	// fallback is what ${VAR:-fallback} says, if hasFallback.
	fallback    string
	hasFallback bool
}

type useKind int

const (
	useText useKind = iota
	useEnv
	useKeychain
	useFile
	useHome
	useSeparator
	useUnknown
)

var (
	anyUse = regexp.MustCompile(`\$\$\{|\$\{[^{}]*\}|\$\{|\$\$?[A-Z_][A-Z0-9_]+`)
	envUse = regexp.MustCompile(`^(env:)?([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?$`)
)

// editorNames are what editors fill in of the file or folder that is open.
var editorNames = []string{"workspaceFolder", "workspaceFolderBasename", "workspaceRoot", "cwd", "file", "fileBasename", "fileBasenameNoExtension",
	"fileDirname", "fileDirnameBasename", "fileExtname", "fileWorkspaceFolder", "relativeFile", "relativeFileDirname", "lineNumber", "columnNumber",
	"selectedText", "execPath", "defaultBuildTask", "extensionPath", "__dirname"}

// parseUses takes a value apart. $$ before a placeholder makes it a text. A bare
// $VAR is one where it can be nothing else: a password may hold a $.
func parseUses(value string) []use {
	var uses []use
	done := 0
	for _, at := range anyUse.FindAllStringIndex(value, -1) {
		from, to := at[0], at[1]
		u := use{text: value[from:to], says: value[from:to]}
		switch {
		case strings.HasPrefix(u.text, "$${"):
			u.says = "${"
		case strings.HasPrefix(u.text, "${"):
			u = parseBraced(u.text, value[from:])
		case to < len(value) && (value[to] == '$' || value[to] >= 'a' && value[to] <= 'z'):
		case strings.HasPrefix(u.text, "$$"):
			u.says = u.text[1:]
		case from == 0 || !isWordByte(value[from-1]):
			u.kind, u.name = useEnv, u.text[1:]
		}
		uses = append(uses, use{text: value[done:from], says: value[done:from]}, u)
		done = to
	}
	return append(uses, use{text: value[done:], says: value[done:]})
}

func hasUses(value string) bool {
	return slices.ContainsFunc(parseUses(value), func(u use) bool { return u.kind != useText })
}

// parseBraced is for ${…}, or for a ${ that no } closes before what follows it.
func parseBraced(written, rest string) use {
	if written == "${" {
		return use{text: written, kind: useUnknown, name: rest[len(written):]}
	}
	inside := written[len("${") : len(written)-1]
	u := use{text: written, kind: useUnknown, name: inside}
	kind, name, _ := strings.Cut(inside, ":")
	switch e := envUse.FindStringSubmatch(inside); {
	case keychainUse.MatchString(written):
		u.kind, u.name = useKeychain, name
	case kind == "file" && name != "":
		u.kind, u.name = useFile, name
	case inside == "userHome":
		u.kind = useHome
	case inside == "pathSeparator" || inside == "/":
		u.kind = useSeparator
	case e != nil && (e[1] != "" || !slices.Contains(editorNames, e[2])):
		u.kind, u.name, u.fallback, u.hasFallback = useEnv, e[2], e[4], e[3] != ""
	}
	return u
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// inSecretPlace reports whether no other program sees what stands under key.
func inSecretPlace(key string) bool { return key == "env" || key == "headers" }

// refusal says why nobody fills u in where it stands, and what to write; "" if
// somebody does. The names of variables are no secrets, but what else stands
// between braces may be anything.
func (u use) refusal(key string) string {
	kind, _, _ := strings.Cut(u.name, ":")
	switch {
	case u.kind == useKeychain && !inSecretPlace(key):
		return "can't hold ${keychain:…}: other programs on this computer could see it there. Secrets go into `env` or `headers`"
	case u.kind == useFile && !inSecretPlace(key):
		return "can't hold ${file:…}: write the value itself, or use it in `env` or `headers`"
	case u.kind != useUnknown:
		return ""
	case keychainTry.MatchString("${"+u.name) && inSecretPlace(key):
		return "names a secret in a way that can't be read: write ${keychain:NAME}, NAME of letters, digits and _"
	case keychainTry.MatchString("${" + u.name):
		return use{kind: useKeychain}.refusal(key)
	case u.text == "${":
		return "holds a ${ that no } closes, or one within another: write $${ for the text itself"
	case slices.Contains(editorNames, u.name):
		return "holds a placeholder of another program, ${" + u.name + "}, and Drawbridge has no folder or file open: write the path itself, or ${HOME}"
	case slices.Contains([]string{"input", "prompt", "secret"}, kind) || strings.HasPrefix(u.name, "user_config."):
		return "holds a placeholder of another program, which asks for the value: write ${keychain:NAME} in `env` or `headers`, and run `drawbridge secret set SERVER/NAME`"
	}
	return "holds a placeholder of another program, which Drawbridge does not fill in: write the value itself, ${VAR} or ${VAR:-default} for a variable, ${keychain:NAME} for a secret in `env` or `headers`, or $${ for the text itself"
}

// use fills in u, which stands under key.
func (x Expander) use(key string, u use) (string, error) {
	if says := u.refusal(key); says != "" {
		return "", errors.New(code(key) + " " + says)
	}
	switch u.kind {
	case useKeychain:
		secret, err := x.Secret(u.name)
		if err != nil {
			return "", fmt.Errorf("needs a secret that could not be read: %w", err)
		}
		return secret, nil
	case useFile:
		return x.readFile(u.name)
	case useHome:
		return x.Home, nil
	case useSeparator:
		return string(filepath.Separator), nil
	case useEnv:
		value, ok := x.Env(u.name)
		switch {
		case value != "" || ok && !u.hasFallback:
			return value, nil
		case u.hasFallback: // as in a shell, :- stands in for an empty value, too
			return u.fallback, nil
		case u.name == "HOME":
			return x.Home, nil
		}
		return "", fmt.Errorf("uses the variable %s, which is not set where Drawbridge runs: in mcp.json write its value in its place, a default as ${%[1]s:-default}, or for a secret ${keychain:%[1]s} in `env` or `headers`", u.name)
	}
	return u.says, nil
}

// maxFileUse bounds what ${file:PATH} stands for, in bytes.
const maxFileUse = 64 << 10

// readFile reads a value that has a file of its own, whose last line end is
// none of it.
func (x Expander) readFile(path string) (string, error) {
	f, err := os.Open(x.home(path))
	if err != nil {
		return "", fmt.Errorf("uses a file that can't be read: correct ${file:…} in mcp.json (%w)", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFileUse+1))
	if err != nil || len(data) > maxFileUse {
		return "", fmt.Errorf("uses a file that can't be read or is larger than %d KiB: correct ${file:…} in mcp.json", maxFileUse>>10)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// home fills in ~ at the beginning of a path.
func (x Expander) home(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		return filepath.Join(x.Home, path[1:])
	}
	return path
}

// Expand returns s with everything filled in. The error is a sentence without
// the server's name.
func (s Server) Expand(x Expander) (Server, error) {
	var err error
	filled := s.filled(func(key, _, value string) string {
		var b strings.Builder
		for _, u := range parseUses(value) {
			if key == "args" && (u.kind == useText || s.leaves(u)) {
				b.WriteString(u.text)
				continue
			}
			text, failed := x.use(key, u)
			err = cmp.Or(err, failed)
			b.WriteString(text)
		}
		return b.String()
	})
	if err != nil {
		return Server{}, err
	}
	filled.Command, filled.Dir = x.home(filled.Command), x.home(filled.Dir)
	if says := checkServerURL(filled.URL); filled.URL != "" && says != "" {
		return Server{}, errors.New("has a `url` that, with its variables filled in, " + says)
	}
	for _, value := range filled.Headers {
		if strings.ContainsAny(value, "\r\n\x00") {
			return Server{}, errors.New("has a header that, with its variables filled in, holds a character that can't be sent")
		}
	}
	return filled, nil
}

// filled is s with what fill makes of each of its texts; key is where a text
// stands, and name its variable or header. The lists of s stay as they are.
func (s Server) filled(fill func(key, name, text string) string) Server {
	s.Command, s.Dir, s.URL = fill("command", "", s.Command), fill("cwd", "", s.Dir), fill("url", "", s.URL)
	s.Args = slices.Clone(s.Args)
	for i, arg := range s.Args {
		s.Args[i] = fill("args", "", arg)
	}
	all := func(key string, texts map[string]string) map[string]string {
		texts = maps.Clone(texts)
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			texts[name] = fill(key, name, texts[name])
		}
		return texts
	}
	s.Env, s.Headers = all("env", s.Env), all("headers", s.Headers)
	return s
}

var shells = []string{"sh", "bash", "zsh", "dash", "ksh", "fish", "cmd", "powershell", "pwsh"}

// leaves reports whether a placeholder of an argument is the program's own to
// fill in: one of a variable that it has in its own env, as mcp-remote does, or
// one in a shell's command.
func (s Server) leaves(u use) bool {
	program := strings.ToLower(s.Command[strings.LastIndexAny(s.Command, `/\`)+1:])
	_, own := s.Env[u.name]
	return u.kind == useEnv && own || slices.Contains(shells, strings.TrimSuffix(program, ".exe")) && u.kind != useKeychain
}
