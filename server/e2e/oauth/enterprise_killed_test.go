package oauth

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// What the program has answered lasts, though it is killed right then: a client
// that was added, an assertion that was redeemed, a block, and that it was lifted.
func TestEnterpriseKilled(t *testing.T) {
	e := &enterprise{t: t, company: newCompany(t)}
	e.app = rig.StartBinary(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Enterprise.Enabled, c.Enterprise.Issuers = true, []string{e.company.issuer}
	}})
	kill := func() {
		t.Helper()
		e.app.Kill()
		e.app.Start()
	}
	var made struct {
		Client status.Client
		Secret string
	}
	e.app.CommandJSON(t, &made, "client", "add", "Claude for Acme", "--json")
	kill()
	e.client, e.secret = made.Client, made.Secret
	used := e.jag().text()
	tokens := e.app.MustTokens(t, e.redeem(used))
	kill()
	e.redeem(used).Want(t, 400, "invalid_grant")
	e.app.MustWorkWith(t, tokens.Access)
	list := e.app.Sessions(t)
	if len(list) != 1 || "http://"+list[0].Provider != e.company.issuer {
		t.Fatalf("sessions: %+v", list)
	}
	if _, code := e.app.Command("revoke", list[0].ID); code != 0 {
		t.Fatalf("revoke: exit code %d", code)
	}
	kill()
	e.app.MustNotOpen(t, tokens.Access)
	e.redeem(e.jag().text()).Want(t, 400, "invalid_grant")
	if _, code := e.app.Command("sessions", "unblock", list[0].ID); code != 0 {
		t.Fatalf("sessions unblock: exit code %d", code)
	}
	kill()
	e.in()
}
