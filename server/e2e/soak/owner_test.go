//go:build linux

package soak

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// enter opens the console by a link that works once.
func (s *soak) enter(t testing.TB) (token string) {
	ctl := s.Control(t)
	defer ctl.Close()
	link, err := ctl.ConsoleLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, once, _ := strings.Cut(link, "#once=")
	s.secrets.keep("console's code", once)
	r := rig.ReadControlFile(t, s.App).Send(t, "POST", "/session", `{"once":"`+once+`"}`)
	var answer struct{ Token string }
	r.JSON(t, &answer)
	if answer.Token == "" {
		t.Fatalf("the console gives no token: %d", r.Status)
	}
	s.secrets.keep("console's token", answer.Token)
	return answer.Token
}

func (s *soak) consoleSend(t testing.TB, token, method, path, form string) *rig.Reply {
	return rig.ReadControlFile(t, s.App).Send(t, method, path, form, "Authorization", "Bearer "+token, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
}

// consolePages is what a token gets to see.
var consolePages = []string{"/", "/sessions", "/activity", "/activity/events.jsonl", "/servers", "/approvals", "/doctor", "/setup", "/panic", "/nothing"}

// console is the owner at the console: pages, and streams that are left in many
// ways.
func (s *soak) console(t testing.TB) {
	token := s.enter(t)
	for range 3 {
		path := consolePages[rand.N(len(consolePages))]
		if r := s.consoleSend(t, token, "GET", path, ""); r.Status >= 500 || r.Status == http.StatusUnauthorized {
			t.Fatalf("%s answers %d", path, r.Status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", rig.ReadControlFile(t, s.App).URL+[]string{"/", "/sessions", "/activity", "/servers"}[rand.N(4)], nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/x-ndjson")
	s.hold(t, r, 200*time.Millisecond+rand.N(3*time.Second))
}

// follow is what programs of the owner ask.
func (s *soak) follow(t testing.TB) {
	ctl := s.Control(t)
	defer ctl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), rand.N(2*time.Second))
	defer cancel()
	if err := ctl.Follow(ctx, func(status.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl.Attempts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl.Logs(t.Context(), "files"); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl.Access(t.Context(), "alice@example.com", nil); err != nil {
		t.Fatal(err)
	}
}

// edit saves a changed configuration, and the first one again after a while.
func (s *soak) edit(t testing.TB, change func(*config.Config)) {
	s.editing.Lock()
	defer s.editing.Unlock()
	cfg := s.Config
	if err := rig.SaveConfig(s.file, cfg); err != nil {
		t.Fatal(err)
	}
	change(&cfg)
	if err := rig.SaveConfig(s.file, cfg); err != nil {
		t.Fatal(err)
	}
	s.rest(2 * time.Second)
	if err := rig.SaveConfig(s.file, s.Config); err != nil {
		t.Fatal(err)
	}
}

func (s *soak) editTools(t testing.TB) {
	s.edit(t, func(c *config.Config) { c.Tools.Add = false })
}

func (s *soak) editRules(t testing.TB) {
	s.edit(t, func(c *config.Config) {
		c.Access.Rules = []config.Rule{{Emails: []string{"alice@example.com"}, Servers: []string{"files"}}}
	})
}

// editServers takes the HTTP server away and gives it back, in its file or by
// the console's switch.
func (s *soak) editServers(t testing.TB) {
	s.editing.Lock()
	defer s.editing.Unlock()
	if rand.N(2) == 0 {
		rig.WriteServers(t, s.file, map[string]rig.MCPServer{"files": s.servers["files"]})
		s.rest(2 * time.Second)
		rig.WriteServers(t, s.file, s.servers)
		return
	}
	token := s.enter(t)
	for _, verb := range []string{"off", "on"} {
		if r := s.consoleSend(t, token, "POST", "/servers/"+verb, url.Values{"name": {"web"}}.Encode()); r.Status != http.StatusOK {
			t.Errorf("switched %s: %d", verb, r.Status)
		}
		s.rest(2 * time.Second)
	}
}

// crash has the stdio server end in the middle of a call.
func (s *soak) crash(t testing.TB) {
	client := s.pool[0][0]
	g := s.began(client)
	tokens := s.SignIn(t, s.browser(t), client, "alice")
	s.keepTokens(tokens)
	s.is(g, "live")
	m := s.MCP(t, tokens.Access)
	m.Modern = true
	if r := m.TryTool("files__test_crash", map[string]any{}); !strings.Contains(r.Body, "files") {
		t.Errorf("the crash is answered %d %s", r.Status, rig.Clip(r.Body))
	}
	s.is(g, "doubt")
	if r := s.Revoke(t, client, tokens.Access); r.Status == http.StatusOK {
		s.is(g, "over")
	}
	s.rest(2 * time.Second)
	s.try("server restarted", func(t testing.TB) { // else it would be left alone for longer and longer
		if r := s.consoleSend(t, s.enter(t), "POST", "/servers/restart", "name=files"); r.Status != http.StatusOK {
			t.Errorf("restarted: %d", r.Status)
		}
	})
}

// dropTunnel breaks the tunnel, which comes back by itself.
func (s *soak) dropTunnel(t testing.TB) {
	s.edge.Drop()
	for range 200 {
		if !s.rest(100 * time.Millisecond) {
			return
		}
		if s.edge.Online(s.edge.Domain()) {
			return
		}
	}
	t.Error("the tunnel did not come back within twenty seconds")
}

func (s *soak) provideNothing(testing.TB) {
	s.idp.Down(true)
	defer s.idp.Down(false)
	s.rest(2 * time.Second)
}

// strangers register and are refused.
func (s *soak) strangers(t testing.TB) {
	s.Register(t, rig.ClientURI)
	if r := s.PostJSON(t, "/register", map[string]any{"redirect_uris": []string{rig.EvilURI}}); r.Status != http.StatusBadRequest {
		t.Errorf("a registration of an address that is not allowed: %d", r.Status)
	}
	if !s.inside { // a document on loopback, which the program does not fetch
		s.browser(t).Open(s.NewAuthRequest(s.cimd.Client()).URL(s.App))
	}
}

// rude sends secrets where they don't belong.
func (s *soak) rude(t testing.TB) {
	s.mu.Lock()
	misplaced := s.stray
	s.mu.Unlock()
	client := s.pool[0][0]
	form := "application/x-www-form-urlencoded"
	s.Do(t, "POST", "/token", strings.NewReader("grant_type=refresh_token&client_id=x&refresh_token="+misplaced), "Content-Type", form)
	s.Do(t, "POST", "/token", strings.NewReader("grant_type="+misplaced), "Content-Type", form, "Authorization", "Basic "+misplaced)
	s.Do(t, "GET", "/auth/callback?code="+misplaced+"&state="+misplaced, nil, "Accept", "text/html")
	s.Do(t, "POST", "/mcp?access_token="+misplaced, strings.NewReader("{}"), "Content-Type", "application/json")
	s.Do(t, "GET", "/"+misplaced, nil)
	s.Do(t, "POST", "/mcp", nil, "Authorization", "Bearer "+misplaced+"x")
	wrong := s.NewAuthRequest(client)
	wrong.Values.Set("redirect_uri", rig.EvilURI+"?"+misplaced)
	s.browser(t).Open(wrong.URL(s.App))
}
