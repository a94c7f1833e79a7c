package process

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"
)

// echoVar has this program print its arguments instead of testing.
const echoVar = "DRAWBRIDGE_TEST_ECHO"

func TestMain(m *testing.M) {
	KeeperMain()
	if os.Getenv(echoVar) != "" {
		_ = json.NewEncoder(os.Stdout).Encode(argumentsOf(windows.UTF16PtrToString(syscall.GetCommandLine())))
		return
	}
	os.Exit(m.Run())
}

// argumentsOf reads a command line as node and python do ("Parsing C
// command-line arguments", Microsoft C): Go's own reading of "" in quotes is an
// older one.
func argumentsOf(line string) []string {
	var args []string
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var arg []byte
		quoted := false
		for rest != "" && (quoted || rest[0] != ' ') {
			slashes := len(rest) - len(strings.TrimLeft(rest, `\`))
			rest = rest[slashes:]
			switch {
			case !strings.HasPrefix(rest, `"`):
				arg = append(arg, strings.Repeat(`\`, slashes)...)
				if rest != "" && (quoted || rest[0] != ' ') {
					arg, rest = append(arg, rest[0]), rest[1:]
				}
				continue
			case slashes%2 == 1:
				arg = append(arg, strings.Repeat(`\`, slashes/2)+`"`...)
			case quoted && strings.HasPrefix(rest, `""`):
				arg, rest = append(arg, strings.Repeat(`\`, slashes/2)+`"`...), rest[1:]
			default:
				arg, quoted = append(arg, strings.Repeat(`\`, slashes/2)...), !quoted
			}
			rest = rest[1:]
		}
		args = append(args, string(arg))
	}
	return args[1:]
}

// oddArguments are such as a shell would make something else of.
var oddArguments = [][]string{
	{"plain", "two words", "", "日本語", "é", "/c", "/?", "-x"},
	{"a&b", "a & echo x", "a&&b", "a||b", "a|b", "a<b>c", "(a)"},
	{`say "hi"`, `"`, `""`, `"&echo x&"`, `a"b&echo x`, `{"a": "b & c"}`},
	{`\`, `a\`, `a \`, `\"`, `\\"`, `C:\x y\`},
	{"^", "a^b", "^&", "!OS!", "!", "a!b^c", "*", "?", "a;b", "a,b", "a=b", "~", "`id`", "$HOME", "'a b'"},
	{"%OS%", "100%", "%", "%%", "%PATH:~0,3%", "a%OS%b c", "%CD%"}, // the last: see TestBatch
}

// The shell hands each argument on as it was.
func TestBatchShell(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell := os.Getenv("COMSPEC")
	for _, args := range oddArguments {
		line, err := batchLine(shell, append([]string{self}, args...))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(shell)
		cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: line}
		cmd.Env = append(os.Environ(), echoVar+"=1")
		out, err := cmd.Output()
		check(t, out, args, err)
	}
}

func check(t *testing.T, out []byte, want []string, failed error) {
	t.Helper()
	var got []string
	if err := json.Unmarshal(out, &got); err != nil || failed != nil || !slices.Equal(got, want) {
		t.Errorf("%q became %s (%v, %v)", want, out, err, failed)
	}
}

// A server that is a batch file, as npx is, gets the arguments that mcp.json
// has, from a folder whose name has a space and more.
func TestBatch(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "Program Files & (100% x^y)")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	start := func(ext string, args []string) *Process {
		file := filepath.Join(folder, "run it"+ext)
		// As npm writes them: the program, and all arguments.
		if err := os.WriteFile(file, []byte("@ECHO off\r\nSETLOCAL\r\n\""+self+"\" %*\r\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		proc, err := Start(Program{Path: file, Args: args, Env: append(os.Environ(), echoVar+"=1"), Dir: folder})
		if err != nil {
			t.Fatal(err)
		}
		return proc
	}
	rows := oddArguments
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		rows = rows[:len(rows)-1] // Wine's shell looks for variables in what stands for %*, which Windows does not
	}
	for i, args := range append(rows, rows[0]) {
		proc := start([]string{".cmd", ".BAT"}[i/len(rows)], args)
		go func() { _, _ = io.Copy(os.Stderr, proc.Stderr) }()
		out, _ := io.ReadAll(proc.Stdout)
		<-proc.Done
		check(t, out, args, nil)
	}
	proc := start(".cmd", []string{"a\necho x"})
	said, _ := io.ReadAll(proc.Stderr)
	<-proc.Done
	if !proc.NotStarted || !strings.Contains(string(said), "line break") {
		t.Errorf("with a line break NotStarted is %v, and it said %q", proc.NotStarted, said)
	}
}
