package signins_test

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// On a machine without a browser: the command prints the address, somebody signs
// in elsewhere, and what their browser ended at is pasted. The code is in nobody's
// arguments, and in nothing that is written.
func TestCommandLine(t *testing.T) {
	far := rig.StartApp(t, rig.AppOptions{})
	near := rig.StartBinary(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{"laptop": {URL: far.MCPURL}}))
	listed := func() (st status.Server) {
		var list []status.Server
		near.CommandJSON(t, &list, "server", "list", "--json")
		if len(list) == 1 {
			st = list[0]
		}
		return st
	}
	rig.WaitFor(t, "the need to sign in", func() bool { return listed().SignIn.State == status.SignInNeeded })
	path, err := rig.Binary()
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(answer func(end *url.URL) string) (printed string, code int) {
		command := rig.StartProcess(t, near.Program.Env, path, append([]string{"server", "sign-in", "laptop", "--code"}, near.Flags()...)...)
		authorize := rig.MustParse(t, command.Line())
		back := authorize.Query().Get("redirect_uri")
		if !strings.HasPrefix(back, "http://127.0.0.1:") {
			t.Fatalf("it leads back to %s", back)
		}
		b := rig.NewBrowser(t)
		end := b.Walk(b.OpenUntil(authorize.String(), back), "alice", back)
		if end.Status != 0 {
			t.Fatalf("ended at %s: %s", rig.WithoutQuery(end.URL), end.Text())
		}
		_, _ = io.WriteString(command.Stdin, answer(end.URL)+"\n")
		printed, code = command.Wait()
		return printed + command.Log.String(), code
	}
	// What is pasted belongs to this very sign-in.
	for name, spoil := range map[string]func(q url.Values){
		"another state":  func(q url.Values) { q.Set("state", "x") },
		"another issuer": func(q url.Values) { q.Set("iss", "https://evil.example") },
		"another code":   func(q url.Values) { q.Set("code", "x") },
		"no code":        func(q url.Values) { q.Del("code") },
	} {
		printed, code := signIn(func(end *url.URL) string {
			q := end.Query()
			spoil(q)
			end.RawQuery = q.Encode()
			return end.String()
		})
		if code != 1 || strings.Contains(printed, "code=") || listed().SignIn.State != status.SignInNeeded {
			t.Errorf("%s: exit code %d, %s", name, code, printed)
		}
	}
	var secret string
	printed, code := signIn(func(end *url.URL) string { secret = end.Query().Get("code"); return end.String() })
	if code != 0 || !strings.Contains(printed, "Signed in: laptop") || strings.Contains(printed, secret) || strings.Contains(near.Log.String(), secret) {
		t.Errorf("exit code %d: %s", code, printed)
	}
	rig.WaitFor(t, "its tools", func() bool { st := listed(); return st.State == "ok" && st.Tools == 3 })
	if printed, code := near.Command("server", "list"); code != 0 || !strings.Contains(printed, "signed in") {
		t.Errorf("list: %s", printed)
	}
	if printed, code := rig.StartProcess(t, near.Program.Env, path, append(near.Flags(), "completion", "bash", "--", "server", "sign-out", "lap")...).Wait(); code != 0 || !strings.HasPrefix(printed, "laptop") {
		t.Errorf("completion: %d %s", code, printed)
	}
	if printed, code := near.Command("server", "sign-out", "laptop"); code != 0 || !strings.HasPrefix(printed, "Signed out at laptop.") {
		t.Errorf("sign-out: %d %s", code, printed)
	}
	rig.WaitFor(t, "the sign-out to reach the other", func() bool { return len(far.Sessions(t)) == 0 })
	var checks []status.Check
	if out, code := near.Command("doctor", "--json"); code != 1 || json.Unmarshal([]byte(out), &checks) != nil {
		t.Fatalf("doctor: %d %s", code, out)
	}
	for _, c := range checks {
		if c.Name == "server laptop" && (c.OK || !strings.HasSuffix(c.Cure, "or with `drawbridge server sign-in laptop`.")) {
			t.Errorf("doctor: %+v", c)
		}
	}
}
