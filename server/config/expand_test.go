package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// everything is an environment in which every variable but UNSET* has a value.
var everything = config.Expander{Home: "/home/ana",
	Secret: func(name string) (string, error) {
		if name == "B" {
			return "", errors.New("B is not set. Run `drawbridge secret set a/B`")
		}
		return "<" + name + "${keychain:B}$HOME>", nil
	},
	Env: func(name string) (string, bool) {
		values := map[string]string{"HOME": "/home/ana", "DB": "sqlite://y", "EMPTY": "", "TOKEN": "t0", "TRICK": "${HOME}$HOME", "HOST": "mcp.example", "BADHOST": "a b"}
		v, ok := values[name]
		return v, ok
	}}

func TestExpand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from the file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		// Claude Code
		"${HOME}/p": "/home/ana/p", "${DB}": "sqlite://y", "${DB:-sqlite://x}": "sqlite://y", "${UNSET:-sqlite://x}": "sqlite://x",
		"${EMPTY}": "", "${EMPTY:-x}": "x", "${UNSET:-}": "", "${UNSET:-a:-b}": "a:-b", "a${DB}b${TOKEN}c": "asqlite://ybt0c",
		// VS Code, Cursor, Windsurf
		"${env:DB}": "sqlite://y", "${env:UNSET:-x}": "x", "${userHome}/x": "/home/ana/x", "${pathSeparator}": string(filepath.Separator), "${/}": string(filepath.Separator),
		"Bearer ${file:" + file + "}": "Bearer from the file",
		// Gemini CLI
		"$HOME/p": "/home/ana/p", "Bearer $TOKEN": "Bearer t0", "$TOKEN": "t0",
		// A $ that means nothing stays.
		"pa$word": "pa$word", "Secret$AB12": "Secret$AB12", "$5": "$5", "a$": "a$", "$": "$", "$$": "$$", "^a$|b": "^a$|b", "$(pwd)": "$(pwd)", "$home": "$home",
		// One that would mean something is written twice.
		"$${HOME}": "${HOME}", "$$HOME": "$HOME", "$${x": "${x", "a$$${DB}": "a$${DB}",
		// What is filled in is not looked at again.
		"${TRICK}": "${HOME}$HOME", "x ${keychain:A} $": "x <A${keychain:B}$HOME> $",
	} {
		s := config.Server{Name: "a", Command: "x", Env: map[string]string{"V": in}}
		got, err := s.Expand(everything)
		if err != nil || got.Env["V"] != want {
			t.Errorf("%s: %q, %v, want %q", in, got.Env["V"], err, want)
		}
		if s.Env["V"] != in {
			t.Fatalf("%s: the settings were changed", in)
		}
	}
}

func TestExpandRefused(t *testing.T) {
	for in, want := range map[string]string{
		"${UNSET}": "the variable UNSET, which is not set where Drawbridge runs", "${env:UNSET}": "${UNSET:-default}", "$UNSET": "${keychain:UNSET}",
		"${keychain:B}": "drawbridge secret set a/B", "${keychain:a b}": "NAME of letters", "${keychain:": "NAME of letters",
		"${workspaceFolder}": "has no folder or file open", "${workspaceFolderBasename}": "has no folder", "${cwd}": "has no folder", "${__dirname}": "has no folder",
		"${input:key}": "drawbridge secret set", "${user_config.key}": "drawbridge secret set", "${command:x}": "does not fill in", "${config:x}": "does not fill in",
		"${HOME": "no } closes", "${A:-${B}}": "no } closes", "${}": "does not fill in", "${A:?x}": "does not fill in", "${A:+x}": "does not fill in",
		"${file:/nowhere/x}": "can't be read",
	} {
		for _, s := range []config.Server{{Name: "a", Command: "x", Env: map[string]string{"V": in}}, {Name: "a", URL: "http://localhost/mcp", Headers: map[string]string{"V": in}}} {
			if got, err := s.Expand(everything); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %+v, %v, want %s", in, got, err, want)
			}
		}
	}
	for _, s := range []config.Server{
		{URL: "https://${BADHOST}/mcp"}, {URL: "${HOST}/mcp"}, {URL: "https://a.example", Headers: map[string]string{"A": "${UNSET:-a\nb}"}},
		{Command: "${keychain:A}"}, {Command: "x", Dir: "${file:/etc/passwd}"}, {Command: "x", Args: []string{"${UNSET}"}},
	} {
		if got, err := s.Expand(everything); err == nil {
			t.Errorf("%+v: %+v", s, got)
		}
	}
}

func TestExpandEverywhere(t *testing.T) {
	for _, c := range []struct{ in, want config.Server }{
		{config.Server{Command: "~/bin/x", Dir: "~", Args: []string{"${DB:-x}", "~/x", "$HOME"}}, // ~ in an argument is the shell's, and there is none
			config.Server{Command: filepath.FromSlash("/home/ana/bin/x"), Dir: filepath.FromSlash("/home/ana"), Args: []string{"sqlite://y", "~/x", "/home/ana"}}},
		{config.Server{Command: "${HOME}/x", Dir: "${userHome}/d"}, config.Server{Command: "/home/ana/x", Dir: "/home/ana/d"}},
		{config.Server{URL: "https://${HOST}/mcp?x=${DB}"}, config.Server{URL: "https://mcp.example/mcp?x=sqlite://y"}},
		// mcp-remote fills in what stands in its own env.
		{config.Server{Command: "npx", Args: []string{"mcp-remote", "--header", "Authorization:${AUTH}", "${AUTH}${TOKEN}"}, Env: map[string]string{"AUTH": "Bearer ${TOKEN}"}},
			config.Server{Command: "npx", Args: []string{"mcp-remote", "--header", "Authorization:${AUTH}", "${AUTH}t0"}, Env: map[string]string{"AUTH": "Bearer t0"}}},
		// So does a shell.
		{config.Server{Command: "/bin/sh", Args: []string{"-c", "exec x ${UNSET:?no} $HOME ${A%.b}"}}, config.Server{Command: "/bin/sh", Args: []string{"-c", "exec x ${UNSET:?no} $HOME ${A%.b}"}}},
	} {
		if got, err := c.in.Expand(everything); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v, %v\nwant %+v", got, err, c.want)
		}
	}
	notes := config.Notes(config.Server{Name: "r", Command: "npx", Args: []string{"Authorization:${AUTH}"}, Env: map[string]string{"AUTH": "x"}})
	if len(notes) != 1 || !strings.Contains(notes[0], "`${AUTH}`, which is left to the program") {
		t.Errorf("notes %q", notes)
	}
}

func FuzzExpand(f *testing.F) {
	for _, in := range []string{"${A}", "${A:-b}", "$A", "$$A", "$${A", "${keychain:A}", "${file:/x}", "${env:A}", "${a:${b}}", "a$b", "$HOME${", "${/}", "\xff${A}$"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s := config.Server{Name: "a", Command: "x", Env: map[string]string{"V": in}, Args: []string{in}}
		got, err := s.Expand(config.Expander{Secret: func(string) (string, error) { return "", nil }, Env: func(string) (string, bool) { return "", true }})
		if err != nil {
			if got.Env != nil || err.Error() == "" {
				t.Fatalf("%q: %+v, %v", in, got, err)
			}
			return
		}
		if !strings.Contains(in, "$") && got.Env["V"] != in {
			t.Fatalf("%q became %q", in, got.Env["V"])
		}
		// With every $ doubled nothing is a placeholder any more, and what was none stays readable.
		if strings.Contains(got.Env["V"], "${") && !strings.Contains(in, "$$") && !strings.Contains(in, ":-") {
			t.Fatalf("%q became %q", in, got.Env["V"])
		}
	})
}
