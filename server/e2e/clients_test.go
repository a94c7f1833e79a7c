package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
)

// sdkClient is one way in which a real client is made.
type sdkClient struct {
	name     string
	script   string
	mode     string // of version negotiation, for client 2.x
	protocol string // revision that has to be negotiated; "" if the SDK does not tell
}

var sdkClients = []sdkClient{
	{"sdk 1.x", "clients/sdk-v1.mjs", "", ""},
	{"client 2.x, legacy", "clients/client-v2.mjs", "legacy", "2025-11-25"},
	{"client 2.x, 2026-07-28", "clients/client-v2.mjs", "2026-07-28", "2026-07-28"},
}

// calls is what a scripted client reports of one round of calls.
type calls struct {
	Tools     []string
	Echo, Add string
	WhoAmI    json.RawMessage
	Refreshed int
	Protocol  string
}

// Every SDK signs in by consent and provider, calls the tools, and goes on
// after its access token has run out.
func TestSDKClients(t *testing.T) {
	for _, c := range sdkClients {
		t.Run(c.name+" by registration", func(t *testing.T) {
			t.Parallel()
			runSDK(t, c, StartApp(t, AppOptions{Access: time.Second}), nil)
		})
		t.Run(c.name+" by metadata document", func(t *testing.T) {
			t.Parallel()
			runSDK(t, c, StartApp(t, AppOptions{Access: time.Second}), ServeMetadata(t, clientURI))
		})
	}
}

// The same in front of a provider shaped like Okta.
func TestSDKClientsAtOkta(t *testing.T) {
	for _, shape := range []string{"custom", "org"} {
		for _, c := range sdkClients {
			t.Run(shape+", "+c.name, func(t *testing.T) {
				t.Parallel()
				runSDK(t, c, StartApp(t, AppOptions{Okta: StartOkta(t, shape), Groups: []string{"admins"}, Access: time.Second}), nil)
			})
		}
	}
}

func runSDK(t *testing.T, c sdkClient, app *App, doc *Metadata) {
	options := map[string]string{"url": app.MCPURL, "redirectURI": clientURI, "name": "Scripted client", "mode": c.mode}
	if doc != nil {
		options["metadataURL"] = doc.ID
	}
	arg, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	script := StartScript(t, nil, c.script, string(arg))

	var start struct{ Authorize string }
	script.Read(&start)
	callback := NewBrowser(t).SignIn(start.Authorize, clientURI, "alice")
	script.Write(map[string]string{"callback": callback.String()})

	var signedIn struct {
		ClientID    string
		Refreshable bool
	}
	script.Read(&signedIn)
	if !signedIn.Refreshable {
		t.Error("no refresh token: the person has to sign in again within the hour")
	}
	if doc != nil && signedIn.ClientID != doc.ID {
		t.Errorf("signed in as client %q, want its metadata document %q", signedIn.ClientID, doc.ID)
	}

	script.Write(map[string]string{"do": "call"})
	checkCalls(t, script, c)
	script.Write(map[string]string{"do": "untilRefreshed"})
	if got := checkCalls(t, script, c); got.Refreshed < 1 {
		t.Error("the client did not refresh its tokens")
	}
}

func checkCalls(t *testing.T, script *Script, c sdkClient) calls {
	t.Helper()
	var got calls
	script.Read(&got)
	if want := []string{"add", "echo", "whoami"}; !slices.Equal(got.Tools, want) {
		t.Errorf("tools %v, want %v", got.Tools, want)
	}
	if got.Echo != "Echo: grüezi" || got.Add != "42" {
		t.Errorf("echo gave %q, add gave %q", got.Echo, got.Add)
	}
	if email := personIn(t, got.WhoAmI); email != "alice@example.com" {
		t.Errorf("whoami named %q", email)
	}
	if c.protocol != "" && got.Protocol != c.protocol {
		t.Errorf("negotiated %q, want %q", got.Protocol, c.protocol)
	}
	return got
}

// personIn returns the e-mail address in the structured content of whoami.
func personIn(t *testing.T, whoami json.RawMessage) string {
	t.Helper()
	var who struct{ User struct{ Email string } }
	if err := json.Unmarshal(whoami, &who); err != nil {
		t.Fatalf("whoami: %v", err)
	}
	return who.User.Email
}

// A person may paste the provider's own client id, and even its secret, into a
// client's settings, as they would for another server.
func TestPastedProviderClientID(t *testing.T) {
	app := StartApp(t, AppOptions{})
	client := Client{ID: demo.ClientID, RedirectURI: "https://claude.ai/api/mcp/auth_callback"}
	for _, secret := range []string{"", demo.ClientSecret} {
		t.Run(fmt.Sprintf("with secret: %t", secret != ""), func(t *testing.T) {
			req := app.NewAuthRequest(client)
			tokens := app.mustTokens(t, app.Redeem(t, req, app.Code(t, NewBrowser(t), req, "alice"), "client_secret", secret))
			tokens = app.mustTokens(t, app.Refresh(t, client, tokens.Refresh, "client_secret", secret))
			app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"})
			if s := app.Sessions(t)[0]; s.Client.Kind != "static" || s.Client.RedirectHost != "claude.ai" {
				t.Errorf("session's client %+v", s.Client)
			}
		})
	}
}
