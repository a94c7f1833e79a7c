package oauth

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// Against a provider shaped like Okta, in both of its shapes, alice may sign in
// because she is in the group admins.
func TestOkta(t *testing.T) {
	for _, shape := range []string{"custom", "org"} {
		t.Run(shape, func(t *testing.T) {
			for _, c := range []struct {
				name string
				run  func(*testing.T, *oktaCase)
			}{
				{"sign-in, tools and refresh", oktaHappyPath},
				{"a person who says no", oktaDenied},
				{"a person who is in none of the groups", oktaOutsider},
				{"a person taken out of the group", oktaGroupRemoved},
				{"a person deactivated", oktaDeactivated},
				{"the provider answering 503", oktaDown},
				{"a session revoked", oktaRevoked},
				{"the provider's signing key replaced", oktaNewKeys},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, newOktaCase(t, shape)) })
			}
		})
	}
}

// oktaCase is an app in front of a provider, and a client.
type oktaCase struct {
	okta   *rig.Okta
	app    *rig.App
	client rig.Client
}

func newOktaCase(t *testing.T, shape string) *oktaCase {
	t.Helper()
	okta := rig.StartOkta(t, shape)
	app := rig.StartApp(t, rig.AppOptions{Okta: okta, Groups: []string{"admins"}})
	return &oktaCase{okta, app, app.Register(t, rig.ClientURI)}
}

func oktaHappyPath(t *testing.T, c *oktaCase) {
	tokens := c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice")
	mcp := c.app.MCP(t, tokens.Access)
	var r rig.ToolResult
	mcp.TryTool("whoami", map[string]any{}).Decode(t, &r)
	if email := rig.PersonIn(t, r.StructuredContent); email != "alice@example.com" {
		t.Errorf("whoami named %q", email)
	}
	before := c.okta.State()
	tokens = c.app.MustRefresh(t, c.client, tokens.Refresh)
	if after := c.okta.State(); after.Refreshed != before.Refreshed+1 {
		t.Errorf("the provider was asked %d times at a refresh, want once", after.Refreshed-before.Refreshed)
	}
	c.mustWork(t, tokens.Access)
	if live := c.okta.State().Live; !slices.Equal(live, []string{"alice"}) {
		t.Errorf("live refresh tokens at the provider: %v, want one", live)
	}
}

func oktaDenied(t *testing.T, c *oktaCase) {
	back := rig.NewBrowser(t).Deny(c.app.NewAuthRequest(c.client).URL(c.app), rig.ClientURI).Query()
	if back.Get("error") != "access_denied" || back.Has("code") || back.Get("iss") != c.app.URL {
		t.Errorf("answered error %q, iss %q", back.Get("error"), back.Get("iss"))
	}
	c.mustHaveEnded(t, "", "consent.denied")
	for path, n := range c.okta.State().Requests {
		if strings.HasSuffix(path, "/authorize") {
			t.Errorf("the provider saw %d sign-ins begin", n)
		}
	}
}

func oktaOutsider(t *testing.T, c *oktaCase) {
	req := c.app.NewAuthRequest(c.client)
	back := rig.NewBrowser(t).SignIn(req.URL(c.app), rig.ClientURI, "bob").Query()
	if back.Get("error") != "access_denied" || back.Has("code") || back.Get("iss") != c.app.URL {
		t.Errorf("answered error %q, iss %q", back.Get("error"), back.Get("iss"))
	}
	c.mustHaveEnded(t, "", "signin.refused")
	rig.WaitFor(t, "the provider's refresh token to be revoked", func() bool { return len(c.okta.State().Live) == 0 })
}

func oktaGroupRemoved(t *testing.T, c *oktaCase) {
	tokens := c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice")
	c.okta.SetUser("alice", map[string]any{"groups": []string{"everyone"}})
	c.app.Refresh(t, c.client, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	c.mustHaveEnded(t, tokens.Access, "session.revoked")
	rig.WaitFor(t, "the provider's refresh token to be revoked", func() bool { return len(c.okta.State().Live) == 0 })
}

func oktaDeactivated(t *testing.T, c *oktaCase) {
	tokens := c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice")
	c.okta.SetUser("alice", map[string]any{"active": false})
	c.app.Refresh(t, c.client, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
	c.mustHaveEnded(t, tokens.Access, "session.revoked")
}

func oktaDown(t *testing.T, c *oktaCase) {
	tokens := c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice")
	c.okta.SetMode("down")
	reply := c.app.Refresh(t, c.client, tokens.Refresh)
	reply.Want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
	if reply.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.mustWork(t, tokens.Access)
	if n := len(c.app.Sessions(t)); n != 1 {
		t.Errorf("%d sessions while the provider is away, want 1", n)
	}
	c.okta.SetMode("ok")
	c.mustWork(t, c.app.MustRefresh(t, c.client, tokens.Refresh).Access)
}

func oktaRevoked(t *testing.T, c *oktaCase) {
	tokens := c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice")
	if reply := c.app.Revoke(t, c.client, tokens.Refresh); reply.Status != http.StatusOK {
		t.Fatalf("revocation answered %d", reply.Status)
	}
	c.mustHaveEnded(t, tokens.Access, "session.revoked")
	rig.WaitFor(t, "the provider's refresh token to be revoked", func() bool {
		s := c.okta.State()
		return len(s.Live) == 0 && s.Revoked == 1
	})
}

func oktaNewKeys(t *testing.T, c *oktaCase) {
	tokens := c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice")
	c.okta.RotateKeys()
	c.mustWork(t, c.app.MustRefresh(t, c.client, tokens.Refresh).Access)
	c.mustWork(t, c.app.SignIn(t, rig.NewBrowser(t), c.client, "alice").Access)
}

func (c *oktaCase) mustWork(t *testing.T, access string) {
	t.Helper()
	for _, modern := range []bool{false, true} {
		mcp := c.app.MCP(t, access)
		mcp.Modern = modern
		if got := mcp.CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
			t.Errorf("echo gave %q", got)
		}
	}
}

// mustHaveEnded checks that no session is left, that an access token opens
// nothing any more, and that the history tells of it.
func (c *oktaCase) mustHaveEnded(t *testing.T, access, event string) {
	t.Helper()
	if n := len(c.app.Sessions(t)); n != 0 {
		t.Errorf("%d sessions left, want none", n)
	}
	if access != "" {
		if r := c.app.MCP(t, access).Initialize(); r.Status != http.StatusUnauthorized {
			t.Errorf("the access token gives %d, want 401", r.Status)
		}
	}
	if c.app.CountEvents(t, event) == 0 {
		t.Errorf("no event %s", event)
	}
}
