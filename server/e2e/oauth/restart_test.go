package oauth

import (
	"slices"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// What was answered before the end, orderly or not, holds after it: tokens,
// sessions, registrations, history.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(testing.TB, rig.AppOptions) *rig.App
		end   func(*rig.App)
	}{
		{"in this process", rig.StartApp, (*rig.App).Stop},
		{"told to stop", rig.StartBinary, (*rig.App).Stop},
		{"killed", rig.StartBinary, (*rig.App).Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := c.start(t, rig.AppOptions{})
			client, idle := app.Register(t, rig.ClientURI), app.Register(t, rig.ClientURI)
			first := app.SignIn(t, rig.NewBrowser(t), client, "alice")
			second := app.MustRefresh(t, client, first.Refresh)
			before := app.Sessions(t)[0]
			c.end(app)
			app.Start()
			if got := app.MCP(t, second.Access).CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
				t.Errorf("echo gave %q", got)
			}
			if after := app.Sessions(t); len(after) != 1 || after[0].ID != before.ID || !after[0].CreatedAt.Equal(before.CreatedAt) || !slices.Equal(after[0].Scopes, before.Scopes) {
				t.Errorf("sessions %+v, want %+v", after, before)
			}
			if app.CountEvents(t, "signin.succeeded") != 1 {
				t.Error("the history has forgotten the sign-in")
			}
			app.MustRefresh(t, client, second.Refresh)
			app.SignIn(t, rig.NewBrowser(t), idle, "bob") // a client that had registered, and no more
		})
	}
}
