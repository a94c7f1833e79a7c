package console_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/console/consoletest"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// changeable is an app that Setup changes, whose providers are nowhere.
type changeable struct {
	mu      sync.Mutex // guards all below
	cfg     config.Config
	secrets map[string]keystore.Secret
	saved   int
	fail    error
	trial   wizard.TrialStatus
	began   string
	back    string
	asked   int // the keychain was
}

func (c *changeable) Config() config.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg
}
func (c *changeable) PublicURL() string { return "https://name.ngrok.app" }
func (c *changeable) HasSecret(account string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	_, ok := c.secrets[account]
	return ok
}
func (c *changeable) Configure(_ context.Context, cfg config.Config, secrets map[string]keystore.Secret) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	c.cfg = cfg
	c.saved++
	for account, s := range secrets {
		if !s.IsZero() {
			c.secrets[account] = s
		}
	}
	return nil
}
func (c *changeable) Wizard() *wizard.Wizard {
	return &wizard.Wizard{HTTP: &http.Client{Transport: nowhere{}}, Keystore: keystore.Memory()}
}
func (c *changeable) StartDryRun(_ context.Context, back string, _ bool) (string, error) {
	c.back = back
	return c.began, nil
}
func (c *changeable) DryRun() wizard.TrialStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trial
}

type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no network") }

func startSetup(t *testing.T) (*consoletest.Rig, *changeable, string) {
	t.Helper()
	app := &changeable{cfg: config.Default(), secrets: map[string]keystore.Secret{}}
	rig := consoletest.StartWith(t, consoletest.Sample(), consoletest.Now, app)
	return rig, app, rig.Token(t)
}

// A form with an error keeps its entries, as text, and gives no secret back.
func TestSetupKeepsEntries(t *testing.T) {
	rig, app, token := startSetup(t)
	for _, c := range []struct {
		name, path string
		form       []string
		says       []string
	}{
		{"a provider that can't be reached", "/setup/provider", []string{"kind", "other", "issuer", "idp.example.com", "client_id", "my-client", "client_secret", "s3cret-value"},
			[]string{"can&#39;t be reached", `value="idp.example.com"`, `value="my-client"`, `aria-describedby="e-issuer`}},
		{"markup in every field", "/setup/provider", []string{"kind", "keycloak", "url", `"><script>alert(1)</script>`, "realm", `<img src=x>`, "client_id", "a\" b", "client_secret", "s3cret-value"},
			[]string{"&#34;&gt;&lt;script&gt;", "&lt;img src=x&gt;", "This is no address of a Keycloak"}},
		{"bytes that are no text", "/setup/provider", []string{"kind", "other", "issuer", "\xff\xfe\x00", "client_id", "\x00"}, []string{"This is no issuer"}},
		{"far too much", "/setup/provider", []string{"kind", "other", "issuer", strings.Repeat("x", 100_000)}, []string{"too long"}},
		{"a tunnel without authtoken", "/setup/tunnel", []string{"tunnel", "ngrok", "tunnel_domain", "no domain"}, []string{"authtoken is missing", "This is no domain", `value="no domain"`}},
		{"an authtoken that is none", "/setup/tunnel", []string{"tunnel", "ngrok", "authtoken", "s3cret value"}, []string{"does not look like an authtoken"}},
		{"a tunnel nobody has heard of", "/setup/tunnel", []string{"tunnel", "carrier pigeon"}, []string{"Choose how the internet reaches this computer."}},
		{"nobody", "/setup/access", []string{"emails", " "}, []string{"Nobody may sign in yet"}},
		{"half an address", "/setup/access", []string{"emails", "ana", "groups", "<b>"}, []string{"whole address", ">ana</textarea>", "&lt;b&gt;"}},
		{"no kind", "/setup/provider", []string{"kind", "../evil"}, []string{"Choose your provider first"}},
		{"an authorization server with a path of something else", "/setup/provider", []string{"kind", "okta", "domain", "dev-1.okta.com", "server", "a b"}, []string{"no ID of an authorization server", `<p id="e-server"`}},
		{"a proxy that is none", "/setup/provider", []string{"kind", "other", "issuer", "idp.example.com", "proxy", "ftp://ana:s3cret@proxy.example", "proxy_password", "s3cret"},
			[]string{"no address of a proxy", `<details id="network" open>`, `value="ftp://ana@proxy.example"`}},
		{"hosts that are none", "/setup/provider", []string{"kind", "other", "issuer", "idp.example.com", "proxy", "", "no_proxy", "https://<b>"}, []string{"no host, domain or network"}},
	} {
		t.Run("it handles "+c.name, func(t *testing.T) {
			r := rig.Post(t, token, c.path, c.form...)
			for _, want := range c.says {
				if !strings.Contains(r.Body, want) {
					t.Errorf("no %q in the page", want)
				}
			}
			if strings.Contains(r.Body, "s3cret") || strings.Contains(r.Body, "<script>") || strings.Contains(r.Body, "<img") {
				t.Error("the page gives a secret or markup back")
			}
		})
	}
	if app.saved > 0 {
		t.Errorf("%d forms were saved", app.saved)
	}
}

func TestSetupSaves(t *testing.T) {
	rig, app, token := startSetup(t)
	app.cfg.IDP.Issuer, app.cfg.IDP.ClientID = "https://dev-1.okta.com", "0oa1b2c3d4e5f6g7h8i9"
	app.cfg.Access.Rules = []config.Rule{{}}
	app.secrets[keystore.IDPClientSecret] = keystore.NewSecret("s3cret-old")

	r := rig.Post(t, token, "/setup/tunnel", "tunnel", "ngrok", "authtoken", "ngrok config add-authtoken 2aBcDeFgHiJkLmNoPqRs_s3cret", "tunnel_domain", "https://name.ngrok.app/mcp")
	if r.Status != http.StatusOK || app.cfg.Tunnel.Domain != "name.ngrok.app" || app.secrets[keystore.NgrokAuthtoken].Reveal() != "2aBcDeFgHiJkLmNoPqRs_s3cret" {
		t.Errorf("%d, %+v", r.Status, app.cfg.Tunnel)
	}
	if !strings.Contains(r.Body, `aria-current="step">Provider`) || strings.Contains(r.Body, "s3cret") {
		t.Error("it does not lead on, or tells the authtoken")
	}
	r = rig.Post(t, token, "/setup/access", "emails", "ana@example.com, @example.org", "groups", "admins")
	if a := app.cfg.Access; r.Status != http.StatusOK || len(a.Emails) != 1 || len(a.Domains) != 1 || len(a.Groups) != 1 || len(a.Rules) != 1 {
		t.Errorf("%d, %+v", r.Status, a)
	}
	if !strings.Contains(strings.Join(app.cfg.IDP.Scopes, " "), "groups") {
		t.Errorf("asks for %v", app.cfg.IDP.Scopes)
	}
	if app.secrets[keystore.IDPClientSecret].Reveal() != "s3cret-old" {
		t.Error("a secret that was left empty did not stay")
	}

	app.fail = &wizard.ErrSetInEnvironment{Names: []string{"DRAWBRIDGE_NGROK_AUTHTOKEN"}}
	if r = rig.Post(t, token, "/setup/access", "emails", "ana@example.com"); r.Status != http.StatusOK || !strings.Contains(r.Body, "set DRAWBRIDGE_NGROK_AUTHTOKEN before") {
		t.Errorf("%d: it does not name the variable", r.Status)
	}
	app.fail = errors.New("the keychain is locked, so it could not be stored: unlock it, then try again")
	if r = rig.Post(t, token, "/setup/access", "emails", "bob@example.com"); r.Status != http.StatusUnprocessableEntity || !strings.Contains(r.Body, "keychain is locked") || !strings.Contains(r.Body, ">bob@example.com</textarea>") {
		t.Errorf("%d: the failure is not told, or the entry is lost", r.Status)
	}
}

// What a provider said at the dry run is shown as text, and a link leads to a
// web address or nowhere.
func TestSetupDryRun(t *testing.T) {
	rig, app, token := startSetup(t)
	app.cfg.PublicURL = "https://name.ngrok.app"
	app.trial = wizard.TrialStatus{State: wizard.TrialDone, Result: &wizard.TrialResult{Name: evil, Email: evil, Groups: []string{evil}, Scopes: []string{evil},
		Verdict: wizard.Sentence{Text: "{who} may sign in.", Words: map[string]string{"who": evil}}}}
	body := rig.Get(t, token, "/setup?step=try").Body
	if strings.Contains(body, "<img") || strings.Contains(body, "<script") || strings.Contains(body, "\u202e") || strings.Contains(body, "\x1b") {
		t.Error("what the provider says is not shown as text")
	}
	for address, link := range map[string]bool{"https://idp.example.com/authorize?state=x": true, "javascript:alert(1)": false, "": false} {
		app.began = address
		r := rig.Post(t, token, "/setup/try")
		if got := strings.Contains(r.Body, `id="go"`); got != link {
			t.Errorf("%q makes a link: %t", address, got)
		}
	}
	if rig.Post(t, "", "/setup/try").Status != http.StatusUnauthorized {
		t.Error("a stranger began a dry run")
	}
}

// The stream tells what becomes of the dry run, in the person's language, and
// leaves the keychain alone: a locked one opens a window each time.
func TestSetupLive(t *testing.T) {
	rig, app, token := startSetup(t)
	lines := follow(t, rig, token, "/setup?step=try")
	until(t, lines, func(l line) bool { return l.Part == "setup-trial" && strings.Contains(l.HTML, "Try a sign-in") })
	app.mu.Lock()
	app.trial = wizard.TrialStatus{State: wizard.TrialAsking}
	app.mu.Unlock()
	until(t, lines, func(l line) bool { return l.Part == "setup-trial" && strings.Contains(l.HTML, "The browser is back") })
	rig.Change(func(d *consoletest.Data) {
		d.Status.Tunnel.State, d.Status.Tunnel.Error = "down", wizard.FromTunnel(tunnel.Refusal("ERR_NGROK_334")).String()
	})
	until(t, lines, func(l line) bool { return l.Part == "setup-tunnel-state" && strings.Contains(l.HTML, "ERR_NGROK_334") })
	app.mu.Lock()
	asked := app.asked
	app.mu.Unlock()
	if asked > 0 {
		t.Errorf("the keychain was asked %d times", asked)
	}
	rig.Get(t, token, "/setup")
	if app.asked > 2 {
		t.Errorf("one page asked the keychain %d times", app.asked)
	}
}

// The report says how things stand after the checks: a server that answered them
// is no failure any more.
func TestReportAfterTheChecks(t *testing.T) {
	data := consoletest.Sample()
	data.Status.Servers = []status.Server{{Name: "files", State: "failed", Error: "it ended"}}
	data.Examined = func(d *consoletest.Data) { d.Status.Servers = []status.Server{{Name: "files", State: "ok"}} }
	data.Checks = []status.Check{{Name: "server files", OK: true, Result: "it answers, and offers 3 tools"}}
	rig := consoletest.StartWith(t, data, consoletest.Now, nil)
	body := rig.Post(t, rig.Token(t), "/doctor/run").Body
	if !strings.Contains(body, "server files: ok") || strings.Contains(body, "it ended") {
		t.Errorf("the report is of before: %s", body)
	}
}
