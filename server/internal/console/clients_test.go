package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// A secret is on the page that answers the form, and nowhere afterwards.
func TestKnownClients(t *testing.T) {
	d := consoletest.Sample()
	d.Config.Enterprise.Enabled = true
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	const secret = "dbs_secret"
	a := rig.Post(t, token, "/clients/add", "name", "ci", "grant", "client_credentials")
	for _, want := range []string{secret, "dbk_ci", "shown this once", "https://name.ngrok.app/token"} {
		if a.Status != http.StatusOK || !strings.Contains(a.Body, want) {
			t.Errorf("%d, without %s", a.Status, want)
		}
	}
	if a.Header.Get("Cache-Control") != "no-store" || strings.Contains(a.Header.Get("Content-Location"), secret) {
		t.Errorf("the secret may be kept: %v", a.Header)
	}
	for _, path := range []string{"/clients", "/", "/activity", "/sessions"} {
		if strings.Contains(rig.Get(t, token, path).Body, secret) {
			t.Errorf("%s has the secret", path)
		}
	}
	if a := rig.Post(t, token, "/clients/rotate", "id", "dbk_ci"); !strings.Contains(a.Body, "dbs_another") || !strings.Contains(a.Body, "The secret before") {
		t.Errorf("rotated: %d", a.Status)
	}
	if a := rig.Post(t, token, "/clients/delete", "id", "dbk_ci"); a.Status == http.StatusOK {
		t.Error("deleted without a question")
	}
	if a := rig.Post(t, token, "/clients/delete", "id", "dbk_ci", "sure", "yes"); a.Status != http.StatusOK || strings.Contains(a.Body, "dbk_ci") {
		t.Errorf("deleted: %d", a.Status)
	}
	if a := rig.Post(t, token, "/clients/add", "name", "nothing", "jwks_uri", "https://ci.example.com/jwks"); a.Status != http.StatusUnprocessableEntity ||
		!strings.Contains(a.Body, `value="nothing"`) || !strings.Contains(a.Body, `value="https://ci.example.com/jwks"`) {
		t.Errorf("what was refused is not there to correct: %d", a.Status)
	}
}

// Who began without a page is told apart, and who is kept out may come back.
func TestSessionsWithoutAPage(t *testing.T) {
	d := consoletest.Sample()
	d.Sessions[0].Through, d.Sessions[0].Provider, d.Sessions[0].GroupsOf = status.Enterprise, "Okta", consoletest.Now().Add(-72*time.Hour)
	d.Sessions[1].Through = status.Machine
	d.Blocked = []status.Block{{ID: "s-gone", User: status.User{Sub: "00u9", Email: "eve@example.com"}, Client: "Claude for Acme", Through: status.Enterprise, At: consoletest.Now().Add(-5 * time.Minute)}}
	rig := consoletest.Start(t, d, consoletest.Now)
	token := rig.Token(t)
	for lang, says := range map[string][]string{
		"en": {"through Okta, no consent page", "groups as of the sign-in 3 days ago", "a machine, no person", "eve@example.com", "Unblock eve@example.com with Claude for Acme"},
		"ja": {"Okta 経由（同意ページなし）", "マシン（ユーザーなし）", "ブロックを解除"},
	} {
		body := rig.Get(t, token, "/sessions", "Accept-Language", lang).Body
		for _, want := range says {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q", lang, want)
			}
		}
	}
	if a := rig.Post(t, token, "/sessions/unblock", "id", "s-gone"); a.Status != http.StatusOK || strings.Contains(a.Body, "eve@example.com") {
		t.Errorf("unblocked: %d", a.Status)
	}
}
