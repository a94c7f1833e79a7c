package security

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// T49: it handles open streams and stolen access tokens when a grant ends, by
// whichever way it ends: nothing of it works a moment later.
func TestSecRevokedAtOnce(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *rig.App, rig.Client, rig.Tokens){
		"by the client": func(t *testing.T, app *rig.App, c rig.Client, tokens rig.Tokens) { app.Revoke(t, c, tokens.Refresh) },
		"by the owner": func(t *testing.T, app *rig.App, c rig.Client, tokens rig.Tokens) {
			app.RevokeSession(t, app.Sessions(t)[0].ID)
		},
		"by a replay": func(t *testing.T, app *rig.App, c rig.Client, tokens rig.Tokens) {
			app.MustRefresh(t, c, app.MustRefresh(t, c, tokens.Refresh).Refresh)
			app.Refresh(t, c, tokens.Refresh)
		},
		"all of them": func(t *testing.T, app *rig.App, c rig.Client, tokens rig.Tokens) {
			ctl := app.Control(t)
			defer ctl.Close()
			if n, err := ctl.RevokeAll(t.Context()); n != 1 || err != nil {
				t.Errorf("%d ended, %v", n, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
			m := app.MCP(t, tokens.Access)
			streams := []<-chan struct{}{m.Stream(), m.Stream(), app.MCP(t, tokens.Access).Stream()}
			end(t, app, c, tokens)
			for _, s := range streams {
				rig.MustClose(t, "a stream", s)
			}
			app.MustNotOpen(t, tokens.Access)
			if r := m.TryTool("echo", map[string]any{"message": "x"}); r.Status != http.StatusUnauthorized {
				t.Errorf("an open transport session answers %d", r.Status)
			}
		})
	}
}

// T49: it handles a call whose body was held back until after the revocation.
// The token was good when the call began; the tool must not run.
func TestSecRevokedMidCall(t *testing.T) {
	for _, modern := range []bool{false, true} {
		t.Run(map[bool]string{false: rig.LegacyVersion, true: rig.ModernVersion}[modern], func(t *testing.T) {
			app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
			headers, meta := "", ""
			if modern {
				headers = "MCP-Protocol-Version: " + rig.ModernVersion + "\nMcp-Method: tools/call\nMcp-Name: echo\n"
				meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"` + rig.ModernVersion + `","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"1"}}`
			} else {
				m := app.MCP(t, tokens.Access)
				m.Initialize()
				headers = "Mcp-Session-Id: " + m.Session + "\n"
			}
			body := `{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo","arguments":{"message":"too late"}` + meta + `}}`
			begin := func() *rig.Wire {
				before := app.Sessions(t)[0].Requests
				w := rig.DialWire(t, app.URL)
				w.Send(fmt.Sprintf("POST /mcp HTTP/1.1\nHost: HOST\nAuthorization: Bearer %s\n%sContent-Type: application/json\n"+
					"Accept: application/json, text/event-stream\nContent-Length: %d\n\n", tokens.Access, headers, len(body)))
				w.Send(body[:20])
				rig.WaitFor(t, "the call to pass the guard", func() bool { return app.Sessions(t)[0].Requests > before })
				return w
			}
			w := begin()
			w.Send(body[20:]) // the same way, in time
			if r := w.Answer(10 * time.Second); r == nil || !strings.Contains(r.Body, "Echo: too late") {
				t.Fatalf("answered %+v", r)
			}
			w = begin()
			app.Revoke(t, c, tokens.Access)
			w.Send(body[20:])
			if r := w.Answer(10 * time.Second); r != nil && strings.Contains(r.Body, "too late") {
				t.Errorf("answered %d: the tool ran after the revocation", r.Status)
			}
			if n := app.CountEvents(t, "tool.called"); n != 1 {
				t.Errorf("%d tool calls, want 1", n)
			}
		})
	}
}

// T50: it handles a person who is deactivated at the provider, or taken out of
// the one group that may sign in.
func TestSecPersonOut(t *testing.T) {
	for name, out := range map[string]func(*rig.App){
		"deactivated": func(app *rig.App) { app.Demo.Provider.Change("alice", func(p *demo.Person) { p.Active = false }) },
		"left the group": func(app *rig.App) {
			app.Demo.Provider.Change("alice", func(p *demo.Person) { p.Groups = []string{"everyone"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{Groups: []string{"admins"}})
			stream := app.MCP(t, tokens.Access).Stream()
			out(app)
			app.Refresh(t, c, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
			rig.MustClose(t, "the stream", stream)
			app.MustBeDead(t, c, tokens)
			ended := app.Events(t, "session.revoked")
			if len(ended) != 1 || ended[0].Outcome != "refused" || ended[0].Reason == "" {
				t.Errorf("events %+v", ended)
			}
			// The next sign-in is refused as well.
			req := app.NewAuthRequest(c)
			p := rig.NewBrowser(t)
			if end := p.Walk(p.OpenUntil(req.URL(app), rig.ClientURI), "alice", rig.ClientURI); end.Query("code") != "" {
				t.Error("alice got a code")
			}
		})
	}
}

// T50: it handles a person taken off the access list in the configuration: the
// restart that reads it ends the session.
func TestSecAccessListChanged(t *testing.T) {
	app, c, tokens := rig.StartSignedIn(t, rig.AppOptions{})
	app.Stop()
	app.Config.Access.Anyone, app.Config.Access.Groups = false, []string{"nobody-is-in-this"}
	app.Start()
	app.MustBeDead(t, c, tokens)
}

// It handles refreshes, redemptions, calls and revocations of the same grants
// at once: once a revocation has been answered, nothing of that grant works.
func TestSecRaces(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	c := app.Register(t, rig.ClientURI)
	for round := range 12 {
		req := app.NewAuthRequest(c)
		code := app.Code(t, rig.NewBrowser(t), req, "alice")
		tokens := app.MustTokens(t, app.Redeem(t, req, code))
		var wg sync.WaitGroup
		var mu sync.Mutex // guards all
		all := []rig.Tokens{tokens}
		for range 4 {
			wg.Go(func() {
				_ = rig.Softly(t, func(t testing.TB) {
					if r := app.Refresh(t, c, tokens.Refresh); r.Status == http.StatusOK {
						mu.Lock()
						defer mu.Unlock()
						all = append(all, app.MustTokens(t, r))
					}
				})
			})
			wg.Go(func() { _ = rig.Softly(t, func(t testing.TB) { app.MCP(t, tokens.Access).Initialize() }) })
		}
		wg.Go(func() { // whichever way it ends
			_ = rig.Softly(t, func(t testing.TB) {
				time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // anywhere among the others
				switch round % 3 {
				case 0:
					app.Revoke(t, c, tokens.Refresh)
				case 1:
					app.Redeem(t, req, code)
				case 2:
					app.RevokeSession(t, app.Sessions(t)[0].ID)
				}
			})
		})
		wg.Wait()
		for _, got := range all {
			app.MustBeDead(t, c, got)
		}
		if n := len(app.Sessions(t)); n != 0 {
			t.Fatalf("round %d: %d sessions left", round, n)
		}
	}
}

// It handles a revocation while the provider does not answer a refresh of the
// same grant: the owner does not wait for the provider.
func TestSecRevokeWhileProviderHangs(t *testing.T) {
	idp := rig.NewSpy(t)
	app := rig.StartApp(t, rig.AppOptions{Issuer: idp.URL})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "")
	asked, release := make(chan struct{}, 64), make(chan struct{})
	t.Cleanup(func() { close(release) })
	idp.Answer("/token", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-release
	})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _ = rig.Softly(t, func(t testing.TB) { app.Refresh(t, c, tokens.Refresh) }) })
	}
	<-asked
	begun := time.Now()
	app.RevokeSession(t, app.Sessions(t)[0].ID)
	if took := time.Since(begun); took > rig.Within(3*time.Second) {
		t.Errorf("the revocation took %v", took)
	}
	app.MustNotOpen(t, tokens.Access)
	wg.Wait()
}
