package control

import (
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var sampleStatus = status.Status{
	State: status.Ready, Version: "1.0.0", PID: 123, MCPURL: "https://name.ngrok.app/mcp", Issuer: "https://name.ngrok.app",
	LocalURL: "http://127.0.0.1:8000", ConsoleURL: "http://127.0.0.1:40123/#key=k",
	Tunnel:   status.Tunnel{State: "up", URL: "https://name.ngrok.app"},
	IDP:      status.IDP{State: status.IDPUnreachable, Issuer: "https://dev.okta.com/oauth2/default", Error: "no answer since 11:58"},
	Sessions: 2,
	Servers:  []status.Server{{Name: "files", State: "ok", Tools: 12}, {Name: "git", State: "failed", Tools: 1, Error: "exit status 2"}},
	Notes:    []string{"Nobody may sign in yet: the access list is empty."},
}

var sampleSessions = []status.Session{
	{ID: "s2", Label: "laptop", User: status.User{Sub: "00u1", Email: "ana@example.com", Name: "Ana"},
		Client: status.SessionClient{ID: "c", Name: "Claude", Kind: "cimd", RedirectHost: "claude.ai"},
		Scopes: []string{"openid"}, CreatedAt: noon.Add(-3 * time.Hour), LastUsedAt: noon.Add(-2 * time.Minute),
		ExpiresAt: noon.Add(29*24*time.Hour + time.Hour), Requests: 17, LastTool: "echo",
		Leaves: []status.Leave{{Server: "files", Tool: "write\x1b[2J_file", Until: noon.Add(9 * time.Minute)}}},
	{ID: "s1", User: status.User{Sub: "00u2"}, Client: status.SessionClient{Name: "Evil\x1b[2J\u202e\u009b1m" + strings.Repeat("x", 100), Kind: "dcr"},
		CreatedAt: noon.Add(-72 * time.Hour), ExpiresAt: noon.Add(30 * time.Second)},
}

var sampleEvents = []status.Event{
	{ID: "abc", Time: noon.Add(-time.Hour), Type: status.SigninSucceeded, Outcome: status.OK, User: "ana@example.com", Client: "Claude", Session: "s2", Remote: "203.0.113.7"},
	{Time: noon, Type: status.ToolCalled, Outcome: status.Failed, User: "ana@example.com", Client: "Cl\u009baude\U000e0041\n", Tool: "echo", Reason: `says "no" & <stops>`},
}

var sampleClients = []status.Client{
	{ID: "c1", Name: "Claude", Kind: "cimd", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}, FirstSeen: noon.Add(-50 * time.Hour), LastSignIn: noon.Add(-10 * time.Second), Sessions: 2},
	{ID: "c2", Kind: "dcr"},
}

var sampleAttempts = []status.Attempt{
	{ID: "b", Started: noon, Last: noon, Remote: "203.0.113.7", Agent: "Evil\u202e/1\n", Outcome: "", Verdict: "A client is looking around; its next step is awaited.", VerdictKey: "discovery.awaited",
		Steps: []status.Step{{Time: noon, Kind: "discovery", Outcome: status.OK, Text: "A request without a token was told where to sign in.", Key: "discovery.challenge", Times: 3}}},
	{ID: "a", Started: noon.Add(-time.Hour), Last: noon.Add(-time.Hour), Client: "Claude", User: "ana@example.com", Remote: "160.79.104.10", Session: "s2", Calls: 17, Outcome: status.OK,
		Verdict: "Claude is connected: ana@example.com, 17 calls.", VerdictKey: "connected", Args: map[string]string{"client": "Claude"},
		Steps: []status.Step{
			{Time: noon.Add(-time.Hour), Kind: "token", Outcome: status.OK, Text: "Claude got its tokens.", Key: "token.issued", Args: map[string]string{"client": "Claude"}},
			{Time: noon.Add(-time.Hour + time.Second), Kind: "call", Outcome: status.OK, Text: "A call came through.", Key: "call.ok"},
		}},
}

var sampleChecks = []status.Check{
	{Name: "configuration", OK: true, Result: "config.toml is read"},
	{Name: "provider", Result: "no answer from https://dev.okta.com", Cure: "Look at the network, or correct issuer in config.toml."},
}
