package oauth

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A client that the owner lets act for itself gets a session of its own, under the
// rules that name it; nobody else does.
func TestMachine(t *testing.T) {
	e := newEnterprise(t, func(c *config.Config) {
		c.Access = config.Access{Emails: []string{"alice@example.com"}, Rules: []config.Rule{
			{Machines: []string{"ci"}, Servers: []string{config.BuiltIn}, Tools: []string{"whoami"}}, {Emails: []string{"alice@example.com"}}}}
	})
	ask := func(c status.Client, secret string, change ...string) *rig.Reply {
		return e.app.PostForm(t, "/token", rig.With(url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {secret}, "resource": {e.app.MCPURL}}, change))
	}
	var meta struct {
		Grants []string `json:"grant_types_supported"`
	}
	if e.app.Get(t, "/.well-known/oauth-authorization-server").JSON(t, &meta); slices.Contains(meta.Grants, "client_credentials") {
		t.Error("client_credentials is offered though nobody may use it")
	}
	ask(e.client, e.secret).Want(t, 400, "unauthorized_client")
	ask(status.Client{ID: e.app.Register(t, rig.ClientURI).ID}, "").Want(t, 400, "unauthorized_client")

	ci, secret := e.add(status.NewClient{Name: "ci", Grants: []string{"client_credentials"}})
	for _, c := range e.app.Srv.Clients() {
		if !c.LastUsed.IsZero() || !c.LastSignIn.IsZero() {
			t.Errorf("nobody has used %s yet: %+v", c.Name, c)
		}
	}
	other, otherSecret := e.add(status.NewClient{Name: "nightly", Grants: []string{"client_credentials"}})
	if e.app.Get(t, "/.well-known/oauth-authorization-server").JSON(t, &meta); !slices.Contains(meta.Grants, "client_credentials") {
		t.Error("client_credentials is not offered")
	}
	tokens := e.app.MustTokens(t, ask(ci, secret))
	if tokens.Refresh != "" || tokens.ExpiresIn != 1800 || tokens.Scope != "openid profile email" {
		t.Errorf("refresh %t, %d s, %q", tokens.Refresh != "", tokens.ExpiresIn, tokens.Scope)
	}
	again := e.app.MustTokens(t, ask(ci, secret))
	if list := e.app.Sessions(t); len(list) != 1 || list[0].Through != status.Machine || list[0].User.Sub != "machine:ci" || list[0].User.Email != "" {
		t.Fatalf("sessions: %+v", list)
	}
	ask(ci, secret, "resource", e.app.URL+"/s/none/mcp").Want(t, 400, "invalid_target")

	m := e.app.MCP(t, again.Access)
	if tools := m.Listing(t, "tools/list"); !slices.Equal(tools, []string{"whoami"}) {
		t.Errorf("ci sees %q", tools)
	}
	var said struct {
		StructuredContent struct {
			Through string
			User    struct{ Sub string }
		}
	}
	if m.TryTool("whoami", map[string]any{}).Decode(t, &said); said.StructuredContent.Through != "machine" || said.StructuredContent.User.Sub != "machine:ci" {
		t.Errorf("whoami: %+v", said)
	}
	if tools := e.app.MCP(t, e.app.MustTokens(t, ask(other, otherSecret)).Access).Listing(t, "tools/list"); len(tools) != 0 {
		t.Errorf("nightly sees %q", tools)
	}

	// Revoked means revoked: with its secret it could come back at once.
	for _, s := range e.app.Sessions(t) {
		if s.Client.Name == "ci" {
			e.app.RevokeSession(t, s.ID)
		}
	}
	e.app.MustNotOpen(t, again.Access)
	ask(ci, secret).Want(t, 400, "invalid_grant")
	if blocked := e.app.Srv.Snapshot().Blocked; len(blocked) != 1 || blocked[0].User.Sub != "machine:ci" || blocked[0].Through != status.Machine {
		t.Fatalf("blocked: %+v", blocked)
	}
	if err := e.app.Srv.Unblock(t.Context(), e.app.Srv.Snapshot().Blocked[0].ID); err != nil {
		t.Fatal(err)
	}
	e.app.MustTokens(t, ask(ci, secret))
	if a := e.app.Attempts(t); !strings.Contains(rig.Outline(a), "machine:ci") {
		t.Errorf("no attempt names the machine: %s", rig.Outline(a))
	}
}

// It handles a machine with keys of its own (RFC 7523 §2.2).
func TestMachineByKey(t *testing.T) {
	e := newEnterprise(t)
	keys, signer := rig.Publish(t), rig.NewSigner(t, "one")
	keys.Set("keys", []any{signer.Public()})
	ci, secret := e.add(status.NewClient{Name: "ci", Grants: []string{"client_credentials"}, JWKSURI: keys.ID})
	if secret != "" {
		t.Error("it has a secret besides")
	}
	ask := func(assertion string) *rig.Reply {
		return e.app.PostForm(t, "/token", url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {rig.JWTBearer}, "client_assertion": {assertion}})
	}
	good := signer.Sign(rig.ClaimsOf(e.app, ci.ID))
	e.app.MustWorkWith(t, e.app.MustTokens(t, ask(good)).Access)
	ask(good).Want(t, 401, "invalid_client")
	ask(rig.NewSigner(t, "one").Sign(rig.ClaimsOf(e.app, ci.ID))).Want(t, 401, "invalid_client")
	e.app.Stop()
	e.app.Start()
	ask(good).Want(t, 401, "invalid_client")
	e.app.MustTokens(t, ask(signer.Sign(rig.ClaimsOf(e.app, ci.ID))))
	if _, _, err := e.app.Srv.RotateClient(t.Context(), "ci"); err == nil {
		t.Error("a secret was made for a client that has keys")
	}
}
