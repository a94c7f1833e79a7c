package tray

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A server that wants a sign-in of its own has a row in a real panel, which leads
// to where it is cured.
func TestTrayPanelSignIn(t *testing.T) {
	wants := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(wants.Close)
	p := startPanel(t)
	app, menu := p.start(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"notes": {URL: wants.URL + "/mcp"}}))
	menu.Await("Sign in at notes…")
	p.openMenu()
	p.picture("signin-needed")
	p.closeMenu()
	menu.Click("Sign in at notes…")
	p.openedAddress(t, consoleURL(t, app, "/servers?server=notes"))
}
