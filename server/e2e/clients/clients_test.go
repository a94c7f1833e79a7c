package clients

import (
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// Every SDK signs in by consent and provider, calls the tools, and goes on
// after its access token has run out.
func TestSDKClients(t *testing.T) {
	for _, c := range rig.SDKClients {
		t.Run(c.Name+" by registration", func(t *testing.T) {
			t.Parallel()
			rig.RunSDK(t, c, rig.StartApp(t, rig.AppOptions{Access: time.Second}), nil)
		})
		t.Run(c.Name+" by metadata document", func(t *testing.T) {
			t.Parallel()
			rig.RunSDK(t, c, rig.StartApp(t, rig.AppOptions{Access: time.Second}), rig.ServeMetadata(t, rig.ClientURI))
		})
	}
}

// No SDK notices that Drawbridge was started anew under its open connection, nor
// that its person had to sign in again on it.
func TestSDKClientsNoticeNoRestart(t *testing.T) {
	for _, c := range rig.SDKClients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			app := rig.StartBinary(t, rig.AppOptions{})
			script := rig.SignInSDK(t, c, app, nil)
			for _, end := range []func(){app.Stop, app.Kill} {
				end()
				app.Start()
				script.Write(map[string]string{"do": "call"})
				rig.CheckCalls(t, script, c)
			}
			app.RevokeSession(t, app.Sessions(t)[0].ID)
			rig.SignInAgain(t, script, c)
		})
	}
}

// The same in front of a provider shaped like Okta.
func TestSDKClientsAtOkta(t *testing.T) {
	for _, shape := range []string{"custom", "org"} {
		for _, c := range rig.SDKClients {
			t.Run(shape+", "+c.Name, func(t *testing.T) {
				t.Parallel()
				rig.RunSDK(t, c, rig.StartApp(t, rig.AppOptions{Okta: rig.StartOkta(t, shape), Groups: []string{"admins"}, Access: time.Second}), nil)
			})
		}
	}
}

// A person may paste the provider's own client id, and even its secret, into a
// client's settings, as they would for another server.
func TestPastedProviderClientID(t *testing.T) {
	app := rig.StartApp(t, rig.AppOptions{})
	client := rig.Client{ID: demo.ClientID, RedirectURI: "https://claude.ai/api/mcp/auth_callback"}
	for _, secret := range []string{"", demo.ClientSecret} {
		t.Run(fmt.Sprintf("with secret: %t", secret != ""), func(t *testing.T) {
			req := app.NewAuthRequest(client)
			tokens := app.MustTokens(t, app.Redeem(t, req, app.Code(t, rig.NewBrowser(t), req, "alice"), "client_secret", secret))
			tokens = app.MustTokens(t, app.Refresh(t, client, tokens.Refresh, "client_secret", secret))
			app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})
			if s := app.Sessions(t)[0]; s.Client.Kind != "static" || s.Client.RedirectHost != "claude.ai" {
				t.Errorf("session's client %+v", s.Client)
			}
		})
	}
}
