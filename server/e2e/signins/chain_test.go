package signins_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// mounts is a Drawbridge with the MCP server at url, signed in there as alice.
func mounts(t *testing.T, name, url string, start func(testing.TB, rig.AppOptions) *rig.App) *rig.App {
	t.Helper()
	app := start(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{name: {URL: url}}))
	signInFrom(t, app, name)
	return app
}

// signInFrom signs the owner of app in, by the control listener, as alice.
func signInFrom(t *testing.T, app *rig.App, name string) {
	t.Helper()
	rig.WaitFor(t, "the need to sign in", func() bool { return ofStatus(app.Status(t), name).SignIn.State != "" })
	b := rig.NewBrowser(t)
	if p := b.Walk(b.Open(app.BeginSignIn(t, name)), "alice", ""); p.Status != http.StatusOK {
		t.Fatalf("the sign-in ended with %d: %s\n%s", p.Status, p.Text(), app.Log)
	}
	app.WaitForServers(t)
}

func ofStatus(st status.Status, name string) (one status.Server) {
	for _, s := range st.Servers {
		if s.Name == name {
			one = s
		}
	}
	return one
}

// Three computers: the first's one connector reaches the third's tools, by the
// second. What each hop costs is in the log of the test.
func TestThreeComputers(t *testing.T) {
	third := rig.StartApp(t, rig.AppOptions{})
	second := mounts(t, "third", third.MCPURL, func(t testing.TB, o rig.AppOptions) *rig.App { return rig.StartBinary(t, o) })
	first := mounts(t, "second", second.MCPURL, func(t testing.TB, o rig.AppOptions) *rig.App { return rig.StartApp(t, o) })
	client := func(app *rig.App) *rig.MCP {
		return app.MCP(t, app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "bob").Access)
	}
	m := client(first)
	const far = "second__third__echo"
	for _, hop := range []struct {
		hops string
		m    *rig.MCP
		tool string
	}{{"no", client(third), "echo"}, {"one", client(second), "third__echo"}, {"two", m, far}} {
		hop.m.CallTool(hop.tool, map[string]any{"message": "warm"})
		began := time.Now()
		const calls = 50
		for range calls {
			hop.m.CallTool(hop.tool, map[string]any{"message": "over"})
		}
		t.Logf("%s hop to another computer: %s a call", hop.hops, time.Since(began)/calls)
	}
	if got := m.CallTool("second__third__whoami", nil); !strings.Contains(got, "alice@") {
		t.Errorf("at the third it is %s", got)
	}
	works := func() bool {
		r := m.TryTool(far, map[string]any{"message": "over"})
		return r.Code == 0 && r.Status == http.StatusOK && strings.Contains(r.Body, "over") && !strings.Contains(r.Body, `"isError":true`)
	}
	second.Kill() // and back, with what it had
	second.Start()
	second.WaitForServers(t)
	rig.WaitFor(t, "calls after the second came back", works)

	// Revoked at the third, the second's sign-in is over; at the second, the first's;
	// at the first, the client's own.
	if _, err := third.Srv.RevokeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if works() {
		t.Error("revoked at the third, it works")
	}
	signInFrom(t, second, "third")
	rig.WaitFor(t, "calls after the second signed in again", works)
	if _, err := second.Control(t).RevokeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if works() {
		t.Error("revoked at the second, it works")
	}
	rig.WaitFor(t, "the first to need a sign-in", func() bool {
		works()
		return ofStatus(first.Status(t), "second").SignIn.State == status.SignInAgain
	})
	signInFrom(t, first, "second")
	rig.WaitFor(t, "calls after the first signed in again", works)
	if _, err := first.Srv.RevokeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.TryTool(far, nil); r.Status != http.StatusUnauthorized {
		t.Errorf("revoked at the first: %d", r.Status)
	}
}

// A circle is refused by whoever closes it, and the others go on.
func TestCircle(t *testing.T) {
	third := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, nil))
	start := func(t testing.TB, o rig.AppOptions) *rig.App { return rig.StartApp(t, o) }
	second := mounts(t, "third", third.MCPURL, start)
	first := mounts(t, "second", second.MCPURL, start)
	rig.WriteServers(t, third.Options.ConfigFile, map[string]rig.MCPServer{"first": {URL: first.MCPURL}})
	rig.WaitFor(t, "the need to sign in", func() bool { return signInOf(third, "first").SignIn.State == status.SignInNeeded })
	signInAt(t, third, "first", "alice")
	rig.WaitFor(t, "the circle to be refused", func() bool {
		st := signInOf(third, "first")
		return st.State == "failed" && strings.Contains(st.Error, "leads back to this Drawbridge")
	})
	m := first.MCP(t, first.SignIn(t, rig.NewBrowser(t), first.Register(t, rig.ClientURI), "bob").Access)
	if got := m.CallTool("second__third__echo", map[string]any{"message": "over"}); !strings.Contains(got, "over") {
		t.Errorf("the rest of it: %s", got)
	}
	if r := m.Call("tools/list", map[string]any{}); strings.Contains(r.Body, "first__") {
		t.Errorf("offered by way of itself: %s", r.Body)
	}
}
