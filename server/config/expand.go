package config

import (
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
	bracedUse = regexp.MustCompile(`^\$\{([^{}]*)\}`)
	envUse    = regexp.MustCompile(`^(env:)?([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?$`)
	// A bare $VAR is one where it can be nothing else: a password may hold a $.
	bareUse = regexp.MustCompile(`^\$([A-Z_][A-Z0-9_]+)([^A-Za-z0-9_$]|$)`)
)

// editorNames are what editors fill in of the file or folder that is open.
var editorNames = []string{"workspaceFolder", "workspaceFolderBasename", "workspaceRoot", "cwd", "file", "fileBasename", "fileBasenameNoExtension",
	"fileDirname", "fileDirnameBasename", "fileExtname", "fileWorkspaceFolder", "relativeFile", "relativeFileDirname", "lineNumber", "columnNumber",
	"selectedText", "execPath", "defaultBuildTask", "extensionPath", "__dirname"}

// parseUses takes a value apart. $$ before a placeholder makes it a text.
func parseUses(value string) []use {
	var uses []use
	text := func(written, says string) {
		if n := len(uses); n > 0 && uses[n-1].kind == useText {
			uses[n-1].text, uses[n-1].says = uses[n-1].text+written, uses[n-1].says+says
		} else if written != "" {
			uses = append(uses, use{text: written, says: says})
		}
	}
	for i := 0; i < len(value); {
		next := strings.IndexByte(value[i:], '$')
		if next < 0 {
			text(value[i:], value[i:])
			break
		}
		text(value[i:i+next], value[i:i+next])
		i += next
		rest := value[i:]
		if strings.HasPrefix(rest, "$${") || strings.HasPrefix(rest, "$$") && bareUse.MatchString(rest[1:]) {
			text("$$", "$") // what follows is a text up to the next $
			i += 2
			continue
		}
		if m := bareUse.FindStringSubmatch(rest); m != nil && (i == 0 || !isWordByte(value[i-1])) {
			uses = append(uses, use{text: "$" + m[1], kind: useEnv, name: m[1]})
			i += 1 + len(m[1])
			continue
		}
		if !strings.HasPrefix(rest, "${") {
			text("$", "$")
			i++
			continue
		}
		u := parseBraced(rest)
		uses = append(uses, u)
		i += len(u.text)
	}
	return uses
}

func hasUses(value string) bool {
	return slices.ContainsFunc(parseUses(value), func(u use) bool { return u.kind != useText })
}

func parseBraced(rest string) use {
	m := bracedUse.FindStringSubmatch(rest)
	if m == nil {
		return use{text: "${", kind: useUnknown, name: rest[2:]}
	}
	u := use{text: m[0], kind: useUnknown, name: m[1]}
	kind, name, _ := strings.Cut(m[1], ":")
	switch e := envUse.FindStringSubmatch(m[1]); {
	case keychainUse.MatchString(m[0]):
		u.kind, u.name = useKeychain, name
	case kind == "file" && name != "":
		u.kind, u.name = useFile, name
	case m[1] == "userHome":
		u.kind = useHome
	case m[1] == "pathSeparator" || m[1] == "/":
		u.kind = useSeparator
	case e != nil && (e[1] != "" || !slices.Contains(editorNames, e[2])):
		u.kind, u.name, u.fallback, u.hasFallback = useEnv, e[2], e[4], e[3] != ""
	}
	return u
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// refusal says why nobody fills u in where it stands, and what to write; "" if
// somebody does. The names of variables are no secrets, but what else stands
// between braces may be anything.
func (u use) refusal(key string) string {
	kind, _, _ := strings.Cut(u.name, ":")
	inSecretPlace := key == "env" || key == "headers"
	switch {
	case u.kind == useKeychain && !inSecretPlace:
		return "can't hold ${keychain:…}: other programs on this computer could see it there. Secrets go into `env` or `headers`"
	case u.kind == useFile && !inSecretPlace:
		return "can't hold ${file:…}: write the value itself, or use it in `env` or `headers`"
	case u.kind != useUnknown:
		return ""
	case keychainTry.MatchString("${"+u.name) && inSecretPlace:
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

// value fills in value, which stands under key.
func (x Expander) value(key, value string) (string, error) {
	var b strings.Builder
	for _, u := range parseUses(value) {
		if says := u.refusal(key); says != "" {
			return "", errors.New(code(key) + " " + says)
		}
		text, err := x.use(u)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (x Expander) use(u use) (string, error) {
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
	var first error
	fill := func(key, value string) string {
		filled, err := x.value(key, value)
		if err != nil && first == nil {
			first = err
		}
		return filled
	}
	written := s
	s = s.filled(func(key, value string) string {
		if key != "args" {
			return fill(key, value)
		}
		var b strings.Builder
		for _, u := range parseUses(value) {
			if written.leaves(u) || u.kind == useText {
				b.WriteString(u.text)
			} else {
				b.WriteString(fill(key, u.text))
			}
		}
		return b.String()
	})
	s.Command, s.Dir = x.home(s.Command), x.home(s.Dir)
	if s.URL != "" && first == nil {
		if says := checkServerURL(s.URL); says != "" {
			first = errors.New("has a `url` that, with its variables filled in, " + says)
		}
	}
	for _, value := range s.Headers {
		if strings.ContainsAny(value, "\r\n\x00") && first == nil {
			first = errors.New("has a header that, with its variables filled in, holds a character that can't be sent")
		}
	}
	if first != nil {
		return Server{}, first
	}
	return s, nil
}

// filled is s with what fill makes of each of its texts; key is where a text
// stands. The lists of s stay as they are.
func (s Server) filled(fill func(key, text string) string) Server {
	s.Command, s.Dir, s.URL = fill("command", s.Command), fill("cwd", s.Dir), fill("url", s.URL)
	s.Args = slices.Clone(s.Args)
	for i, arg := range s.Args {
		s.Args[i] = fill("args", arg)
	}
	all := func(key string, texts map[string]string) map[string]string {
		texts = maps.Clone(texts)
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			texts[name] = fill(key, texts[name])
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
