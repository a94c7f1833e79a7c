package program

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The commands as people and scripts use them, against a running program.
func TestCommands(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})

	t.Run("status", func(t *testing.T) { commandStatus(t, app) })
	t.Run("sessions", func(t *testing.T) { commandSessions(t, app) })
	t.Run("events", func(t *testing.T) { commandEvents(t, app) })
	t.Run("clients", func(t *testing.T) {
		var list []status.Client
		app.CommandJSON(t, &list, "clients", "--json")
		if len(list) != 1 || list[0].Name != "Test client" || list[0].Kind != "dcr" {
			t.Errorf("clients %+v", list)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		if out, code := app.Command("doctor"); code != 0 || !strings.Contains(out, "ok") {
			t.Errorf("exit code %d: %s", code, out)
		}
	})
	t.Run("pause and resume", func(t *testing.T) { commandPause(t, app, tokens.Access) })
	t.Run("revoke", func(t *testing.T) { commandRevoke(t, app, client, tokens.Access) })
	t.Run("a second instance", func(t *testing.T) {
		path, err := rig.Binary()
		if err != nil {
			t.Fatal(err)
		}
		second := rig.StartProcess(t, app.Program.Env, path, append([]string{"run", "--headless"}, app.Flags()...)...)
		if _, code := second.Wait(); code != 1 || !second.Log.Contains(app.MCPURL) {
			t.Errorf("exit code %d, want 1 and a pointer to the first:\n%s", code, second.Log)
		}
	})
}

// quit ends the program cleanly, and returns when another may start.
func TestQuit(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	tokens := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	if out, code := app.Command("quit"); code != 0 || !strings.Contains(out, "stopped") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, code := app.Program.Script.Wait(); code != 0 {
		t.Errorf("the program ended with exit code %d", code)
	}
	if _, code := app.Command("quit"); code != 1 {
		t.Errorf("with nothing to quit: exit code %d, want 1", code)
	}
	app.Start()
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "back"}); got != "Echo: back" {
		t.Errorf("after the next start: %q", got)
	}
}

// Commands that don't do what they should end with the codes that scripts test.
func TestExitCodes(t *testing.T) {
	data := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"version"}, 0},
		{[]string{"--help"}, 0},
		{[]string{"--version"}, 0},
		{[]string{"help"}, 0},
		{[]string{"help", "revoke"}, 0},
		{[]string{"help", "nonsense"}, 2},
		{[]string{"status", "--json", "--data", data}, 1}, // nothing runs there
		{[]string{"sessions", "--data", data}, 1},
		{[]string{"revoke", "no-such-session", "--data", data}, 1},
		{[]string{"doctor", "--keystore", "env", "--data", data}, 1}, // not configured
		{[]string{"nonsense"}, 2},
		{[]string{"status", "--nonsense"}, 2},
		{[]string{"run", "--keystore", "paper"}, 2},
	} {
		t.Run(strings.Join(c.args[:min(2, len(c.args))], " "), func(t *testing.T) {
			path, err := rig.Binary()
			if err != nil {
				t.Fatal(err)
			}
			p := rig.StartProcess(t, rig.Homeless(t), path, c.args...)
			if _, code := p.Wait(); code != c.code {
				t.Errorf("exit code %d, want %d:\n%s", code, c.code, p.Log)
			}
			if lines := strings.Count(strings.TrimSpace(p.Log.String()), "\n"); c.code == 1 && (lines != 0 || p.Log.String() == "") {
				t.Errorf("want one line on standard error, got:\n%s", p.Log)
			}
		})
	}
}

func commandStatus(t *testing.T, app *rig.App) {
	var got map[string]any
	app.CommandJSON(t, &got, "status", "--json")
	for _, field := range []string{"state", "version", "pid", "mcp_url", "issuer", "local_url", "console_url", "tunnel", "idp", "sessions", "servers"} {
		if _, ok := got[field]; !ok {
			t.Errorf("no %s", field)
		}
	}
	if got["state"] != "ready" || got["mcp_url"] != app.MCPURL || got["sessions"] != 1.0 {
		t.Errorf("state %v, mcp_url %v, sessions %v", got["state"], got["mcp_url"], got["sessions"])
	}
	if int(got["pid"].(float64)) != app.Program.Script.Cmd.Process.Pid {
		t.Errorf("pid %v is not the program's", got["pid"])
	}
}

func commandSessions(t *testing.T, app *rig.App) {
	var got []map[string]any
	app.CommandJSON(t, &got, "sessions", "--json")
	if len(got) != 1 {
		t.Fatalf("%d sessions, want 1", len(got))
	}
	for _, field := range []string{"id", "user", "client", "scopes", "created_at", "last_used_at", "expires_at", "requests", "last_tool"} {
		if _, ok := got[0][field]; !ok {
			t.Errorf("no %s", field)
		}
	}
	s := app.Sessions(t)[0]
	if s.User.Email != "alice@example.com" || s.Client.Kind != "dcr" || !strings.HasPrefix(s.Client.RedirectHost, "localhost") || s.LastTool != "echo" || s.Requests == 0 {
		t.Errorf("session %+v", s)
	}
	if _, err := time.Parse(time.RFC3339, got[0]["created_at"].(string)); err != nil {
		t.Error(err)
	}
}

func commandEvents(t *testing.T, app *rig.App) {
	out, code := app.Command("events", "--json")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var types []string
	var last time.Time
	for line := range strings.Lines(out) {
		var e status.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Time.Before(last) {
			t.Error("not oldest first")
		}
		last, types = e.Time, append(types, e.Type)
	}
	for _, want := range []string{"client.registered", "consent.shown", "consent.approved", "signin.succeeded", "token.issued", "tool.called"} {
		if !slices.Contains(types, want) {
			t.Errorf("no %s among %v", want, types)
		}
	}
}

func commandPause(t *testing.T, app *rig.App, access string) {
	if _, code := app.Command("pause"); code != 0 {
		t.Fatalf("pause: exit code %d", code)
	}
	if r := app.MCP(t, access).Initialize(); r.Status != http.StatusServiceUnavailable {
		t.Errorf("paused, /mcp answers %d", r.Status)
	}
	if st := app.Status(t); st.State != status.Paused {
		t.Errorf("state %s", st.State)
	}
	if _, code := app.Command("resume"); code != 0 {
		t.Fatalf("resume: exit code %d", code)
	}
	app.MCP(t, access).CallTool("echo", map[string]any{"message": "again"})
}

func commandRevoke(t *testing.T, app *rig.App, client rig.Client, access string) {
	other := app.SignIn(t, rig.NewBrowser(t), client, "bob")
	id := app.Sessions(t)[1].ID // newest first: alice's
	if _, code := app.Command("revoke", id); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if r := app.MCP(t, access).Initialize(); r.Status != http.StatusUnauthorized {
		t.Errorf("revoked, the access token gives %d", r.Status)
	}
	app.MCP(t, other.Access).CallTool("echo", map[string]any{"message": "still here"})
	if _, code := app.Command("revoke", id); code != 1 {
		t.Errorf("revoked again: exit code %d, want 1", code)
	}
	if _, code := app.Command("revoke", "--all"); code != 0 {
		t.Fatalf("--all: exit code %d", code)
	}
	if r := app.MCP(t, other.Access).Initialize(); r.Status != http.StatusUnauthorized {
		t.Errorf("all revoked, the access token gives %d", r.Status)
	}
}
