package attempts

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
		client rig.SDKClient
		doc    bool
		kinds  string
	}{
		{"by registration", rig.SDKClients[0], false, "discovery registration authorize consent provider token call"},
		{"by registration, client 2.x", rig.SDKClients[2], false, "discovery registration authorize consent provider token call"},
		{"by metadata document", rig.SDKClients[0], true, "discovery authorize consent provider token call"},
		{"by metadata document, client 2.x", rig.SDKClients[1], true, "discovery authorize consent provider token call"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := rig.StartApp(t, rig.AppOptions{Access: time.Second})
			name, doc := "Scripted client", (*rig.Metadata)(nil)
			if c.doc {
				doc = rig.ServeMetadata(t, rig.ClientURI)
				name = "Metadata client"
			}
			rig.RunSDK(t, c.client, app, doc)
			a := app.MustConclude(t, "connected", "ok", name+" is connected: alice@example.com, ")
			if got := strings.Join(kinds(a), " "); got != c.kinds {
				t.Errorf("its steps are of %s, want %s", got, c.kinds)
			}
			if n := len(app.Attempts(t)); n != 1 {
				t.Errorf("one sign-in is %d attempts: %s", n, rig.Outline(app.Attempts(t)))
			}
			if !slices.ContainsFunc(a.Steps, func(s status.Step) bool { return s.Key == "token.refreshed" }) {
				t.Error("the refresh is not told")
			}
			// Two rounds of three calls at least, and one more for each time that it looked for the refresh.
			if s := app.Sessions(t)[0]; a.Session != s.ID || a.Calls < 6 || a.Remote == "" || strings.Contains(a.Agent, "Mozilla") {
				t.Errorf("told of session %q, %d calls, from %q by %q", a.Session, a.Calls, a.Remote, a.Agent)
			}
		})
	}
}

// mcp-remote looks around more than others do.
func TestTimelineMCPRemote(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	remote := rig.StartProcess(t, []string{"MCP_REMOTE_CONFIG_DIR=" + t.TempDir(), "BROWSER=/bin/true"}, rig.NeedNode(t),
		"node_modules/mcp-remote/dist/proxy.js", app.MCPURL, "0", "--protocol", "legacy")
	rig.SignInAtListener(t, remote, "alice").WantStatus(t, http.StatusOK)
	stdio := &rig.StdioClient{Script: remote}
	stdio.Request("initialize", map[string]any{"protocolVersion": rig.LegacyVersion, "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "e2e", "version": "1"}})
	app.MustConclude(t, "connected", "ok", "is connected: alice@example.com")
}

// Drawbridge looking at its own address is no attempt of anybody.
func TestTimelineOwnLook(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	for _, check := range app.Srv.Doctor(t.Context()) {
		t.Log(check.Name, check.OK)
	}
	if list := app.Attempts(t); len(list) != 0 {
		t.Errorf("doctor is told as %s", rig.Outline(list))
	}
}

// The command prints the newest attempt last, with its verdict.
func TestTimelineCommand(t *testing.T) {
	app := rig.StartBinary(t, rig.AppOptions{})
	client := app.Register(t, rig.ClientURI)
	rig.NewBrowser(t).Deny(app.NewAuthRequest(client).URL(app), rig.ClientURI)
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
