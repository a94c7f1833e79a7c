package signins_test

import (
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// signInAt signs the owner of app in at a mounted server, as user of the provider
// that stands behind it.
func signInAt(t *testing.T, app *rig.App, server, user string) *rig.Page {
	t.Helper()
	url, err := app.Srv.SignInServer(t.Context(), server)
	if err != nil {
		t.Fatalf("%v\n%s", err, app.Log)
	}
	b := rig.NewBrowser(t)
	return b.Walk(b.Open(url), user, "")
}

func signInOf(app *rig.App, server string) (st status.Server) {
	for _, one := range app.Srv.Status().Servers {
		if one.Name == server {
			st = one
		}
	}
	return st
}

// The owner signs in once; from then on whoever the rules let in uses the server
// through the one connector, until it is over on either side.
func TestOwner(t *testing.T) {
	far := rig.StartApp(t, rig.AppOptions{})
	near := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"laptop": {URL: far.MCPURL}}))
	rig.WaitFor(t, "the need to sign in", func() bool { return signInOf(near, "laptop").SignIn.State == status.SignInNeeded })
	if st := signInOf(near, "laptop"); !strings.Contains(st.Error, "drawbridge server sign-in laptop") || st.SignIn.As != status.AsOwner {
		t.Errorf("before: %+v", st)
	}
	page := signInAt(t, near, "laptop", "alice")
	if page.Status != 200 || !strings.Contains(page.Text(), "You are signed in") {
		t.Fatalf("ended at %s, %d: %s\n%s", rig.WithoutQuery(page.URL), page.Status, page.Text(), near.Log)
	}
	near.WaitForServers(t)
	if st := signInOf(near, "laptop"); st.SignIn.State != status.SignInOK || st.SignIn.Since.IsZero() {
		t.Errorf("after: %+v", st)
	}
	tokens := near.SignIn(t, rig.NewBrowser(t), near.Register(t, rig.ClientURI), "bob")
	m := near.MCP(t, tokens.Access)
	call := func() string { return m.CallTool("laptop__echo", map[string]any{"message": "over"}) }
	if got := call(); !strings.Contains(got, "over") {
		t.Errorf("called: %s", got)
	}
	if got := m.CallTool("laptop__whoami", nil); !strings.Contains(got, "alice") {
		t.Errorf("it is called as %s", got)
	}
	for _, session := range far.Srv.Snapshot().Sessions {
		if session.Client.Name != "Drawbridge" {
			t.Errorf("there it is %q", session.Client.Name)
		}
	}
	near.Stop() // it lasts
	near.Start()
	near.WaitForServers(t)
	m = near.MCP(t, tokens.Access)
	if got := call(); !strings.Contains(got, "over") {
		t.Errorf("after a restart: %s", got)
	}
	if _, err := far.Srv.RevokeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the end there to be noticed", func() bool {
		m.TryTool("laptop__echo", map[string]any{"message": "over"})
		return signInOf(near, "laptop").SignIn.State == status.SignInAgain
	})
	signInAt(t, near, "laptop", "alice")
	near.WaitForServers(t)
	if got := call(); !strings.Contains(got, "over") {
		t.Errorf("signed in again: %s", got)
	}
	if err := near.Srv.SignOutServer(t.Context(), "laptop"); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { return len(far.Srv.Snapshot().Sessions) == 0 }
	rig.WaitFor(t, "the sign-out to reach the other", gone)
	rig.WaitFor(t, "the need to sign in", func() bool { return signInOf(near, "laptop").SignIn.State == status.SignInNeeded })
	signInAt(t, near, "laptop", "alice")
	near.WaitForServers(t)
	if _, err := near.Srv.Panic(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the panic to reach the other", gone)
}
