//go:build linux

package soak

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// soakGrant is what the model knows of one sign-in.
type soakGrant struct {
	client string
	state  string // "live", "over", or "doubt": an answer was lost
	used   time.Time
}

func (s *soak) began(c rig.Client) *soakGrant {
	g := &soakGrant{client: c.ID, state: "doubt", used: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants = append(s.grants, g)
	return g
}

func (s *soak) is(g *soakGrant, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.state, g.used = state, time.Now()
}

// visit is a person's whole story with one client, from a sign-in to its end or
// until they lose interest.
func (s *soak) visit(t testing.TB, n int) {
	client := s.pool[n][rand.N(len(s.pool[n]))]
	b, req := s.browser(t), s.NewAuthRequest(client)
	s.secrets.keep("verifier", req.Verifier)
	s.secrets.keep("client's state", req.Values.Get("state"))
	defer s.trail(b)
	if rand.N(6) == 0 {
		s.try("consent denied", func(t testing.TB) {
			b.T = t
			if q := b.Deny(req.URL(s.App), client.RedirectURI).Query(); q.Get("error") != "access_denied" {
				t.Fatalf("denied, the client hears %q", q.Get("error"))
			}
		})
		return
	}
	code := s.Code(t, b, req, []string{"alice", "bob"}[n%2])
	s.secrets.keep("browser's code", code)
	g := s.began(client)
	tokens := s.MustTokens(t, s.Redeem(t, req, code))
	s.is(g, "live")
	s.keepTokens(tokens)
	s.try("signed in as "+clientKind(client), func(testing.TB) {})
	s.call(tokens, n)
	s.listen(t, tokens)
	for range rand.N(3) {
		tokens = s.refresh(t, client, tokens, g)
		s.call(tokens, n)
	}
	s.end(t, client, tokens, g)
}

func clientKind(c rig.Client) string {
	if strings.HasPrefix(c.ID, "https://") {
		return "a metadata document"
	}
	return "a registered client"
}

func (s *soak) keepTokens(tokens rig.Tokens) {
	s.secrets.keep("token", tokens.Access, tokens.Refresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stray = tokens.Refresh
}

// trail notes what a browser has seen.
func (s *soak) trail(b *rig.Browser) {
	for _, u := range b.Trail {
		for _, name := range []string{"code", "state", "nonce", "flow"} {
			s.secrets.keep("browser's "+name, u.Query()[name]...)
		}
	}
	for _, c := range b.Cookies(s.URL) {
		s.secrets.keep("cookie "+c.Name, c.Value)
	}
}

// call uses tools of ours and of both servers, in either era.
func (s *soak) call(tokens rig.Tokens, n int) {
	m := s.MCP(nil, tokens.Access)
	m.Modern = rand.N(2) == 0
	era := map[bool]string{false: " " + rig.LegacyVersion, true: " " + rig.ModernVersion}[m.Modern]
	for name, args := range map[string]map[string]any{
		"echo": {"message": "hello"}, "add": {"a": 1, "b": 2}, "whoami": {},
		"files__test_simple_text": {}, "web__test_simple_text": {}, "web__test_error_handling": {},
	} {
		s.try("call "+name+era, func(t testing.TB) {
			m.T = t
			r := m.TryTool(name, args)
			if r.Status != http.StatusOK || r.Code != 0 {
				t.Fatalf("%s answered %d, code %d: %s", name, r.Status, r.Code, rig.Clip(r.Body))
			}
		})
	}
	if m.Session != "" && n%2 == 0 {
		s.try("transport session ended", func(t testing.TB) {
			m.T = t
			s.hold(t, m.Request(http.MethodDelete, nil), 0)
		})
	}
}

// listen opens a stream of notifications, in either era, and hangs up.
func (s *soak) listen(t testing.TB, tokens rig.Tokens) {
	m := s.MCP(t, tokens.Access)
	if rand.N(2) == 0 {
		m.Initialize()
		s.try("stream "+rig.LegacyVersion, func(t testing.TB) {
			m.T = t
			s.hold(t, m.Request(http.MethodGet, nil, "Accept", "text/event-stream"), rand.N(3*time.Second))
		})
		return
	}
	s.try("stream "+rig.ModernVersion, func(t testing.TB) {
		m.T = t
		body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{` +
			`"io.modelcontextprotocol/protocolVersion":"` + rig.ModernVersion + `","io.modelcontextprotocol/clientCapabilities":{},` +
			`"io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"1"}}}}`
		s.hold(t, m.Request(http.MethodPost, strings.NewReader(body), "MCP-Protocol-Version", rig.ModernVersion, "Mcp-Method", "subscriptions/listen"), rand.N(3*time.Second))
	})
}

// hold reads an answer for a while, or to its end.
func (s *soak) hold(t testing.TB, r *http.Request, d time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := (&http.Client{Transport: rig.PlainHTTP.Transport}).Do(r.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s answered %d", r.Method, r.URL.Path, resp.StatusCode)
	}
	if d > 0 {
		defer time.AfterFunc(d, cancel).Stop()
	}
	_, _ = io.Copy(io.Discard, resp.Body)
}

// refresh gets new tokens, twice at once some of the time.
func (s *soak) refresh(t testing.TB, c rig.Client, old rig.Tokens, g *soakGrant) rig.Tokens {
	if rand.N(3) > 0 {
		next := s.MustRefresh(t, c, old.Refresh)
		s.keepTokens(next)
		s.is(g, "live")
		s.try("refresh", func(testing.TB) {})
		return next
	}
	var both [2]rig.Tokens
	var at sync.WaitGroup
	for i := range both {
		at.Go(func() { _ = rig.Softly(s.t, func(t testing.TB) { both[i] = s.MustRefresh(t, c, old.Refresh) }) })
	}
	at.Wait()
	s.keepTokens(both[0])
	s.keepTokens(both[1])
	if both[0].Refresh == "" || both[0].Refresh != both[1].Refresh {
		t.Fatalf("of two refreshes together: answers %t and %t", both[0].Refresh != "", both[1].Refresh != "")
	}
	s.is(g, "live")
	s.try("refresh, doubled", func(testing.TB) {})
	return both[1]
}

// end ends a sign-in in one of the ways there are, or does not.
func (s *soak) end(t testing.TB, c rig.Client, tokens rig.Tokens, g *soakGrant) {
	switch rand.N(6) {
	case 0:
		s.is(g, "doubt")
		if r := s.Revoke(t, c, []string{tokens.Access, tokens.Refresh}[rand.N(2)]); r.Status != http.StatusOK {
			t.Fatalf("revoked: %d", r.Status)
		}
		s.is(g, "over")
		s.try("revoked by RFC 7009", func(testing.TB) {})
	case 1, 2:
		s.endByOwner(t, c, g)
	case 3:
		s.is(g, "doubt")
		second := s.MustRefresh(t, c, tokens.Refresh)
		s.keepTokens(second)
		third := s.MustRefresh(t, c, second.Refresh)
		s.keepTokens(third)
		s.Refresh(t, c, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
		s.is(g, "over")
		s.try("refresh, replayed", func(testing.TB) {})
	default: // left alone until it expires
	}
}

// endByOwner ends this client's sessions by the control API or the console.
func (s *soak) endByOwner(t testing.TB, c rig.Client, g *soakGrant) {
	began := time.Now()
	s.is(g, "doubt")
	var ids []string
	for _, session := range s.Sessions(t) {
		if session.Client.ID == c.ID {
			ids = append(ids, session.ID)
		}
	}
	by := "control API"
	if rand.N(2) == 0 {
		by = "console"
		token := s.enter(t)
		for _, id := range ids {
			if r := s.consoleSend(t, token, "POST", "/sessions/revoke", "id="+id); r.Status != http.StatusOK {
				t.Fatalf("revoked in the console: %d", r.Status)
			}
		}
	} else {
		ctl := s.Control(t)
		defer ctl.Close()
		for _, id := range ids {
			_ = ctl.Revoke(t.Context(), id) // some expire meanwhile
		}
	}
	s.mu.Lock()
	for _, other := range s.grants { // a client is of one person, who does one thing at a time
		if other.client == c.ID && other.used.Before(began.Add(time.Millisecond)) || other == g {
			other.state = "over"
		}
	}
	s.mu.Unlock()
	s.try("revoked by the "+by, func(testing.TB) {})
}

// browser is a person's who comes through the tunnel.
func (s *soak) browser(t testing.TB) *rig.Browser {
	b := rig.NewBrowser(t)
	b.HTTP.Transport = rig.PlainHTTP.Transport
	return b
}
