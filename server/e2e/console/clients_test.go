package console

import (
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The same of what is about sign-ins without a page.
func TestConsolePagesOfKnownClients(t *testing.T) {
	browser := rig.StartConsoleBrowser(t)
	now := consoletest.Now()
	d := consoletest.Sample()
	known := status.Client{ID: "dbk_MFRGGZDFMZTWQ2LKMFRGGZDFMZ", Name: "Claude for Acme", Kind: "static", Known: true, Grants: []string{"jwt-bearer"},
		FirstSeen: now.Add(-72 * time.Hour), SecretSince: now.Add(-time.Hour), OldSecretUntil: now.Add(23 * time.Hour), LastUsed: now.Add(-time.Minute), Sessions: 1}
	ci := status.Client{ID: "dbk_ONXW2ZJAMNUWIIDPMYQGSZBAMZ", Name: "ci", Kind: "static", Known: true, Grants: []string{"client_credentials"}, JWKSURI: "https://ci.example.com/jwks.json", Sessions: 1}
	d.Clients = append([]status.Client{known, ci}, d.Clients...)
	d.Sessions[0].Through, d.Sessions[0].Provider, d.Sessions[0].GroupsOf = status.Enterprise, "Okta", now.Add(-72*time.Hour)
	d.Sessions[0].Client = status.SessionClient{ID: known.ID, Name: known.Name, Kind: "static"}
	d.Sessions[1].Through, d.Sessions[1].User, d.Sessions[1].Client = status.Machine, status.User{Sub: "machine:ci", Name: "ci"}, status.SessionClient{ID: ci.ID, Name: "ci", Kind: "static"}
	d.Blocked = []status.Block{{ID: "s-gone", User: status.User{Sub: "00u2bob", Email: "bob@example.com"}, Client: known.Name, Through: status.Enterprise, At: now.Add(-5 * time.Minute)}}
	shown := consoletest.Start(t, d, consoletest.Now)
	for _, p := range []picture{
		{name: "clients-made", path: "/clients", press: "form[action='/clients/rotate'] button", en: "Copy it before you leave this page", ja: "表示されるのは今回だけです"},
		{name: "sessions-pageless", path: "/sessions", en: "through Okta, no consent page", ja: "ブロックを解除"},
	} {
		p.take(t, browser, shown.Link)
	}
}
