package tray

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// A thousand changes a second are drawn four times a second, and the last of
// them is drawn.
func TestBurst(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		const seconds = 10
		for i := range 1000 * seconds {
			s.set(func(snap *status.Snapshot) { snap.Status.Version = fmt.Sprint(i) })
			time.Sleep(time.Millisecond)
		}
		if n := len(s.look().drawn); n < 4*seconds-2 || n > 4*seconds+2 {
			t.Errorf("drawn %d times in %d s", n, seconds)
		}
		time.Sleep(pace)
		synctest.Wait()
		if !s.shows("Drawbridge 9999") {
			t.Errorf("the last change is not shown:\n%s", s.last())
		}
	})
}

// One change after a quiet time is drawn at once.
func TestChangeIsDrawnAtOnce(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		time.Sleep(time.Second)
		n := len(s.look().drawn)
		s.set(func(snap *status.Snapshot) { snap.Status.State = status.Paused })
		synctest.Wait()
		if len(s.look().drawn) != n+1 || !s.shows("Resume") {
			t.Errorf("drawn %d times:\n%s", len(s.look().drawn)-n, s.last())
		}
	})
}

func TestTimesAge(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		s.set(func(snap *status.Snapshot) {
			snap.Sessions = []status.Session{{ID: "s1", User: status.User{Email: "ana@example.com"}, LastUsedAt: time.Now(), CreatedAt: time.Now(), Requests: 1}}
		})
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if !s.shows("used 5 minutes ago") && !s.shows("used 4 minutes ago") {
			t.Errorf("after five minutes:\n%s", s.last())
		}
		time.Sleep(30 * time.Second)
		n := len(s.look().drawn)
		s.opened <- struct{}{}
		synctest.Wait()
		if len(s.look().drawn) != n+1 {
			t.Error("opening the menu draws nothing")
		}
	})
}

// What a click does in each state.
func TestClicks(t *testing.T) {
	two := ready()
	two.Sessions = []status.Session{ana("s1", 0), ana("s2", time.Hour)}
	paused, locked := ready(), ready()
	paused.Status.State = status.Paused
	locked.Status.State, locked.Status.Error = status.Error, "the keychain is locked"
	down, nowhere := ready(), ready()
	down.Status.Tunnel.State = "down"
	nowhere.Status.MCPURL = ""
	noticed, asked := ready(), ready()
	noticed.Status.Notes = []string{"a notice", "another"}
	asked.Approvals = []status.Approval{{ID: "a1"}}
	kept := ready()
	kept.Blocked = []status.Block{{ID: "b1", User: status.User{Sub: "u3"}, Client: "Claude for Acme"}}
	const mcp, place = "https://name.ngrok.app/mcp", "http://127.0.0.1:40123"
	console := place + "/#once=o"
	for name, c := range map[string]struct {
		snap                  status.Snapshot
		click                 action
		did, copied, openedAt string
	}{
		"Retry without a key":       {locked, action{kind: retry}, "retry", "", ""},
		"Retry without a tunnel":    {down, action{kind: retry}, "retry", "", ""},
		"the notices":               {noticed, action{kind: readNotices, page: "/"}, "", "", console},
		"a row that does nothing":   {two, action{}, "", "", ""},
		"Allow":                     {asked, action{kind: allowCall, id: "a1"}, "allow a1", "", ""},
		"Refuse":                    {asked, action{kind: refuseCall, id: "a1"}, "refuse a1", "", ""},
		"Allow, too late":           {asked, action{kind: allowCall, id: "a0"}, "", "", ""},
		"Copy without an address":   {nowhere, action{kind: copyURL}, "", "", ""},
		"Cursor without an address": {nowhere, action{kind: connect, slot: 3}, "", "", ""},
		"Copy":                      {two, action{kind: copyURL}, "", mcp, ""},
		"Claude":                    {two, action{kind: connect, slot: 0}, "", mcp, "https://claude.ai/settings/connectors"},
		"Claude Code":               {two, action{kind: connect, slot: 1}, "", "claude mcp add --scope user --transport http drawbridge " + mcp, ""},
		"ChatGPT":                   {two, action{kind: connect, slot: 2}, "", mcp, "https://chatgpt.com/#settings/Connectors"},
		"Cursor":                    {two, action{kind: connect, slot: 3}, "", "", "cursor://anysphere.cursor-deeplink/mcp/install?config=eyJ1cmwiOiJodHRwczovL25hbWUubmdyb2suYXBwL21jcCJ9&name=drawbridge"},
		"VS Code":                   {two, action{kind: connect, slot: 4}, "", "", "vscode:mcp/install?%7B%22name%22:%22drawbridge%22%2C%22type%22:%22http%22%2C%22url%22:%22https:%2F%2Fname.ngrok.app%2Fmcp%22%7D"},
		"Gemini CLI":                {two, action{kind: connect, slot: 5}, "", "gemini mcp add --scope user --transport http drawbridge " + mcp, ""},
		"Details":                   {two, action{kind: openConsole, page: "/sessions"}, "", "", place + "/sessions#once=o"},
		"Revoke":                    {two, action{kind: revokeSlot, slot: 1}, "revoke s2", "", ""},
		"Unblock":                   {kept, action{kind: unblockSlot, slot: sessionSlots}, "unblock b1", "", ""},
		"Unblock of an empty row":   {kept, action{kind: unblockSlot, slot: sessionSlots + 1}, "", "", ""},
		"Revoke of an empty row":    {two, action{kind: revokeSlot, slot: 7}, "", "", ""},
		"Revoke in a notification":  {two, action{kind: revokeID, id: "s1"}, "revoke s1", "", ""},
		"Revoke in one gone stale":  {two, action{kind: revokeID, id: "s0"}, "", "", ""},
		"Revoke all":                {two, action{kind: revokeAll}, "revoke all", "", ""},
		"Pause":                     {two, action{kind: togglePause}, "pause", "", ""},
		"Resume":                    {paused, action{kind: togglePause}, "resume", "", ""},
		"Open console":              {two, action{kind: openConsole, page: "/"}, "", "", console},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, c.snap, func(t *testing.T, s *stage) {
				s.press(c.click)
				if got := s.server.done(); got != c.did {
					t.Errorf("the server was told %q, want %q", got, c.did)
				}
				if got := strings.Join(s.look().opened, ","); s.look().copied != c.copied || got != c.openedAt {
					t.Errorf("copied %q, opened %q", s.look().copied, got)
				}
				if s.shows("✓ Copied") != (c.copied != "") {
					t.Errorf("confirmed:\n%s", s.last())
				}
				time.Sleep(4 * time.Second)
				synctest.Wait()
				if s.shows("✓ Copied") || s.shows("notice") {
					t.Errorf("this stays:\n%s", s.last())
				}
			})
		})
	}
}

// A row that has just come to stand for another session takes no click.
func TestRowsThatMove(t *testing.T) {
	two := ready()
	two.Sessions = []status.Session{ana("s1", 0), ana("s2", time.Hour)}
	play(t, two, func(t *testing.T, s *stage) {
		time.Sleep(time.Second)
		s.set(func(snap *status.Snapshot) {
			snap.Sessions = []status.Session{ana("s3", 0), ana("s1", 0), ana("s2", 0)}
		})
		synctest.Wait()
		s.press(action{kind: revokeSlot, slot: 0})
		if got := s.done(); got != "" || !strings.Contains(s.titles(), "has just changed") {
			t.Errorf("told %q, notes %q", got, s.titles())
		}
		s.press(action{kind: revokeSlot, slot: 2}) // this row is new: nobody aimed at another here
		time.Sleep(justMoved)
		s.press(action{kind: revokeSlot, slot: 0})
		if got := s.done(); got != "revoke s2, revoke s3" {
			t.Errorf("told %q", got)
		}
	})
}

func TestSwitches(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		s.press(action{kind: toggleQuiet})
		s.press(action{kind: toggleLogin})
		if s.shows("✓ Notifications") || !s.places.login || !s.look().login {
			t.Errorf("after both:\n%s", s.last())
		}
		s.press(action{kind: toggleLogin})
		if s.places.login {
			t.Error("start at login stays on")
		}
		s.press(action{kind: quit})
		if s.quits != 1 {
			t.Errorf("quit %d times", s.quits)
		}
	})
}

func TestFailuresAreSaid(t *testing.T) {
	one := ready()
	one.Sessions = []status.Session{ana("s1", 0)}
	play(t, one, func(t *testing.T, s *stage) {
		s.server.fails = errors.New("the disk is full")
		_ = s.screen.do(func(s *seen) { s.fails = errors.New("install xclip") })
		s.press(action{kind: revokeSlot})
		s.press(action{kind: copyURL})
		s.press(action{kind: openConsole, page: "/"})
		if got := s.titles(); got != "That did not work, Nothing was copied, It could not be opened" {
			t.Errorf("told %q", got)
		}
		if s.shows("✓ Copied") {
			t.Error("a failed copy is confirmed")
		}
	})
}

func TestNotes(t *testing.T) {
	start := ready()
	before := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // the clock of synctest starts with 2000
	start.Events = []status.Event{{ID: "old", Time: before, Type: status.TokenReused, User: "ana@example.com"}}
	first := ana("s1", 0)
	first.CreatedAt = before
	add := func(s *stage, kind, user string) {
		s.set(func(snap *status.Snapshot) {
			snap.Events = append(snap.Events, status.Event{ID: kind + user + time.Now().String(), Time: time.Now(), Type: kind, User: user, Client: hostile, Session: "s1", Reason: "no"})
		})
		time.Sleep(pace)
		synctest.Wait()
	}
	play(t, start, func(t *testing.T, s *stage) {
		if s.titles() != "" {
			t.Errorf("what was there at start is told: %s", s.titles())
		}
		add(s, status.SigninSucceeded, "ana@example.com") // some time before its code is redeemed
		s.set(func(snap *status.Snapshot) { snap.Sessions = []status.Session{first} })
		add(s, status.TokenIssued, "ana@example.com")
		if len(s.look().notes) != 1 || s.look().notes[0].Buttons[0].Does != (action{kind: revokeID, id: "s1"}) || strings.ContainsAny(s.look().notes[0].Body, "\n\u202e\x1b") {
			t.Fatalf("a new client: %+v", s.look().notes)
		}
		second := ana("s2", 0)
		second.CreatedAt = time.Now()
		s.set(func(snap *status.Snapshot) {
			snap.Sessions = []status.Session{second, first}
			snap.Events = append(snap.Events, status.Event{ID: "again", Time: time.Now(), Type: status.TokenIssued, Session: "s2"})
		})
		time.Sleep(pace)
		add(s, status.ToolCalled, "ana@example.com")
		if len(s.look().notes) != 1 {
			t.Errorf("a known client, or a tool call, is told: %s", s.titles())
		}
		for range 50 {
			add(s, status.SigninRefused, "bob@example.com")
		}
		add(s, status.TokenReused, "ana@example.com")
		if got := s.titles(); got != "A new client signed in, A sign-in was refused, A token was used twice" {
			t.Errorf("told %q", got)
		}
		time.Sleep(pause)
		add(s, status.SigninRefused, "bob@example.com")
		if body := s.look().notes[3].Body; !strings.HasSuffix(body, "(and 49 more)") {
			t.Errorf("refusals: %q", body)
		}
		s.press(action{kind: toggleQuiet})
		add(s, status.TokenReused, "ana@example.com")
		if len(s.look().notes) != 4 {
			t.Errorf("told although switched off: %s", s.titles())
		}
	})
}

// A server that fails again and again, and one that changes all its tools at
// once, give a note a minute each.
func TestServerNotes(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		s.set(func(snap *status.Snapshot) {
			for i := range 50 {
				snap.Events = append(snap.Events, status.Event{ID: fmt.Sprint("c", i), Time: time.Now(), Type: status.ServerChanged, Tool: "files/" + hostile, Reason: "The tool is no longer what it was."})
			}
		})
		for i := range 50 {
			s.set(func(snap *status.Snapshot) {
				snap.Events = append(snap.Events, status.Event{ID: fmt.Sprint("f", i), Time: time.Now(), Type: status.ServerFailed, Reason: "files ended"})
			})
			time.Sleep(time.Second)
		}
		if got := s.titles(); got != "A server has changed, A mounted server has failed" {
			t.Fatalf("told %q", got)
		}
		changed, failed := s.look().notes[0], s.look().notes[1]
		if !strings.HasSuffix(changed.Body, "The tool is no longer what it was. (and 49 more)") || strings.ContainsAny(changed.Body, "\n\u202e\x1b") || changed.Page != "/servers" {
			t.Errorf("told %+v", changed)
		}
		if failed.Body != "files ended" || failed.Page != "/servers" {
			t.Errorf("told %+v", failed)
		}
		time.Sleep(pause)
		s.set(func(snap *status.Snapshot) {
			snap.Events = append(snap.Events, status.Event{ID: "again", Time: time.Now(), Type: status.ServerFailed, Reason: "files ended"})
		})
		synctest.Wait()
		if body := s.look().notes[2].Body; !strings.HasSuffix(body, "(and 49 more)") {
			t.Errorf("a minute later: %q", body)
		}
	})
}

// A server that waits for its owner's sign-in has a note of its own, and a click
// on it leads there; one that fails in the same minute has its own, too.
func TestSignInNotes(t *testing.T) {
	snap := ready()
	snap.Status.Servers = []status.Server{{Name: "notes", State: "failed", SignIn: status.SignIn{State: status.SignInNeeded}}, {Name: "mail", State: "failed", SignIn: status.SignIn{State: status.SignInAgain}}}
	play(t, snap, func(t *testing.T, s *stage) {
		fails := func(reasons ...string) {
			s.set(func(snap *status.Snapshot) {
				for _, reason := range reasons {
					snap.Events = append(snap.Events, status.Event{ID: reason, Time: time.Now(), Type: status.ServerFailed, Reason: reason})
				}
			})
			time.Sleep(pace)
			synctest.Wait()
		}
		fails("notes needs a sign-in of its own. Sign in under Servers in the console, or with `drawbridge server sign-in notes`.", "files ended")
		if got := s.titles(); got != "A server needs your sign-in, A mounted server has failed" {
			t.Fatalf("told %q", got)
		}
		if got := s.look().notes[0]; got.Body != "Nobody can use notes until you sign in there." || got.Page != "/servers?server=notes" || got.Otherwise != "Sign in from Drawbridge’s menu." {
			t.Errorf("told %+v", got)
		}
		time.Sleep(pause)
		fails("notes needs a sign-in of its own.", "mail no longer accepts its sign-in.")
		if got := s.look().notes[2]; got.Body != "Nobody can use mail until you sign in there. (and 1 more)" || got.Page != "/servers" {
			t.Errorf("told %+v", got)
		}
	})
}

// A tunnel that stumbles is no news; one that is away for a minute is, and its
// return.
func TestTunnelNotes(t *testing.T) {
	play(t, ready(), func(t *testing.T, s *stage) {
		state := func(state string) {
			s.set(func(snap *status.Snapshot) { snap.Status.Tunnel.State = state })
			time.Sleep(pace)
			synctest.Wait()
		}
		state("down")
		time.Sleep(50 * time.Second)
		state("up")
		time.Sleep(5 * time.Minute)
		if s.titles() != "" {
			t.Errorf("a short loss is told: %s", s.titles())
		}
		state("down")
		time.Sleep(30 * time.Second)
		state("connecting")
		time.Sleep(29 * time.Second)
		if s.titles() != "" {
			t.Errorf("told before the minute was over: %s", s.titles())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.titles(); got != "The tunnel is down" {
			t.Errorf("after a minute: %q", got)
		}
		time.Sleep(time.Hour)
		state("up")
		if got := s.titles(); got != "The tunnel is down, The tunnel is back" {
			t.Errorf("at the end: %q", got)
		}
	})
}
