package signins_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

var linkIn = regexp.MustCompile(`http://[^ "\\]+/sign-in\?link=[\w-]+`)

// eachAt is a Drawbridge that mounts far, where each signs in with their own account,
// and whose owner has signed in as alice.
func eachAt(t *testing.T, far *rig.App) *rig.App {
	t.Helper()
	near := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{Config: func(c *config.Config) {
		c.Servers = map[string]config.ServerSettings{"laptop": {SignIn: status.AsEach}}
	}}, map[string]rig.MCPServer{"laptop": {URL: far.MCPURL}}))
	rig.WaitFor(t, "the need to sign in", func() bool { return signInOf(near, "laptop").SignIn.State == status.SignInNeeded })
	signInAt(t, near, "laptop", "alice")
	near.WaitForServers(t)
	return near
}

// linkFor calls a tool of the mounted server and returns the link that comes back.
func linkFor(t *testing.T, m *rig.MCP) string {
	t.Helper()
	r := m.TryTool("laptop__whoami", nil)
	link := linkIn.FindString(r.Body)
	if link == "" || !strings.Contains(r.Body, "your own account") {
		t.Fatalf("without a link: %s", r.Body)
	}
	return link
}

// Each uses the server as themselves, and nothing of one reaches the other; a link
// is good for the person whose program was shown it, in one browser.
func TestEach(t *testing.T) {
	far := rig.StartApp(t, rig.AppOptions{})
	near := eachAt(t, far)
	client := near.Register(t, rig.ClientURI)
	alice, bob := rig.NewBrowser(t), rig.NewBrowser(t)
	ofAlice, ofBob := near.MCP(t, near.SignIn(t, alice, client, "alice").Access), near.MCP(t, near.SignIn(t, bob, client, "bob").Access)

	walk := func(b *rig.Browser, link, user string) *rig.Page { return b.Walk(b.Open(link), user, "") }
	refused := func(what string, p *rig.Page) {
		t.Helper()
		if p.Status != http.StatusForbidden && p.Status != http.StatusBadRequest {
			t.Errorf("%s: %d: %s", what, p.Status, p.Text())
		}
	}
	link := linkFor(t, ofBob)
	if page := walk(bob, link, "bob"); page.Status != 200 || !strings.Contains(page.Text(), "laptop is used with your own account now") {
		t.Fatalf("bob's sign-in: %d %s\n%s", page.Status, page.Text(), near.Log)
	}
	refused("a link used twice", walk(bob, link, "bob"))
	if r := ofBob.TryTool("laptop__whoami", nil); r.Code != 0 {
		t.Fatalf("%s\nNEAR %s\nFAR %s", r.Body, near.Log, far.Log)
	}
	if got := ofBob.CallTool("laptop__whoami", nil); !strings.Contains(got, "bob@") || strings.Contains(got, "alice") {
		t.Errorf("bob is %s", got)
	}
	// alice has nothing of bob's, nor of the owner's, who is she herself.
	link = linkFor(t, ofAlice)
	foreign := walk(rig.NewBrowser(t), link, "bob")
	refused("a link that somebody else opened", foreign)
	if text := foreign.Text(); !strings.Contains(text, "Open only links that your own program shows you") || strings.Contains(text, "call the tool again") {
		t.Errorf("who opened another's link is told: %s", text)
	}
	link = linkFor(t, ofAlice)
	thief := rig.NewBrowser(t)
	thief.Open(link)
	refused("a link that another browser had opened", walk(alice, link, "alice"))
	link = linkFor(t, ofAlice)
	at := alice.OpenUntil(link, "")
	refused("the provider's answer in another browser", func() *rig.Page {
		p := rig.NewBrowser(t)
		half := alice.Walk(at, "alice", near.URL+"/auth/callback") // alice stops before the callback
		return p.Open(half.URL.String())
	}())
	link = linkFor(t, ofAlice)
	if page := walk(alice, link, "alice"); page.Status != 200 {
		t.Fatalf("alice's sign-in: %d %s", page.Status, page.Text())
	}
	if got := ofAlice.CallTool("laptop__whoami", nil); !strings.Contains(got, "alice@") {
		t.Errorf("alice is %s", got)
	}
	if got := ofBob.CallTool("laptop__whoami", nil); !strings.Contains(got, "bob@") {
		t.Errorf("then bob is %s", got)
	}
	if st := signInOf(near, "laptop").SignIn; st.People != 2 || st.As != status.AsEach || st.State != status.SignInOK {
		t.Errorf("status %+v", st)
	}
	// Whoever is revoked there has to sign in again, and nobody else.
	for _, session := range far.Srv.Snapshot().Sessions {
		if session.User.Email == "bob@example.com" {
			_ = far.Srv.Revoke(t.Context(), session.ID)
		}
	}
	linkFor(t, ofBob)
	ofAlice.CallTool("laptop__whoami", nil)
	if st := signInOf(near, "laptop"); st.State != "ok" {
		t.Errorf("one person's end is the server's: %+v", st)
	}
	if strings.Contains(near.Log.String(), "link=") {
		t.Error("a link is in the log")
	}
}

// A client that opens addresses is told where by its protocol, in both eras.
func TestEachElicits(t *testing.T) {
	near := eachAt(t, rig.StartApp(t, rig.AppOptions{}))
	tokens := near.SignIn(t, rig.NewBrowser(t), near.Register(t, rig.ClientURI), "bob")
	capabilities := map[string]any{"elicitation": map[string]any{"url": map[string]any{}}}
	old := near.MCP(t, tokens.Access)
	old.Capabilities = capabilities
	r := old.TryTool("laptop__whoami", nil)
	var asked struct {
		Error struct {
			Data struct {
				Elicitations []struct{ Mode, URL, Message, ElicitationID string }
			}
		}
	}
	if json.Unmarshal([]byte(r.Body), &asked) != nil || r.Code != -32042 || len(asked.Error.Data.Elicitations) != 1 || asked.Error.Data.Elicitations[0].Mode != "url" ||
		!linkIn.MatchString(asked.Error.Data.Elicitations[0].URL) || asked.Error.Data.Elicitations[0].ElicitationID == "" {
		t.Fatalf("2025-11-25: %s", r.Body)
	}
	modern := near.MCP(t, tokens.Access)
	modern.Modern, modern.Capabilities = true, capabilities
	r = modern.TryTool("laptop__whoami", nil)
	var input struct {
		ResultType    string
		InputRequests map[string]struct {
			Method string
			Params struct{ Mode, URL string }
		}
		RequestState string
	}
	if json.Unmarshal(r.Result, &input) != nil || input.ResultType != "input_required" || len(input.InputRequests) != 1 {
		t.Fatalf("2026-07-28: %s", r.Body)
	}
	for name, one := range input.InputRequests {
		if one.Method != "elicitation/create" || one.Params.Mode != "url" || !linkIn.MatchString(one.Params.URL) {
			t.Fatalf("2026-07-28: %s", r.Body)
		}
		bob := rig.NewBrowser(t)
		if page := bob.Walk(bob.Open(one.Params.URL), "bob", ""); page.Status != 200 {
			t.Fatalf("ended with %d %s", page.Status, page.Text())
		}
		// Whoever was asked with sessions hears that it is done.
		resp, err := rig.PlainHTTP.Do(old.Request(http.MethodGet, nil, "Accept", "text/event-stream"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		stream, told := bufio.NewScanner(resp.Body), ""
		for !strings.Contains(told, "elicitation/complete") && stream.Scan() {
			told = stream.Text()
		}
		if !strings.Contains(told, `"elicitationId":"`+asked.Error.Data.Elicitations[0].ElicitationID+`"`) {
			t.Errorf("told %q of %+v", told, asked.Error.Data.Elicitations)
		}
		again := modern.Call("tools/call", map[string]any{"name": "laptop__whoami", "arguments": map[string]any{}, "requestState": input.RequestState,
			"inputResponses": map[string]any{name: map[string]any{"action": "accept"}}})
		if !strings.Contains(again.Body, "bob@") {
			t.Errorf("after the sign-in: %s", again.Body)
		}
	}
}
