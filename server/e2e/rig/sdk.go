package rig

import (
	"encoding/json"
	"slices"
	"testing"
)

// SDKClient is one way in which a real client is made.
type SDKClient struct {
	Name     string
	Script   string
	Mode     string // of version negotiation, for client 2.x
	protocol string // revision that has to be negotiated; "" if the SDK does not tell
}

var SDKClients = []SDKClient{
	{"sdk 1.x", "clients/sdk-v1.mjs", "", ""},
	{"client 2.x, legacy", "clients/client-v2.mjs", "legacy", "2025-11-25"},
	{"client 2.x, 2026-07-28", "clients/client-v2.mjs", "2026-07-28", "2026-07-28"},
}

// SDKCalls is what a scripted client reports of one round of calls.
type SDKCalls struct {
	Tools     []string
	Echo, Add string
	WhoAmI    json.RawMessage
	Refreshed int
	Protocol  string
}

// RunSDK is what a client does that signs in, calls, and goes on after its token
// has expired.
func RunSDK(t *testing.T, c SDKClient, app *App, doc *Metadata) {
	script := SignInSDK(t, c, app, doc)
	script.Write(map[string]string{"do": "call"})
	CheckCalls(t, script, c)
	script.Write(map[string]string{"do": "untilRefreshed"})
	if got := CheckCalls(t, script, c); got.Refreshed < 1 {
		t.Error("the client did not refresh its tokens")
	}
}

// SignInSDK starts a client and signs alice in with it.
func SignInSDK(t *testing.T, c SDKClient, app *App, doc *Metadata) *Script {
	options := map[string]string{"url": app.MCPURL, "redirectURI": ClientURI, "name": "Scripted client", "mode": c.Mode}
	if doc != nil {
		options["metadataURL"] = doc.ID
	}
	arg, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	script := StartScript(t, nil, c.Script, string(arg))

	var signedIn struct {
		ClientID    string
		Refreshable bool
	}
	readSignedIn(t, script, &signedIn)
	if !signedIn.Refreshable {
		t.Error("no refresh token: the person has to sign in again within the hour")
	}
	if doc != nil && signedIn.ClientID != doc.ID {
		t.Errorf("signed in as client %q, want its metadata document %q", signedIn.ClientID, doc.ID)
	}

	return script
}

// SignInAgain signs alice in on the connection that script has, which calls then.
func SignInAgain(t *testing.T, script *Script, c SDKClient) {
	t.Helper()
	script.Write(map[string]string{"do": "signInAgain"})
	var got SDKCalls
	readSignedIn(t, script, &got)
	got.check(t, c)
}

// readSignedIn signs alice in as often as script asks for it, which is once at
// least, and reads what it says then.
func readSignedIn(t *testing.T, script *Script, v any) {
	t.Helper()
	for n := range 4 {
		var line json.RawMessage
		var ask struct{ Authorize string }
		script.Read(&line)
		if _ = json.Unmarshal(line, &ask); ask.Authorize == "" {
			if err := json.Unmarshal(line, v); err != nil || n == 0 {
				t.Fatalf("after %d sign-ins it says %s: %v", n, line, err)
			}
			return
		}
		script.Write(map[string]string{"callback": NewBrowser(t).SignIn(ask.Authorize, ClientURI, "alice").String()})
	}
	t.Fatal("it asks for one sign-in after the other")
}

// CheckCalls reads what came of a round of calls, amid which nobody signs in.
func CheckCalls(t *testing.T, script *Script, c SDKClient) SDKCalls {
	t.Helper()
	var got SDKCalls
	script.Read(&got)
	got.check(t, c)
	return got
}

func (got SDKCalls) check(t *testing.T, c SDKClient) {
	t.Helper()
	if want := []string{"add", "echo", "whoami"}; !slices.Equal(got.Tools, want) {
		t.Errorf("tools %v, want %v", got.Tools, want)
	}
	if got.Echo != "Echo: grüezi" || got.Add != "42" {
		t.Errorf("echo gave %q, add gave %q", got.Echo, got.Add)
	}
	if email := PersonIn(t, got.WhoAmI); email != "alice@example.com" {
		t.Errorf("whoami named %q", email)
	}
	if c.protocol != "" && got.Protocol != c.protocol {
		t.Errorf("negotiated %q, want %q", got.Protocol, c.protocol)
	}
}

// PersonIn returns the e-mail address in the structured content of whoami.
func PersonIn(t *testing.T, whoami json.RawMessage) string {
	t.Helper()
	var who struct{ User struct{ Email string } }
	if err := json.Unmarshal(whoami, &who); err != nil {
		t.Fatalf("whoami: %v", err)
	}
	return who.User.Email
}
