package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// firstDay is a Drawbridge without a configuration but for where the tests' edge
// is, beside a provider that nobody of Drawbridge wrote.
type firstDay struct {
	*rig.App
	okta   *rig.Okta
	edge   *edge.Edge
	link   string
	script *rig.Script
	steps  rig.SetupSteps
}

const firstDomain = "name.ngrok.app"

func startFirstDay(t *testing.T) *firstDay {
	t.Helper()
	d := &firstDay{okta: rig.StartOkta(t, "org")}
	d.edge = rig.StartEdge(t, edge.Options{Domain: firstDomain, Refuse: func(_, url string) string {
		if strings.Contains(url, "taken") {
			return "The domain is reserved for another account.\r\n\r\nERR_NGROK_320\r\n"
		}
		return ""
	}})
	d.App = startUnset(t, keystore.Memory(), func(file string) {
		cas := filepath.Join(t.TempDir(), "edge.pem")
		text := "[tunnel]\nconnect_url = '" + d.edge.AgentAddr() + "'\nconnect_cas = '" + cas + "'\n"
		if err := errors.Join(os.WriteFile(cas, d.edge.CAs(), 0o600), os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	})
	d.okta.AllowRedirect("https://" + firstDomain + "/auth/callback")
	d.link = d.Srv.Snapshot().Status.ConsoleURL
	d.script = rig.StartConsoleBrowser(t, "--host-resolver-rules=MAP "+firstDomain+":443 "+d.edge.VisitorAddr())
	return d
}

// picture is a step that shows the page as it stands.
func picture(t *testing.T, name string) []string {
	file, err := filepath.Abs("out/first-" + name)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"picture", file}
}

// do takes steps, and returns what they read.
func (d *firstDay) do(t *testing.T, keep bool, steps ...[]string) []string {
	t.Helper()
	d.steps = append(d.steps, steps...)
	texts := d.script.AskSetup(t, d.link, keep, steps)
	if t.Failed() {
		t.FailNow()
	}
	return texts
}

// count says how many of the steps have a verb.
func (d *firstDay) count(verb string) (n int) {
	for _, step := range d.steps {
		if step[0] == verb {
			n++
		}
	}
	return n
}

// The first day of a Drawbridge: from nothing to a client that signs in, in one
// browser, with one visit to the provider, in the order in which each step knows
// what it needs.
func TestSetupFirstStart(t *testing.T) {
	d := startFirstDay(t)
	begun := time.Now()
	texts := d.do(t, true,
		[]string{"wait", "About five minutes"}, picture(t, "1-welcome"),
		[]string{"key", "#start"},
		[]string{"wait", "Your address on the internet"}, picture(t, "2-tunnel"),
		[]string{"type", "#f-authtoken", rig.Authtoken},
		[]string{"key", "#tunnel button.main"},
		[]string{"wait", "Where do people sign in?"}, picture(t, "3-kinds"),
		[]string{"key", "#kind-okta"},
		[]string{"wait", "https://" + firstDomain + "/auth/callback"}, picture(t, "4-provider"),
		[]string{"key", "[data-copy=redirect-uri]"},
		[]string{"clipboard"},
		[]string{"type", "#f-domain", d.okta.Issuer},
		[]string{"type", "#f-client_id", d.okta.ClientID},
		[]string{"type", "#f-client_secret", d.okta.ClientSecret},
		[]string{"key", "#provider button.main"},
		[]string{"wait", "Who may sign in?"}, picture(t, "5-access"),
		[]string{"type", "#f-emails", "alice@example.com"},
		[]string{"key", "#access button.main"},
		[]string{"wait", "Try a sign-in"}, picture(t, "6-try"),
	)
	if texts[0] != "https://"+firstDomain+"/auth/callback" {
		t.Errorf("copied %q", texts[0])
	}
	rig.WaitFor(t, "Drawbridge to be ready", func() bool { return d.Srv.Snapshot().Status.State == status.Ready })
	d.do(t, true,
		[]string{"key", "#try button"}, // to the provider, and back to this page
		[]string{"wait", "Sign-in"},
		[]string{"type", "[name=login]", "alice"},
		[]string{"type", "[name=password]", "x"},
		[]string{"key", "[type=submit]"},
		[]string{"wait", "alice@example.com may sign in."}, picture(t, "7-done"),
		[]string{"read", "[data-part=setup-trial]"},
		[]string{"key", "#to-overview"},
		[]string{"wait", "https://" + firstDomain + "/mcp"},
	)
	clicks, fields := d.count("key"), d.count("type")
	t.Logf("the first start: %d clicks, %d fields, those of the provider's sign-in included; %v with pictures", clicks, fields, time.Since(begun).Round(time.Second))
	if clicks > 9 || fields > 7 {
		t.Errorf("%d clicks and %d fields", clicks, fields)
	}
	if n := len(d.Srv.Snapshot().Sessions); n != 0 {
		t.Errorf("the dry run made %d sessions", n)
	}
	for _, e := range d.Srv.Snapshot().Events {
		if strings.HasPrefix(string(e.Type), "signin") || strings.HasPrefix(string(e.Type), "token") {
			t.Errorf("the dry run left the event %s", e.Type)
		}
	}
	if live := d.okta.State().Live; len(live) > 0 {
		t.Errorf("refresh tokens left at the provider: %v", live)
	}
	for _, secret := range []string{d.okta.ClientSecret, rig.Authtoken} {
		if strings.Contains(d.Log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
	if cfg := d.Srv.Config(); cfg.Tunnel.Domain != firstDomain || cfg.IDP.Issuer != d.okta.Issuer {
		t.Errorf("saved %+v", cfg)
	}
	d.SetAddress(d.Srv.Snapshot().Status)
	b := rig.NewBrowser(t)
	b.HTTP.Transport = rig.PlainHTTP.Transport
	tokens := d.SignIn(t, b, d.Register(t, rig.ClientURI), "alice")
	if got := d.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("echo gave %q", got)
	}
}

// What goes wrong on a first day is told where it can be mended, once, before
// anybody is sent to a page that does not come back.
func TestSetupFirstFaults(t *testing.T) {
	d := startFirstDay(t)
	d.okta.AllowRedirect("https://elsewhere.example/auth/callback")
	once := func(sentence string) []string {
		return []string{"eval", "document.querySelector('main').innerText.split(" + "`" + sentence + "`" + ").length - 1"}
	}
	texts := d.do(t, true,
		[]string{"wait", "About five minutes"},
		[]string{"key", "#start"},
		[]string{"type", "#f-authtoken", rig.Authtoken},
		[]string{"type", "#f-tunnel_domain", "taken.ngrok.app"},
		[]string{"key", "#tunnel button.main"},
		[]string{"wait", "reserved by another ngrok account"}, picture(t, "fault-domain"),
		once("reserved by another ngrok account"),
		[]string{"eval", "(document.querySelector('#f-tunnel_domain').value = '', '')"},
		[]string{"type", "#f-authtoken", rig.Authtoken},
		[]string{"key", "#tunnel button.main"},
		[]string{"wait", "Where do people sign in?"},
		[]string{"key", "#kind-okta"},
		[]string{"type", "#f-domain", d.okta.Issuer},
		[]string{"type", "#f-client_id", d.okta.ClientID},
		[]string{"type", "#f-client_secret", "a-wrong-secret"},
		[]string{"key", "#provider button.main"},
		[]string{"wait", "Copy both again from the app there"}, picture(t, "fault-secret"),
		once("does not accept Drawbridge's client ID"),
		[]string{"type", "#f-client_secret", d.okta.ClientSecret},
		[]string{"key", "#provider button.main"},
		[]string{"wait", "One thing is left to do at the provider."}, picture(t, "fault-redirect"),
		once("Add https://"+firstDomain+"/auth/callback"),
		[]string{"key", "#step-access"},
		[]string{"wait", "Everybody else is refused"},
		[]string{"type", "#f-emails", "alice@example.com"},
		[]string{"key", "#access button.main"},
		[]string{"wait", "Try a sign-in"},
	)
	rig.WaitFor(t, "Drawbridge to be ready", func() bool { return d.Srv.Snapshot().Status.State == status.Ready })
	texts = append(texts, d.do(t, true,
		[]string{"key", "#try button"},
		[]string{"wait", "Try all the same"}, picture(t, "fault-redirect-try"),
		once("Add https://"+firstDomain+"/auth/callback"),
	)...)
	d.okta.AllowRedirect("https://" + firstDomain + "/auth/callback")
	d.do(t, false,
		[]string{"key", "#try button"},
		[]string{"wait", "Sign-in"},
		[]string{"type", "[name=login]", "bob"},
		[]string{"type", "[name=password]", "x"},
		[]string{"key", "[type=submit]"},
		[]string{"wait", "bob@example.com may not sign in"}, picture(t, "fault-nobody"),
		[]string{"key", "#to-access"},
		[]string{"wait", "Everybody else is refused"},
	)
	for _, n := range texts {
		if n != "1" && n != "" {
			t.Errorf("a page says the same %s times", n)
		}
	}
}
