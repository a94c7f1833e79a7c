package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Attempts returns the attempts to connect, newest first, as the control side
// tells them.
func (app *App) Attempts(t testing.TB) []status.Attempt {
	t.Helper()
	c := app.control(t)
	defer c.Close()
	list, err := c.Attempts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// mustConclude fails the test unless the newest attempt comes to this verdict.
// What a call came to is told a moment after its answer has left.
func (app *App) mustConclude(t testing.TB, key, outcome, says string) status.Attempt {
	t.Helper()
	var list []status.Attempt
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		list = app.Attempts(t)
		if len(list) > 0 && list[0].VerdictKey == key && list[0].Outcome == outcome && strings.Contains(list[0].Verdict, says) {
			return list[0]
		}
	}
	t.Fatalf("the newest attempt does not come to %s %q %q: %s", key, outcome, says, outline(list))
	return status.Attempt{}
}

// outline is what a failed test prints of attempts.
func outline(list []status.Attempt) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "\n%s %s %q by %s:", a.VerdictKey, a.Outcome, a.Verdict, a.Agent)
		for _, s := range a.Steps {
			fmt.Fprintf(&b, " %s", s.Key)
		}
	}
	return b.String()
}

// kinds are the kinds of an attempt's steps, each once, in their order.
func kinds(a status.Attempt) (list []string) {
	for _, s := range a.Steps {
		if !slices.Contains(list, s.Kind) {
			list = append(list, s.Kind)
		}
	}
	return list
}

// Sign-ins that go well are one attempt each, with every step in it, although
// program and browser are told apart by what they send alone; they go on as the
// same attempt when the access token has been renewed.
func TestTimelineGood(t *testing.T) {
	for _, c := range []struct {
		name   string
		client sdkClient
		doc    bool
		kinds  string
	}{
		{"by registration", sdkClients[0], false, "discovery registration authorize consent provider token call"},
		{"by registration, client 2.x", sdkClients[2], false, "discovery registration authorize consent provider token call"},
		{"by metadata document", sdkClients[0], true, "discovery authorize consent provider token call"},
		{"by metadata document, client 2.x", sdkClients[1], true, "discovery authorize consent provider token call"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := StartApp(t, AppOptions{Access: time.Second})
			name, doc := "Scripted client", (*Metadata)(nil)
			if c.doc {
				doc = ServeMetadata(t, clientURI)
				name = "Metadata client"
			}
			runSDK(t, c.client, app, doc)
			a := app.mustConclude(t, "connected", "ok", name+" is connected: alice@example.com, ")
			if got := strings.Join(kinds(a), " "); got != c.kinds {
				t.Errorf("its steps are of %s, want %s", got, c.kinds)
			}
			if n := len(app.Attempts(t)); n != 1 {
				t.Errorf("one sign-in is %d attempts: %s", n, outline(app.Attempts(t)))
			}
			if !slices.ContainsFunc(a.Steps, func(s status.Step) bool { return s.Key == "token.refreshed" }) {
				t.Error("the refresh is not told")
			}
			if s := app.Sessions(t)[0]; a.Session != s.ID || a.Calls < 8 || a.Remote == "" || strings.Contains(a.Agent, "Mozilla") {
				t.Errorf("told of session %q, %d calls, from %q by %q", a.Session, a.Calls, a.Remote, a.Agent)
			}
		})
	}
}

// mcp-remote looks around more than others do.
func TestTimelineMCPRemote(t *testing.T) {
	app := StartApp(t, AppOptions{})
	remote := startProcess(t, []string{"MCP_REMOTE_CONFIG_DIR=" + t.TempDir(), "BROWSER=/bin/true"}, needNode(t),
		"node_modules/mcp-remote/dist/proxy.js", app.MCPURL, "0", "--protocol", "legacy")
	signInAtListener(t, remote, "alice").wantStatus(t, http.StatusOK)
	stdio := &stdioClient{script: remote}
	stdio.request("initialize", map[string]any{"protocolVersion": legacyVersion, "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "e2e", "version": "1"}})
	app.mustConclude(t, "connected", "ok", "is connected: alice@example.com")
}

// Drawbridge looking at its own address is no attempt of anybody.
func TestTimelineOwnLook(t *testing.T) {
	app := StartApp(t, AppOptions{})
	for _, check := range app.Srv.Doctor(t.Context()) {
		t.Log(check.Name, check.OK)
	}
	if list := app.Attempts(t); len(list) != 0 {
		t.Errorf("doctor is told as %s", outline(list))
	}
}

// The command prints the newest attempt last, with its verdict.
func TestTimelineCommand(t *testing.T) {
	app := StartBinary(t, AppOptions{})
	client := app.Register(t, clientURI)
	NewBrowser(t).Deny(app.NewAuthRequest(client).URL(app), clientURI)
	out, code := app.Command("attempts")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := lines[len(lines)-1]; code != 0 || !strings.HasPrefix(last, "  refused: The person chose Deny") || !strings.Contains(out, "Test client registered itself.") {
		t.Errorf("exit %d: %s", code, out)
	}
	out, code = app.Command("attempts", "--json")
	var list []status.Attempt
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) != 1 || list[0].VerdictKey != "consent.denied" {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}
