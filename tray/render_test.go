package tray

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

var english, japanese = assets.TextsFor("en"), assets.TextsFor("ja")

var noon = time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)

func ana(id string, used time.Duration) status.Session {
	return status.Session{ID: id, User: status.User{Sub: "u1", Email: "ana@example.com"},
		Client:    status.SessionClient{ID: "c1", Name: "Claude", Kind: "cimd", RedirectHost: "claude.ai"},
		CreatedAt: noon.Add(-3 * time.Hour), LastUsedAt: noon.Add(-used), ExpiresAt: noon.Add(29 * 24 * time.Hour), Requests: 17, LastTool: "echo"}
}

func event(kind string, ago time.Duration, user, client, reason string) status.Event {
	return status.Event{ID: kind + ago.String(), Time: noon.Add(-ago), Type: kind, User: user, Client: client, Session: "s1", Reason: reason}
}

func ready() status.Snapshot {
	return status.Snapshot{Status: status.Status{State: status.Ready, Version: "v1.2.3", PID: 123, MCPURL: "https://name.ngrok.app/mcp",
		LocalURL: "http://127.0.0.1:8000", ConsoleURL: "http://127.0.0.1:40123/#key=k",
		Tunnel: status.Tunnel{State: "up", URL: "https://name.ngrok.app"}, IDP: status.IDP{State: status.IDPOK, Issuer: "https://dev-1.okta.com"}}}
}

const hostile = "Cla\u202eude\x1b[2J\n<b>&_·● Ready, 0 sessions · used never\u200b\u3164 $(touch /tmp/x) z\u0301\u0301\u0301\u0301\u0301"

// The menu in words, for each state that a person can meet.
func TestRender(t *testing.T) {
	crowd := ready()
	for i := range 25 {
		crowd.Sessions = append(crowd.Sessions, ana(fmt.Sprint("s", i), time.Duration(i)*time.Hour))
		crowd.Events = append(crowd.Events, event(status.SessionRevoked, time.Duration(25-i)*time.Hour, fmt.Sprintf("user%d@example.com", i), "Claude", ""))
	}
	nasty := ready()
	h := ana("s1", 0)
	h.User.Email, h.Label, h.Client.Name, h.Client.RedirectHost, h.LastTool = hostile, hostile, hostile, hostile, hostile
	nasty.Sessions = []status.Session{h}
	nasty.Events = []status.Event{event(status.SigninSucceeded, time.Minute, hostile, hostile, ""), event(status.SigninRefused, 0, hostile, hostile, strings.Repeat(hostile, 9))}
	nasty.Status.Notes = []string{strings.Repeat(hostile, 20)}
	pageless := ready()
	through, machine := ana("s1", 2*time.Minute), ana("s2", time.Hour)
	through.Through, through.Provider, through.Client.Name = status.Enterprise, "Okta", "Claude for Acme"
	machine.Through, machine.User, machine.Client.Name = status.Machine, status.User{Sub: "machine:ci", Name: "ci"}, "ci"
	pageless.Sessions = []status.Session{through, machine}
	for i := range 5 {
		pageless.Blocked = append(pageless.Blocked, status.Block{ID: fmt.Sprint("b", i), User: status.User{Sub: "u3", Email: fmt.Sprintf("user%d@example.com", i)}, Client: "Claude for Acme", Through: status.Enterprise})
	}
	one := ready()
	one.Sessions = []status.Session{ana("s1", 2*time.Minute), {ID: "s2", Label: "laptop", User: status.User{Sub: "u2"}, CreatedAt: noon.Add(-10 * time.Second), LastUsedAt: noon, ExpiresAt: noon.Add(time.Hour)}}
	one.Events = []status.Event{
		event(status.SigninSucceeded, 30*24*time.Hour, "ana@example.com", "Claude", ""),
		event(status.TokenIssued, 5*time.Minute, "ana@example.com", "Claude", ""),
		event(status.SigninRefused, 4*time.Minute, "bob@example.com", "Claude", "bob@example.com is not on the access list"),
		event(status.SigninRefused, 3*time.Minute, "bob@example.com", "Claude", "bob@example.com is not on the access list"),
		event(status.ToolCalled, 2*time.Minute, "ana@example.com", "Claude", "echo"),
		event(status.SigninRefused, 2*time.Minute, "carl@example.com", "Claude", "the provider says no"),
		event(status.TokenReused, time.Minute, "ana@example.com", "Claude", "replay"),
		event(status.ConsentDenied, time.Minute, "", "Cursor", ""),
		event(status.ClientRefused, time.Minute, "", "Cursor", "the redirect URI is not allowed"),
		event(status.TunnelDown, time.Minute, "", "", "ngrok says: session closed"),
		event(status.ProviderLost, time.Minute, "", "", ""),
	}
	calls := ready()
	calls.Approvals = []status.Approval{{ID: "a1", Server: "files", Tool: "write_file"}}
	crowd.Approvals = make([]status.Approval, 32)
	with := func(change func(*status.Status)) status.Snapshot {
		s := ready()
		change(&s.Status)
		return s
	}
	cases := map[string]status.Snapshot{
		"empty":    {},
		"ready":    one,
		"crowd":    crowd,
		"pageless": pageless,
		"hostile":  nasty,
		"asked":    calls,
		"not-set-up": with(func(s *status.Status) {
			*s = status.Status{State: status.Error, Version: s.Version, PID: s.PID, ConsoleURL: s.ConsoleURL, Tunnel: status.Tunnel{State: "off"}, IDP: status.IDP{State: status.IDPMisconfigured},
				Error: "Drawbridge is not set up: there is no configuration yet. Open Setup with `drawbridge console`, or run `drawbridge setup`."}
		}),
		"starting": with(func(s *status.Status) { s.State = status.Starting }),
		"paused":   with(func(s *status.Status) { s.State = status.Paused }),
		"locked": with(func(s *status.Status) {
			s.State, s.Error = status.Error, "the keychain is locked, so data-key could not be read: unlock it, then try again"
		}),
		"unavailable": with(func(s *status.Status) {
			s.State, s.Error = status.Error, "the keychain does not work here, so data-key could not be read (no session bus): start Drawbridge in a desktop session, or use --keystore env with DRAWBRIDGE_DATA_KEY set"
		}),
		"no-provider": with(func(s *status.Status) {
			s.IDP.State, s.IDP.Error = status.IDPUnreachable, "dev-1.okta.com does not answer: check the network"
		}),
		"bad-provider": with(func(s *status.Status) {
			s.IDP.State, s.IDP.Error = status.IDPMisconfigured, "Okta refused the client secret: run `drawbridge setup`"
		}),
		"tunnel-down": with(func(s *status.Status) {
			s.Tunnel = status.Tunnel{State: "down", Error: "ngrok does not answer", NextAttempt: noon.Add(2 * time.Minute)}
		}),
		"tunnel-elsewhere": with(func(s *status.Status) {
			s.Tunnel.Error = "https://name.ngrok.app shows another program: look at what else runs under that address"
		}),
		"tunnel-offers": with(func(s *status.Status) {
			s.Tunnel = status.Tunnel{State: "down", Error: "ngrok now gives another", Offered: "https://other.ngrok.app"}
			s.Notes, s.Servers = []string{"a notice"}, []status.Server{{Name: "files", State: "failed"}}
		}),
		"tunnel-first": with(func(s *status.Status) { s.Tunnel.State, s.MCPURL = "connecting", "" }),
		"tunnel-off":   with(func(s *status.Status) { s.Tunnel = status.Tunnel{State: "off"} }),
		"nobody-allowed": with(func(s *status.Status) {
			s.Notes = []string{"Nobody may sign in: [access] in config.toml is empty. Run `drawbridge setup`, or add an address to emails."}
		}),
		"server-failed": with(func(s *status.Status) {
			s.Servers = []status.Server{{Name: "files", State: "failed", Error: "its program was not found"}}
		}),
		"server-signin": with(func(s *status.Status) {
			s.Servers = []status.Server{{Name: "files", State: "failed"}, {Name: "notes-" + strings.Repeat("long", 20), State: "failed", SignIn: status.SignIn{State: status.SignInNeeded}}}
		}),
		"server-signins": with(func(s *status.Status) {
			s.Servers = []status.Server{{Name: "files", State: "failed", SignIn: status.SignIn{State: status.SignInAgain}}, {Name: "notes", State: "failed", SignIn: status.SignIn{State: status.SignInNeeded}},
				{Name: "ok", State: "ok", SignIn: status.SignIn{State: status.SignInOK}}}
		}),
	}
	for name, snap := range cases {
		t.Run(name, func(t *testing.T) {
			got := painter{english, snap, noon, switches{canLogin: true}}.view().String()
			for _, line := range strings.Split(got, "\n") {
				if n := utf8.RuneCountInString(line); n > 120 {
					t.Errorf("a row of %d characters: %s", n, line)
				}
				if strings.IndexFunc(line, status.Unprintable) >= 0 {
					t.Errorf("a row that moves the cursor: %q", line)
				}
			}
			golden(t, name+".txt", got)
			golden(t, name+".ja.txt", painter{japanese, snap, noon, switches{canLogin: true}}.view().String())
		})
	}
}

// String draws the menu as text: what takes no click in brackets, what is
// checked after a tick.
func (v view) String() string {
	var b strings.Builder
	var draw func(indent string, rows []row)
	draw = func(indent string, rows []row) {
		for _, r := range rows {
			title := r.Title
			switch {
			case title == "":
				continue
			case r.grey:
				title = "(" + title + ")"
			case r.checked:
				title = "✓ " + title
			}
			b.WriteString(indent + title + "\n")
			draw(indent+"  ", r.rows)
		}
	}
	fmt.Fprintf(&b, "[%s] %s\n", v.Icon, v.Tooltip)
	draw("", v.Rows)
	return b.String()
}

// A newer release is one row, which opens its notes.
func TestUpdateRow(t *testing.T) {
	snap := status.Snapshot{Status: status.Status{State: status.Ready, Update: status.Update{Version: "1.2.0", URL: "https://example.com/notes"}}}
	for texts, want := range map[*assets.Texts]string{english: "Drawbridge 1.2.0 is out", japanese: "Drawbridge 1.2.0 が公開されました"} {
		rows := painter{texts, snap, noon, switches{}}.view().Rows
		if !slices.ContainsFunc(rows, func(r row) bool { return r.Title == want && r.does.kind == openNotes }) {
			t.Errorf("no row %q", want)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./tray -update writes it anew):\n%s", file, got)
	}
}

func TestEscape(t *testing.T) {
	for system, want := range map[string]string{"linux": "a__b & c", "windows": "a_b && c", "darwin": "a_b & c"} {
		if got := escape("a_b & c", system); got != want {
			t.Errorf("%s: %q, want %q", system, got, want)
		}
	}
}

// What outsiders choose stays one short row, whatever it is.
func FuzzField(f *testing.F) {
	f.Add(hostile, 20)
	f.Fuzz(func(t *testing.T, s string, max int) {
		max = max&0x3f + 1
		got := field(s, max)
		if utf8.RuneCountInString(got) > max || strings.ContainsAny(got, "·●\n\t") || strings.IndexFunc(got, status.Unprintable) >= 0 {
			t.Errorf("field(%q, %d) = %q", s, max, got)
		}
	})
}
