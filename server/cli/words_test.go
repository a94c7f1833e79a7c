package cli

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/assets"
)

// typed runs a command line as a person types it.
func typed(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e strings.Builder
	dir := t.TempDir()
	args = append(args, "--data", dir, "--config", dir+"/config.toml")
	code = Run(t.Context(), args, "v1.2.3", strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

func modelOf(t *testing.T) *kong.Node {
	t.Helper()
	parser, err := kong.New(&commands{}, kong.Name("drawbridge"), kong.Vars{"version": "x"})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// Every command, argument and flag is explained in every language, and nothing
// else is.
func TestEverythingIsExplained(t *testing.T) {
	data, err := os.ReadFile("../../assets/texts/en.cli.json")
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]string
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for _, texts := range []*assets.Texts{assets.TextsFor("en"), assets.TextsFor("ja")} {
		n := modelOf(t)
		describe(n, texts)
		said := map[string]bool{}
		var look func(n *kong.Node)
		look = func(n *kong.Node) {
			for _, f := range n.Flags {
				said[f.Help] = true
			}
			for _, p := range n.Positional {
				said[p.Help] = true
			}
			said[n.Help] = true
			for _, c := range n.Children {
				look(c)
			}
		}
		look(n)
		for help := range said {
			if strings.HasPrefix(help, "[help.") {
				t.Errorf("%s: nothing is said of %s", texts.Lang, help)
			}
		}
		for key := range keys {
			if strings.HasPrefix(key, "help.") && !strings.HasPrefix(key, "help.head.") && key != "help.usage" && key != "help.more" && !said[texts.Say(key)] {
				t.Errorf("%s: nothing is explained by %s", texts.Lang, key)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		lang string
		says string
	}{
		{[]string{"sesions"}, "", "did you mean `sessions`?"},
		{[]string{"statsu"}, "", "did you mean `status`?"},
		{[]string{"sesions"}, "ja_JP.UTF-8", "`sessions` のことでしょうか"},
		{[]string{"xyzzy"}, "", "there is no command `xyzzy`: `drawbridge --help` lists"},
		{[]string{"secret", "lst"}, "", "did you mean `set`, `list`?"},
		{[]string{"status", "--jsn"}, "", "did you mean `--json`?"},
		{[]string{"status", "--jsn"}, "ja", "`--json` のことでしょうか"},
		{[]string{"run", "--listen", "nonsense"}, "", "--listen nonsense is no address to listen on: give a host and a port"},
		{[]string{"demo", "--listen", ":8000"}, "", "--listen :8000 is no address"},
		{[]string{"revoke"}, "ja", "セッションの ID"},
		{[]string{"events", "--number=-1"}, "", "must not be less than 0"},
		{[]string{"completion", "tcsh"}, "", `must be one of "bash","zsh","fish","powershell"`},
	} {
		t.Setenv("LC_ALL", c.lang)
		out, errOut, code := typed(t, c.args...)
		if code != 2 || out != "" || strings.Count(errOut, "\n") != 1 || !strings.HasPrefix(errOut, "drawbridge: ") || !strings.Contains(errOut, c.says) {
			t.Errorf("%v: exit code %d, %q, %q", c.args, code, out, errOut)
		}
	}
	t.Setenv("LC_ALL", "ja")
	if _, errOut, code := typed(t, "sessions"); code != 1 || !strings.Contains(errOut, "Drawbridge はここでは動いていません") {
		t.Errorf("nothing runs: exit code %d, %q", code, errOut)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Setenv("LC_ALL", "")
	t.Setenv("LANG", "")
	out, _, code := typed(t, "--help")
	for _, c := range modelOf(t).Children {
		if !strings.Contains(out, "\n  "+c.Name+" ") {
			t.Errorf("--help says nothing of %s", c.Name)
		}
	}
	if code != 0 {
		t.Errorf("--help: exit code %d", code)
	}
	if again, _, _ := typed(t, "help"); again != out {
		t.Errorf("help says\n%s", again)
	}
	if out, _, code := typed(t, "help", "secret", "set"); code != 0 || !strings.HasPrefix(out, "Usage: drawbridge secret set <name>\n\nStore a secret") {
		t.Errorf("help secret set: exit code %d\n%s", code, out)
	}
	t.Setenv("LANG", "ja_JP.UTF-8")
	if out, _, _ := typed(t, "help", "revoke"); !strings.HasPrefix(out, "使い方: drawbridge revoke [<id>] [flags]\n\nセッションを取り消します。") {
		t.Errorf("help revoke:\n%s", out)
	}
	for _, arg := range []string{"--version", "version"} {
		if out, _, code := typed(t, arg); code != 0 || !strings.HasPrefix(out, "drawbridge v1.2.3, commit ") {
			t.Errorf("%s: exit code %d, %q", arg, code, out)
		}
	}
}

// The demo's commands are to be copied as they stand.
func TestDemoIntroduction(t *testing.T) {
	for _, lang := range []string{"en", "ja"} {
		var out strings.Builder
		a := &app{out: &screen{Writer: &out, texts: assets.TextsFor(lang), width: 40}}
		a.introduce("http://127.0.0.1:8000/mcp", "http://127.0.0.1:9", "/tmp/demo")
		for _, line := range []string{
			"claude mcp add --scope user --transport http drawbridge http://127.0.0.1:8000/mcp\n",
			"npx @modelcontextprotocol/inspector --cli http://127.0.0.1:8000/mcp --method tools/list\n",
			program() + " console --data /tmp/demo\n", program() + " sessions --data /tmp/demo\n", program() + " revoke ID --data /tmp/demo\n", program() + " demo --sign-in alice --data /tmp/demo\n", "Node.js 22",
		} {
			if !strings.Contains(out.String(), line) || strings.Contains(out.String(), "%!") {
				t.Errorf("%s: no %q in\n%s", lang, line, &out)
			}
		}
	}
	if got := program(); got != "go run ." { // as is what `go test` builds
		t.Errorf("this program is called %s", got)
	}
}

// The manual page has every command and flag, and no request of troff's that
// was meant as text.
func TestManualPage(t *testing.T) {
	for _, lang := range []string{"C", "ja_JP.UTF-8"} {
		t.Setenv("LC_ALL", lang)
		out, _, code := typed(t, "man")
		if code != 0 {
			t.Fatalf("exit code %d", code)
		}
		request := regexp.MustCompile(`^\.(TH|SH|TP|B|I|RS|RE|PP)\b`)
		for line := range strings.Lines(out) {
			if line[0] == '.' && !request.MatchString(line) || line[0] == '\'' {
				t.Errorf("%s: %q", lang, line)
			}
		}
		for _, n := range modelOf(t).Leaves(true) {
			if !strings.Contains(out, ".B "+roff(n.Path())) {
				t.Errorf("%s: nothing of %s", lang, n.Path())
			}
			for _, f := range n.Flags {
				if !strings.Contains(out, roff("--"+f.Name)) {
					t.Errorf("%s: nothing of --%s", lang, f.Name)
				}
			}
		}
	}
}

func TestCompletion(t *testing.T) {
	model := modelOf(t)
	a := &app{ctx: t.Context(), model: model, data: t.TempDir()}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"re"}, "revoke resume restore"},
		{[]string{"secret", ""}, "set delete list"},
		{[]string{"secret", "=s"}, "set"},
		{[]string{"--verbose", "secret", "l"}, "list"},
		{[]string{"--data", "secret", "st"}, "status"},
		{[]string{"--keystore", ""}, "os env"},
		{[]string{"--config", ""}, ""},
		{[]string{"events", "--s"}, "--since"},
		{[]string{"events", "-n", "20", "--f"}, "--follow"},
		{[]string{"completion", "b"}, "bash"},
		{[]string{"completion", "bash", ""}, ""},
		{[]string{"nonsense", "--ver"}, "--verbose --version"},
	} {
		var got []string
		for _, next := range a.next(c.words) {
			got = append(got, next[0])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, want %q", c.words, got, c.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script, _, code := typed(t, "completion", shell)
		if code != 0 || !strings.Contains(script, "completion "+shell+" --") {
			t.Errorf("%s: exit code %d\n%s", shell, code, script)
		}
		var out strings.Builder
		if code := Run(t.Context(), []string{"completion", shell, "--", "statu"}, "", nil, &out, &out); code != 0 || !regexp.MustCompile(`^status[\t:]Show the status|^status[\t:]実行中`).MatchString(out.String()) {
			t.Errorf("%s completes %q, exit code %d", shell, out.String(), code)
		}
	}
}

// What a terminal gets fits it, in both languages, whatever clients call
// themselves; without colours it says the same.
func TestTerminal(t *testing.T) {
	escape := regexp.MustCompile("\x1b\\[[0-9]*m")
	for _, lang := range []string{"en", "ja"} {
		for name, print := range map[string]func(s *screen) error{
			"status":   func(s *screen) error { return s.status(sampleStatus) },
			"sessions": func(s *screen) error { return s.sessions(sampleSessions) },
			"events":   func(s *screen) error { return s.events(sampleEvents, false) },
			"clients":  func(s *screen) error { return s.clients(sampleClients) },
			"attempts": func(s *screen) error { return s.attempts(sampleAttempts) },
			"checks":   func(s *screen) error { return s.checks(sampleChecks) },
		} {
			var colored, black strings.Builder
			for _, s := range []*screen{{Writer: &colored, color: true}, {Writer: &black}} {
				s.texts, s.now, s.width = assets.TextsFor(lang), plainScreen(nil).now, 80
				if err := print(s); err != nil {
					t.Fatal(err)
				}
			}
			if got := escape.ReplaceAllString(colored.String(), ""); got != black.String() || got == colored.String() {
				t.Errorf("%s, %s: in colour it says\n%s", name, lang, got)
			}
			for line := range strings.Lines(black.String()) {
				if line = strings.TrimSuffix(line, "\n"); columns(line) > 80 || strings.ContainsAny(line, "\x1b\u009b\u202e") || strings.HasSuffix(line, " ") {
					t.Errorf("%s, %s: %q", name, lang, line)
				}
			}
			if lang == "ja" && !regexp.MustCompile(`\p{Han}|\p{Katakana}`).MatchString(black.String()) && name != "events" {
				t.Errorf("%s is not in Japanese:\n%s", name, &black)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want []string
	}{
		{"", 8, []string{""}},
		{"one two three", 8, []string{"one two", "three"}},
		{"one two", 7, []string{"one two"}},
		{"a-very-long-word x", 6, []string{"a-very", "-long-", "word x"}},
		{"終了しました。", 12, []string{"終了しまし", "た。"}},
		{"設定 config.toml", 8, []string{"設定", "config.t", "oml"}},
	} {
		if got := wrap(c.text, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
