package attempts

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// behindProxy believes who it is told that a request comes from.
func behindProxy(c *config.Config) {
	c.Tunnel = config.Tunnel{Provider: "none", TrustedProxies: []string{"127.0.0.1"}}
}

// forwarded makes a browser one of somebody at that address.
type forwarded string

func (a forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(a))
	return http.DefaultTransport.RoundTrip(r)
}

func browserAt(t *testing.T, address string) *rig.Browser {
	b := rig.NewBrowser(t)
	b.HTTP.Transport = forwarded(address)
	return b
}

// Claude's cloud calls from one address or another, and the person's browser
// from a third: it is one attempt all the same, by the client's id, the flow and
// the session. Two people who connect at once are two.
func TestTimelineManyAddresses(t *testing.T) {
	const callback = "https://claude.ai/api/mcp/auth_callback"
	for _, kind := range []string{"registration", "metadata document"} {
		t.Run(kind, func(t *testing.T) {
			app := rig.StartApp(t, rig.AppOptions{Config: behindProxy, Groups: []string{"admins"}})
			doc := rig.ServeMetadata(t, callback)
			do := func(from, method, path, body string, headers ...string) *rig.Reply {
				t.Helper()
				kind := "application/x-www-form-urlencoded"
				if strings.HasPrefix(body, "{") {
					kind = "application/json"
				}
				return app.Do(t, method, path, strings.NewReader(body), append(headers, "X-Forwarded-For", from, "Content-Type", kind, "User-Agent", "Claude-User")...)
			}
			type visit struct {
				client rig.Client
				req    *rig.AuthRequest
			}
			begin := func() (v visit) {
				do("160.79.104.10", "POST", "/mcp", "{}")
				do("160.79.105.20", "GET", "/.well-known/oauth-protected-resource/mcp", "")
				do("160.79.111.1", "GET", "/.well-known/oauth-authorization-server", "")
				v.client = doc.Client()
				if kind == "registration" {
					var made struct {
						ID string `json:"client_id"`
					}
					do("160.79.104.10", "POST", "/register", fmt.Sprintf(`{"client_name":"Claude","redirect_uris":[%q]}`, callback)).JSON(t, &made)
					v.client = rig.Client{ID: made.ID, RedirectURI: callback}
				}
				v.req = app.NewAuthRequest(v.client)
				return v
			}
			finish := func(v visit, home, user string) string {
				t.Helper()
				return browserAt(t, home).SignIn(v.req.URL(app), callback, user).Query().Get("code")
			}
			ana, bob := begin(), visit{}
			code := finish(ana, "203.0.113.7", "alice")
			bob = begin()
			finish(bob, "198.51.100.7", "bob")
			var tokens rig.Tokens
			do("160.79.107.3", "POST", "/token", "grant_type=authorization_code&code="+code+"&client_id="+url.QueryEscape(ana.client.ID)+
				"&code_verifier="+ana.req.Verifier+"&redirect_uri="+url.QueryEscape(callback)).JSON(t, &tokens)
			initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
			if r := do("160.79.106.9", "POST", "/mcp", initialize, "Authorization", "Bearer "+tokens.Access, "Accept", "application/json, text/event-stream"); r.Status != http.StatusOK {
				t.Fatalf("initialize answered %d", r.Status)
			}
			rig.WaitFor(t, "the first call to be told", func() bool { return strings.HasPrefix(app.Attempts(t)[1].VerdictKey, "connected") })
			list := app.Attempts(t)
			if len(list) != 2 || list[0].VerdictKey != "access.list" || list[0].User != "bob@example.com" || list[1].User != "alice@example.com" ||
				!strings.Contains(list[0].Verdict, "(everyone)") || len(list[1].Steps) < 8 {
				t.Errorf("told as %s", rig.Outline(list))
			}
			if got := list[1].Remote; !strings.HasPrefix(got, "160.79.") {
				t.Errorf("the program came from %s", got)
			}
		})
	}
}

// Strangers from one address or from many push out nobody's attempt, cost
// bounded memory, and their aimless probes are one attempt.
func TestTimelineCrowd(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{Config: behindProxy})
	client := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), client, "alice")
	app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "x"})
	waiting := app.NewAuthRequest(app.Register(t, "http://localhost:1/waiting"))
	browserAt(t, "203.0.113.7").Open(waiting.URL(app))
	for i := range 600 {
		from := fmt.Sprintf("198.18.%d.%d", i/250, i%250)
		if i%2 == 0 {
			from = "198.51.100.66"
		}
		agent := fmt.Sprintf("bot/%d", i)
		app.Do(t, "GET", fmt.Sprintf("/wp-admin/%d", i), nil, "X-Forwarded-For", from, "User-Agent", agent)
		app.Do(t, "POST", "/mcp", nil, "X-Forwarded-For", from, "User-Agent", agent)
		app.Do(t, "POST", "/register", strings.NewReader(fmt.Sprintf(`{"client_name":"Bot %d","redirect_uris":["http://localhost/%d"]}`, i, i)), "X-Forwarded-For", from, "User-Agent", agent)
		app.Do(t, "GET", "/authorize?client_id="+fmt.Sprint(i), nil, "X-Forwarded-For", from, "User-Agent", agent)
	}
	list := app.Attempts(t)
	seen := map[string]int{}
	for _, a := range list {
		seen[a.VerdictKey]++
	}
	if len(list) > 200 || seen["connected"] != 1 || seen["consent.awaited"] != 1 || seen["probes"] != 1 {
		t.Errorf("%d attempts: %v", len(list), seen)
	}
}
