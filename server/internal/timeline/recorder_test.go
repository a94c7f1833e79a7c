package timeline

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// from takes facts in as seen at an address, by a program.
func (r *rig) from(remote, agent string, f Facts) {
	r.now = r.now.Add(time.Millisecond)
	r.record(seen{Facts: f, at: r.now, remote: remote, agent: agent})
}

// keys are the verdicts of all attempts, newest first.
func (r *rig) keys() string {
	var keys []string
	for _, a := range r.Attempts() {
		keys = append(keys, a.VerdictKey)
	}
	return strings.Join(keys, " ")
}

// A whole sign-in is one attempt, although its requests come from several
// addresses.
func TestOneAttempt(t *testing.T) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	list := r.Attempts()
	if len(list) != 1 || len(list[0].Steps) != len(goodSteps) {
		t.Fatalf("%d attempts: %s", len(list), r.keys())
	}
	a := list[0]
	if a.Client != "Claude" || a.User != "ana@example.com" || a.Session != "s1" || a.Remote != "160.79.104.10" || a.Agent != "Claude-User/1.0" {
		t.Errorf("it is of %+v", a)
	}
}

// A client with a metadata document has no request of its own between looking
// around and the person's browser.
func TestAdoption(t *testing.T) {
	for _, c := range []struct {
		name, looks, id string
		strangers       int
		attempts        int
	}{
		{"at the same address", "203.0.113.7", "https://vscode.dev/oauth/client-metadata.json", 3, 4},
		{"from the cloud its id names", "160.79.107.1", "https://claude.ai/oauth/claude-code-client-metadata", 3, 4},
		{"the only one that looked", "198.51.100.1", "https://chatgpt.com/oauth/1/client.json", 0, 1},
		{"one of several", "198.51.100.1", "https://chatgpt.com/oauth/1/client.json", 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			r.from(c.looks, "x", Facts{What: Challenged})
			r.from(c.looks, "x", Facts{What: Metadata})
			for i := range c.strangers {
				r.from(fmt.Sprintf("192.0.2.%d", i), "y", Facts{What: Metadata})
			}
			r.see(Facts{What: Authorized, ClientID: c.id, Flow: "f", Client: "X"})
			if got := len(r.Attempts()); got != c.attempts {
				t.Errorf("%d attempts, want %d: %s", got, c.attempts, r.keys())
			}
		})
	}
}

// Two sign-ins of one published client id, at the same time, stay apart.
func TestTwoAtOnce(t *testing.T) {
	r := newRig()
	const id = "https://claude.ai/oauth/claude-code-client-metadata"
	for _, n := range []string{"1", "2"} {
		r.from("203.0.113."+n, "Mozilla", Facts{What: Authorized, ClientID: id, Flow: "f" + n, Client: "Claude"})
		r.from("203.0.113."+n, "Mozilla", Facts{What: ConsentShown, Flow: "f" + n})
	}
	for _, n := range []string{"2", "1"} {
		r.from("203.0.113."+n, "Mozilla", Facts{What: ProviderDone, Flow: "f" + n, Session: "s" + n, User: n + "@example.com"})
	}
	for _, n := range []string{"1", "2"} {
		r.from("160.79.104.10", "Claude", Facts{What: Issued, ClientID: id, Session: "s" + n})
	}
	r.from("160.79.104.11", "Claude", Facts{What: Called, Session: "s2"})
	if got := r.keys(); got != "connected.first call.awaited" {
		t.Errorf("they come to %s", got)
	}
	if a := r.Attempts()[0]; a.User != "2@example.com" {
		t.Errorf("connected is %s", a.User)
	}
}

// Somebody who knows a client's published id can't spoil the verdict on others.
func TestStrangersWithAPublicID(t *testing.T) {
	r := newRig()
	const id = "https://claude.ai/oauth/claude-code-client-metadata"
	r.see(Facts{What: Authorized, ClientID: id, Flow: "f", Client: "Claude"})
	r.see(Facts{What: ConsentShown, Flow: "f"})
	r.from("192.0.2.66", "evil", Facts{What: TokenUnknown, ClientID: id})
	r.from("192.0.2.66", "evil", Facts{What: AuthorizeOther, ClientID: id, Host: "evil.example"})
	list := r.Attempts()
	if last := list[len(list)-1]; last.VerdictKey != "consent.awaited" || len(last.Steps) != 2 {
		t.Errorf("it comes to %s by %+v", last.VerdictKey, last.Steps)
	}
}

// A library that looks around again before each request to the token endpoint
// begins no attempt by it.
func TestLooksAgainBeforeRefresh(t *testing.T) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	r.now = r.now.Add(time.Hour)
	r.see(Facts{What: CallExpired, Session: "s1"})
	r.see(Facts{What: Resource})
	r.see(Facts{What: Metadata})
	r.see(Facts{What: Refreshed, ClientID: "c1", Session: "s1"})
	if got := r.keys(); got != "connected" {
		t.Errorf("it comes to %s", got)
	}
}

// Trying again is an attempt of its own; what the first came to stays.
func TestTryAgain(t *testing.T) {
	r := newRig()
	for _, f := range upTo(ConsentShown, Facts{What: ConsentDenied, Flow: "f1"}) {
		r.see(f)
	}
	r.see(Facts{What: Authorized, ClientID: "c1", Client: "Claude", Flow: "f2"})
	if got := r.keys(); got != "consent.opening consent.denied" {
		t.Errorf("come to %s", got)
	}
	r.see(Facts{What: ClientUnknown, ClientID: "other"})
	r.see(Facts{What: Registered, ClientID: "new", Client: "Claude"})
	if got := r.keys(); got != "browser.awaited consent.opening consent.denied" {
		t.Errorf("come to %s", got)
	}
}

// Drawbridge looking at itself from outside is no client.
func TestOwnLook(t *testing.T) {
	r := newRig()
	req := httptest.NewRequest("GET", "/.well-known/oauth-protected-resource/mcp", nil)
	req.Header.Set("Drawbridge-Check", "x")
	r.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), req)
	if got := r.keys(); got != "" {
		t.Errorf("came to %s", got)
	}
}

// Parts of one program call themselves differently.
func TestOneProgramTwoNames(t *testing.T) {
	r := newRig()
	r.from("203.0.113.7", "node", Facts{What: Metadata})
	r.from("203.0.113.8", "node", Facts{What: Metadata})
	r.from("203.0.113.7", "undici", Facts{What: Registered, ClientID: "c"})
	if got := r.keys(); got != "discovery.awaited browser.awaited" {
		t.Errorf("come to %s", got)
	}
}

// What a client is told to do, it can do: in its own words where they are known.
func TestWhatToDoInEachClient(t *testing.T) {
	for _, c := range []struct{ client, agent, says string }{
		{"opencode", "opencode/1.0", "run `opencode mcp auth NAME`"},
		{"", "opencode/1.0", "run `opencode mcp auth NAME`"},
		{"Gemini CLI MCP Client", "node", "type /mcp auth NAME in Gemini CLI"},
		{"Claude Code (drawbridge)", "claude-code/2.1", "type /mcp in Claude Code"},
		{"Codex", "codex_cli_rs/0.9", "run `codex mcp login NAME`"},
		{"Cursor", "Cursor/1", "Cursor's settings"},
		{"Visual Studio Code", "node", "MCP: List Servers"},
		{"ChatGPT", "", "ChatGPT's settings"},
		{"Claude", "Claude-User", "Claude's settings"},
		{"Something else", "x", "connect again from the client"},
	} {
		for _, ends := range []Facts{{What: SessionEnded, Session: "s", Reason: "revoked by the owner"}, {What: CallEnded, Session: "s"}, {What: RefreshEnded, Session: "s"}, {What: RefreshExpired, Session: "s"}} {
			r := newRig()
			for _, f := range []Facts{{What: Issued, ClientID: "c", Session: "s", Client: c.client}, {What: Called, Session: "s", Client: c.client, User: "ana@example.com"}, ends} {
				r.from("192.0.2.1", c.agent, f)
			}
			if a := r.Attempts()[0]; !strings.Contains(a.Verdict, c.says) || !strings.Contains(strings.ToLower(a.Verdict), "sign in again") {
				t.Errorf("%s, %s, after %s: %s", c.client, c.agent, ends.What, a.Verdict)
			}
			r.from("192.0.2.1", c.agent, Facts{What: Challenged, Path: "/mcp"})
			r.from("192.0.2.1", c.agent, Facts{What: Metadata})
			if a := r.Attempts()[0]; a.Outcome != "refused" || !strings.Contains(a.Verdict, c.says) {
				t.Errorf("%s, looking around after %s: %s %s", c.client, ends.What, a.Outcome, a.Verdict)
			}
		}
	}
}

// A client that probes, and waits for a person, leaves nothing behind once it is
// connected; what was refused, and what others tried, stays.
func TestProbesAreFolded(t *testing.T) {
	const here, agent = "192.0.2.1", "opencode/1.0"
	sign := func(r *rig) {
		for _, f := range goodSteps {
			r.from(here, agent, f)
		}
	}
	for _, c := range []struct {
		name   string
		before func(*rig)
		after  string // verdicts beside the success
	}{
		{"looked around an hour ago", func(r *rig) {
			r.from(here, agent, Facts{What: Challenged, Path: "/mcp"})
			r.from(here, agent, Facts{What: Metadata})
			r.now = r.now.Add(time.Hour)
		}, ""},
		{"tried SSE and old paths", func(r *rig) {
			r.from(here, agent, Facts{What: AtSSE, Path: "/sse"})
			r.from(here, agent, Facts{What: Guessed, Path: "/authorize/"})
			r.now = r.now.Add(time.Hour)
		}, ""},
		{"another part of the program a moment ago", func(r *rig) {
			r.from(here, "undici", Facts{What: AtSSE, Path: "/sse"})
			r.now = r.now.Add(5 * time.Second)
		}, ""},
		{"registered at start, and nobody came", func(r *rig) {
			r.from(here, agent, Facts{What: Registered, ClientID: "c0", Client: "Claude"})
			r.now = r.now.Add(time.Hour)
		}, ""},
		{"its session was over", func(r *rig) {
			sign(r)
			r.Ended("s1", "revoked by the owner")
			r.from(here, agent, Facts{What: Challenged})
			r.from(here, agent, Facts{What: RegisterNone})
			r.now = r.now.Add(time.Hour)
			r.from(here, agent, Facts{What: Challenged})
			r.now = r.now.Add(time.Hour)
			for _, f := range goodSteps {
				f.Session, f.Flow, f.ClientID = f.Session+"b", f.Flow+"b", f.ClientID+"b"
				if f.Session == "b" {
					f.Session = ""
				}
				if f.Flow == "b" {
					f.Flow = ""
				}
				if f.ClientID == "b" {
					f.ClientID = ""
				}
				r.from(here, agent, f)
			}
		}, "over"},
		{"a redirect URI was refused", func(r *rig) {
			r.from(here, agent, Facts{What: RegisterRedirect, Host: "evil.example"})
			r.now = r.now.Add(time.Hour)
		}, "redirect.list"},
		{"another program", func(r *rig) {
			r.from(here, "other/1", Facts{What: AtSSE, Path: "/sse"})
			r.now = r.now.Add(time.Hour)
		}, "path.sse"},
		{"another address", func(r *rig) {
			r.from("192.0.2.2", agent, Facts{What: AtSSE, Path: "/sse"})
		}, "path.sse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			c.before(r)
			if !strings.Contains(r.keys(), "connected.first") || c.after != "over" {
				sign(r)
			}
			if got := strings.Join(strings.Fields(strings.ReplaceAll(r.keys(), "connected.first", "")), " "); got != c.after {
				t.Errorf("beside the success: %q, want %q", got, c.after)
			}
		})
	}
}
