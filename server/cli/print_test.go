package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func init() { time.Local = time.UTC } // so that the golden files fit anywhere

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
	{ID: "s1", Scopes: []string{}, User: status.User{Sub: "00u2"}, Client: status.SessionClient{Name: "Evil\x1b[2J\u202e\u009b1m" + strings.Repeat("x", 100), Kind: "dcr"},
		CreatedAt: noon.Add(-72 * time.Hour), ExpiresAt: noon.Add(30 * time.Second)},
	{ID: "s0", Scopes: []string{}, User: status.User{Sub: "00u1", Email: "ana@example.com"}, Client: status.SessionClient{Name: "Claude for Acme", Kind: "static"},
		CreatedAt: noon.Add(-72 * time.Hour), ExpiresAt: noon.Add(15 * time.Minute), Through: status.Enterprise, Provider: "Okta", GroupsOf: noon.Add(-48 * time.Hour)},
	{ID: "r0", Scopes: []string{}, User: status.User{Sub: "machine:ci", Name: "ci"}, Client: status.SessionClient{Name: "ci", Kind: "static"},
		CreatedAt: noon.Add(-72 * time.Hour), ExpiresAt: noon.Add(15 * time.Minute), Through: status.Machine},
}

var sampleBlocked = []status.Block{
	{ID: "b1", User: status.User{Sub: "00u1", Email: "bob@example.com"}, Client: "Claude\x1b for Acme", Through: status.Enterprise, At: noon.Add(-5 * time.Minute)},
}

var sampleKnown = []status.Client{
	{ID: "dbk_1", Name: "Claude for Acme", Kind: "static", RedirectURIs: []string{}, Known: true, Grants: []string{"jwt-bearer"}, SecretSince: noon.Add(-48 * time.Hour), OldSecretUntil: noon.Add(3 * time.Hour), LastUsed: noon.Add(-time.Minute), Sessions: 3},
	{ID: "dbk_2", Name: "ci", Kind: "static", RedirectURIs: []string{}, Known: true, Grants: []string{"client_credentials"}, JWKSURI: "https://ci.example.com/jwks.json"},
}

var sampleEvents = []status.Event{
	{ID: "abc", Time: noon.Add(-time.Hour), Type: status.SigninSucceeded, Outcome: status.OK, User: "ana@example.com", Client: "Claude", Session: "s2", Remote: "203.0.113.7"},
	{Time: noon, Type: status.ToolCalled, Outcome: status.Failed, User: "ana@example.com", Client: "Cl\u009baude\U000e0041\n", Tool: "echo", Reason: `says "no" & <stops>`},
}

var sampleClients = []status.Client{
	{ID: "c1", Name: "Claude", Kind: "cimd", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}, FirstSeen: noon.Add(-50 * time.Hour), LastSignIn: noon.Add(-10 * time.Second), Sessions: 2},
	{ID: "c2", Kind: "dcr", RedirectURIs: []string{}},
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

// plainScreen is a pipe at noon.
func plainScreen(w io.Writer) *screen {
	return &screen{Writer: w, texts: assets.TextsFor("en"), now: func() time.Time { return noon }}
}

// either prints v as [show] does.
func either[T any](s *screen, asJSON bool, v T, print func(T) error) error {
	if asJSON {
		return s.json(v, "  ")
	}
	return print(v)
}

func TestPrint(t *testing.T) {
	for _, c := range []struct {
		name  string
		print func(s *screen, asJSON bool) error
	}{
		{"status", func(s *screen, j bool) error { return either(s, j, sampleStatus, s.status) }},
		{"status-empty", func(s *screen, j bool) error {
			return either(s, j, status.Status{State: status.Starting, Servers: []status.Server{}}, s.status)
		}},
		{"sessions", func(s *screen, j bool) error { return either(s, j, sampleSessions, s.sessions) }},
		{"sessions-empty", func(s *screen, j bool) error { return either(s, j, []status.Session{}, s.sessions) }},
		{"events", func(s *screen, j bool) error { return s.events(sampleEvents, j) }},
		{"clients", func(s *screen, j bool) error { return either(s, j, sampleClients, s.clients) }},
		{"clients-empty", func(s *screen, j bool) error { return either(s, j, []status.Client{}, s.clients) }},
		{"blocked", func(s *screen, j bool) error { return either(s, j, sampleBlocked, s.blocked) }},
		{"known", func(s *screen, j bool) error { return either(s, j, sampleKnown, s.known) }},
		{"known-empty", func(s *screen, j bool) error { return either(s, j, []status.Client{}, s.known) }},
		{"attempts", func(s *screen, j bool) error { return either(s, j, sampleAttempts, s.attempts) }},
		{"attempts-empty", func(s *screen, j bool) error { return either(s, j, []status.Attempt{}, s.attempts) }},
		{"checks", func(s *screen, j bool) error { return either(s, j, sampleChecks, s.checks) }},
		{"checks-empty", func(s *screen, j bool) error { return either(s, j, []status.Check{}, s.checks) }},
	} {
		for ext, asJSON := range map[string]bool{".txt": false, ".json": true} {
			t.Run(c.name+ext, func(t *testing.T) {
				var buf bytes.Buffer
				if err := c.print(plainScreen(&buf), asJSON); err != nil {
					t.Fatal(err)
				}
				for _, r := range buf.String() {
					if r != '\n' && status.Unprintable(r) {
						t.Errorf("a terminal gets %U", r)
					}
				}
				if asJSON && bytes.Contains(buf.Bytes(), []byte("null")) {
					t.Error("null is printed")
				}
				golden := filepath.Join("testdata", c.name+ext)
				if *update {
					os.MkdirAll("testdata", 0o755)
					os.WriteFile(golden, buf.Bytes(), 0o644)
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), buf.Bytes()) {
					t.Errorf("got\n%swant\n%s", &buf, want)
				}
			})
		}
	}
}

// What is escaped for the terminal's sake is unchanged for a script.
func TestPrintedJSONMeansTheSame(t *testing.T) {
	var buf bytes.Buffer
	if err := plainScreen(&buf).events(sampleEvents, true); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&buf)
	for _, want := range sampleEvents {
		var got status.Event
		if err := dec.Decode(&got); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestRelative(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"just now": -59 * time.Second, "1 min ago": -time.Minute, "59 min ago": -time.Hour + 1, "47 h ago": -48*time.Hour + 1,
		"2 days ago": -48 * time.Hour, "within a minute": time.Second, "in 5 min": 5*time.Minute + 1, "in 30 days": 720 * time.Hour,
	} {
		if got := plainScreen(nil).relative(noon.Add(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestPrintAccess(t *testing.T) {
	for list, want := range map[*[]status.Entry]string{
		{{Server: "files", Kind: "tool", Name: "read_file", As: "files_read_file", ReadOnly: true}, {Server: "files", Kind: "tool", Name: "write_file", As: "files_write_file", Ask: true, Held: true}}: "SERVER  KIND  NAME        AS\nfiles   tool  read_file   files_read_file   only reads\nfiles   tool  write_file  files_write_file  asks the owner, held back\n",
		{}: "Nothing: no [[access.rule]] in config.toml allows this person anything.\n",
	} {
		var out strings.Builder
		if err := plainScreen(&out).access(*list); err != nil || out.String() != want {
			t.Errorf("printed\n%s, %v", out.String(), err)
		}
	}
}
