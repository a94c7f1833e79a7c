package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// home is a person's folders, with a config.toml and what they pipe in.
type home struct {
	app
	dir     string
	printed *safeBuilder
}

type safeBuilder struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (b *safeBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// take returns what was written since it was last called.
func (b *safeBuilder) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.text.Reset()
	return b.text.String()
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{dir: dir, printed: &safeBuilder{}}
	h.app = app{ctx: t.Context(), in: strings.NewReader(""), out: plainScreen(h.printed), data: filepath.Join(dir, "data"),
		config: filepath.Join(dir, "config", "config.toml"), secrets: keystore.Memory()}
	return h
}

func (h *home) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type runner interface{ Run(*app) error }

// run runs a command that must do, and returns what it printed.
func (h *home) run(t *testing.T, c runner) string {
	t.Helper()
	if err := c.Run(&h.app); err != nil {
		t.Errorf("%+v: %v", c, err)
	}
	return h.printed.take()
}

func TestSecrets(t *testing.T) {
	h := newHome(t)
	if got := h.run(t, secretList{}); !strings.HasPrefix(got, "No secrets") {
		t.Errorf("at first: %s", got)
	}
	h.write(t, "config/mcp.json", `{"mcpServers": {"github": {"command": "x", "env": {"A": "${keychain:TOKEN}", "B": "${keychain:OTHER}"}}}}`)
	h.in = strings.NewReader("hunter2\n")
	if got := h.run(t, secretSet{"github/TOKEN"}); !strings.HasPrefix(got, "Stored github/TOKEN.") || strings.Contains(got, "No server") {
		t.Errorf("set: %s", got)
	}
	h.in = strings.NewReader("-----BEGIN\nhunter3\r\n")
	if got := h.run(t, secretSet{"files/KEY"}); !strings.Contains(got, "No server files in "+h.mcpJSON()+" uses it yet: write ${keychain:KEY}") {
		t.Errorf("set one that is not used: %s", got)
	}
	if got, err := h.secrets.Get(t.Context(), "server/files/KEY"); err != nil || got.Reveal() != "-----BEGIN\nhunter3" {
		t.Errorf("kept %q, %v", got.Reveal(), err)
	}
	names, err := os.ReadFile(filepath.Join(h.data, namesFile))
	if err != nil || string(names) != "[\"files/KEY\",\"github/TOKEN\"]\n" {
		t.Errorf("names %s, %v", names, err)
	}
	list := strings.Split(h.run(t, secretList{}), "\n")
	for i, want := range []string{"files/KEY|set, and no server in mcp.json uses it", "github/OTHER|missing: run `drawbridge secret set github/OTHER`", "github/TOKEN|set", ""} {
		if i >= len(list) || strings.Join(strings.SplitN(strings.TrimSpace(list[i]), "  ", 2), "|") == "" && want != "" {
			t.Fatalf("list %q", list)
		}
		name, state, _ := strings.Cut(want, "|")
		if !strings.HasPrefix(list[i], name) || !strings.HasSuffix(list[i], state) {
			t.Errorf("line %q, want %q", list[i], want)
		}
	}
	h.run(t, secretDelete{"github/TOKEN"})
	if _, err := h.secrets.Get(t.Context(), "server/github/TOKEN"); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("after delete: %v", err)
	}
	if got := h.run(t, secretList{}); !strings.Contains(got, "missing: run `drawbridge secret set github/TOKEN`") {
		t.Errorf("after delete: %s", got)
	}
	h.run(t, secretDelete{"files/KEY"})
	if got := h.run(t, secretList{}); strings.Contains(got, "files/KEY") {
		t.Errorf("a deleted one that nobody uses: %s", got)
	}
}

func TestSecretsRefused(t *testing.T) {
	h := newHome(t)
	env := *h
	env.secrets = keystore.Env(func(string) (string, bool) { return "", false })
	for name, c := range map[string]struct {
		home  *home
		do    runner
		in    string
		want  string
		usage bool
	}{
		"a value on the command line": {h, secretSet{"github/TOKEN=hunter2"}, "x", "name the secret as SERVER/VAR", true},
		"no server":                   {h, secretSet{"TOKEN"}, "x", "name the secret as SERVER/VAR", true},
		"a path":                      {h, secretSet{"../TOKEN"}, "x", "name the secret as SERVER/VAR", true},
		"one of Drawbridge's own":     {h, secretDelete{"data-key"}, "x", "name the secret as SERVER/VAR", true},
		"nothing piped in":            {h, secretSet{"a/B"}, "\n", "nothing was stored", false},
		"too long":                    {h, secretSet{"a/B"}, strings.Repeat("x", 10_000), "longer than the 2500 bytes", false},
		"one that is not there":       {h, secretDelete{"a/B"}, "", "there is no secret a/B", false},
		"the environment":             {&env, secretSet{"my-files/KEY"}, "x", "set DRAWBRIDGE_SERVER_MY_FILES_KEY instead", false},
	} {
		a := c.home.app
		a.in = strings.NewReader(c.in)
		err := c.do.Run(&a)
		var usage usageError
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &usage) != c.usage || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	env.write(t, "config/mcp.json", `{"mcpServers": {"a": {"command": "x", "env": {"A": "${keychain:B}"}}}}`)
	if got := env.run(t, secretList{}); !strings.Contains(got, "missing: set DRAWBRIDGE_SERVER_A_B") {
		t.Errorf("list: %s", got)
	}
}

func TestImport(t *testing.T) {
	h := newHome(t)
	h.write(t, "config/config.toml", "public_url = 'https://name.ngrok.app'")
	theirs := h.write(t, "theirs.json", `{"mcpServers": {"a": {"command": "x", "env": {"API_KEY": "hunter2hunter2"}}, "b c": {"url": "https://b.example", "headers": {"Authorization": "Bearer ${input:key}"}},
		"me": {"url": "https://name.ngrok.app/mcp"}, "e\u001b[2J": {"type": "smoke", "url": "https://e.example"}}}`)
	err := importServers{Source: theirs}.Run(&h.app)
	var usage usageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without anybody to ask: %v", err)
	}
	if _, err := os.Stat(h.mcpJSON()); err == nil {
		t.Error("it was written without a yes")
	}
	h.printed.take()
	got := h.run(t, importServers{Source: theirs, Yes: true})
	for _, want := range []string{"  taken     a\n            The secret API_KEY stands in clear there: it goes into the keychain.\n", "  taken     b-c (there: b c)\n            Run `drawbridge secret set b-c/KEY` before you use it.\n",
		"  left out  me: it is Drawbridge itself\n", `must be "stdio", "http" or "sse"`, "Servers taken over: 2. They stand in " + h.mcpJSON() + " now.\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("printed\n%s\nwithout %q", got, want)
		}
	}
	if strings.Contains(got, "\x1b") || strings.Contains(got, "hunter2") {
		t.Errorf("printed %q", got)
	}
	if written, _ := os.ReadFile(h.mcpJSON()); strings.Contains(string(written), "hunter2") {
		t.Errorf("written:\n%s", written)
	}
	if secret, err := h.secrets.Get(t.Context(), keystore.ServerSecret("a", "API_KEY")); err != nil || secret.Reveal() != "hunter2hunter2" {
		t.Errorf("in the keychain: %v", err)
	}
	if got := h.run(t, importServers{Source: theirs}); !strings.HasSuffix(got, "There is nothing to take over.\n") {
		t.Errorf("a second time: %s", got)
	}
}

// backend is an instance that has one server, which goes on writing.
type backend struct {
	control.Backend
	mu    sync.Mutex // guards lines
	lines []status.LogLine
}

func (b *backend) Snapshot() status.Snapshot { return status.Snapshot{} }
func (b *backend) Logs(server string) ([]status.LogLine, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines, server == "files"
}
func (b *backend) write(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines[max(0, len(b.lines)-1):len(b.lines):len(b.lines)], status.LogLine{Time: time.Now(), Text: text}) // drops the older ones
}
func (b *backend) Access(_ context.Context, email string, groups []string) ([]status.Entry, error) {
	return []status.Entry{{Server: "files", Kind: "tool", Name: email, As: strings.Join(groups, "+")}}, nil
}

func (b *backend) EndLeave(_ context.Context, session, server, tool string) error {
	if session+" "+server+" "+tool != "s1 files a/b" {
		return control.ErrNotFound
	}
	return nil
}

// noConsole has no pages.
type noConsole struct{ http.Handler }

func (noConsole) Open(string, string) {}
func (noConsole) Link() string        { return "" }
func (noConsole) Close()              {}

func TestOfTheRunningInstance(t *testing.T) {
	h := newHome(t)
	b := &backend{lines: []status.LogLine{{Text: "zero\x1b[2J", Own: true}, {Text: "one"}}}
	s, err := control.Listen(h.data, "1.0.0", b, noConsole{}, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if got := h.run(t, logs{Name: "files"}); strings.Count(got, "\n") != 2 || !strings.HasSuffix(got, "  drawbridge: zero[2J\n0001-01-01 00:00:00  one\n") {
		t.Errorf("logs %q", got)
	}
	if err := (logs{Name: "nowhere", Follow: true}).Run(&h.app); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("logs of nowhere: %v", err)
	}
	if got := h.run(t, showAccess{As: "ana@example.com", Group: []string{"g", "h"}}); !strings.Contains(got, "ana@example.com  g+h\n") {
		t.Errorf("access %q", got)
	}
	if got := h.run(t, showAccess{As: "ana@example.com", asJSON: asJSON{true}}); !strings.Contains(got, `"name": "ana@example.com"`) {
		t.Errorf("access %q", got)
	}
	if got := h.run(t, revoke{ID: "s1", Leave: "files/a/b"}); got != "It asks about each call of this tool again.\n" {
		t.Errorf("revoke a leave: %q", got)
	}
	if err := (revoke{ID: "s1", Leave: "files/other"}).Run(&h.app); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("revoke a leave that is none: %v", err)
	}
	var usage usageError
	for _, c := range []revoke{{ID: "s1", Leave: "files"}, {ID: "s1", Leave: "files/"}, {All: true, Leave: "files/a"}, {Leave: "files/a"}, {}} {
		if err := c.Run(&h.app); !errors.As(err, &usage) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := (showAccess{}).Run(&h.app); !errors.As(err, &usage) {
		t.Errorf("access as nobody: %v", err)
	}

	a, done := h.app, make(chan error)
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithCancel(t.Context())
	go func() { done <- logs{Name: "files", Follow: true}.Run(&a) }()
	var all string
	for _, want := range []string{": zero[2J\n", "  two\n", "  three\n"} {
		for began := time.Now(); !strings.Contains(all, want); all += h.printed.take() {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("followed %q, without %q", all, want)
			}
			time.Sleep(time.Millisecond)
		}
		if want == ": zero[2J\n" {
			b.write("two")
		} else if want == "  two\n" {
			b.write("three")
		}
	}
	cancel()
	if err := <-done; err != nil || strings.Count(all, "\n") != 4 {
		t.Errorf("followed %q, %v", all, err)
	}
}

func TestFresh(t *testing.T) {
	history := func(s string) (l []status.LogLine) {
		for _, r := range s {
			l = append(l, status.LogLine{Text: string(r)})
		}
		return l
	}
	for _, c := range [][3]string{{"", "abc", "abc"}, {"abc", "abc", ""}, {"abc", "abcd", "d"}, {"abc", "bcd", "d"}, {"abc", "def", "def"}, {"aaa", "aaab", "b"}, {"ab", "", ""}} {
		var got string
		for _, l := range fresh(history(c[0]), history(c[1])) {
			got += l.Text
		}
		if got != c[2] {
			t.Errorf("after %q, of %q: %q", c[0], c[1], got)
		}
	}
}

// history is an instance with sessions and events.
type history struct {
	backend
	revoked []string
}

func (b *history) Snapshot() status.Snapshot {
	return status.Snapshot{Sessions: []status.Session{{ID: "abcdefgh1"}, {ID: "abcdefgh2"}, {ID: "xyz"}, {ID: "xyzzy"}}}
}

func (b *history) Revoke(_ context.Context, id string) error {
	if !strings.HasPrefix(id, "abcdefgh") && !strings.HasPrefix(id, "xyz") {
		return control.ErrNotFound
	}
	b.revoked = append(b.revoked, id)
	return nil
}

func TestRevokeByTheBeginning(t *testing.T) {
	h, b := newHome(t), &history{}
	s, err := control.Listen(h.data, "1.0.0", b, noConsole{}, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	for _, c := range []struct{ id, want, says string }{
		{"abcdefgh2", "abcdefgh2", ""},
		{"xyz", "xyz", ""}, // though another begins so
		{"xyzz", "xyzzy", ""},
		{"abc", "", "several sessions have an ID that begins with abc: give more of it (abcdefgh1, abcdefgh2)"},
		{"nobody", "", "No live session has the ID \"nobody\""},
	} {
		b.revoked = nil
		err := revoke{ID: c.id}.Run(&h.app)
		if strings.Join(b.revoked, " ") != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: revoked %v, %v", c.id, b.revoked, err)
		}
	}
	narrow := *h.out
	narrow.width = 80
	if got := narrow.shortID("abcdefgh2", b.Snapshot().Sessions); got != "abcdefgh2" {
		t.Errorf("shown as %s", got)
	}
	if got := narrow.shortID("0123456789abcdef", []status.Session{{ID: "0123456789abcdef"}, {ID: "012345678fffffff"}}); got != "0123456789" {
		t.Errorf("shown as %s", got)
	}
}

func TestSomeEvents(t *testing.T) {
	h, board := newHome(t), status.NewBoard(time.Now)
	for i, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, 30 * time.Minute, time.Minute} {
		ev := status.Event{Type: status.ToolCalled, Outcome: status.OK, Tool: fmt.Sprint("t", i), Time: time.Now().Add(-age)}
		board.Publish(&ev)
	}
	s, err := control.Listen(h.data, "1.0.0", &backend{}, noConsole{}, board, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	for _, c := range []struct {
		do   showEvents
		want string
	}{
		{showEvents{}, "t0 t1 t2 t3"},
		{showEvents{Number: 2}, "t2 t3"},
		{showEvents{Number: 9}, "t0 t1 t2 t3"},
		{showEvents{Since: time.Hour}, "t2 t3"},
		{showEvents{Since: time.Hour, Number: 1}, "t3"},
		{showEvents{Since: time.Second}, "time."}, // "nothing has happened in this time"
	} {
		var got []string
		for line := range strings.Lines(h.run(t, c.do)) {
			fields := strings.Fields(line)
			got = append(got, fields[len(fields)-1])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c.do, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, done := h.app, make(chan error)
	a.ctx = ctx
	go func() { done <- showEvents{Number: 1, Follow: true}.Run(&a) }()
	var all string
	for began := time.Now(); !strings.Contains(all, "t3\n"); all += h.printed.take() {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("followed %q", all)
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil || strings.Contains(all, "t2") {
		t.Errorf("followed %q, %v", all, err)
	}
}
