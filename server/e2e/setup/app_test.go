package setup

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// startUnset starts Drawbridge as on its first day: no configuration, no secret.
func startUnset(t *testing.T, secrets keystore.Store) *rig.App {
	t.Helper()
	app := &rig.App{T: t, Log: &rig.Tail{}}
	app.Options = rig.AppOptions{DataDir: t.TempDir(), Keystore: secrets, ConfigFile: filepath.Join(t.TempDir(), "drawbridge", "config.toml")}
	srv, err := server.New(server.Options{Config: config.Default(), ConfigFile: app.Options.ConfigFile, Unusable: errors.New("there is no configuration yet"), Listen: "127.0.0.1:0",
		DataDir: app.Options.DataDir, Keystore: app.Options.Keystore, Version: "e2e", Log: slog.New(slog.NewTextHandler(app.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	app.Srv = srv
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Drawbridge ended with: %v", err)
		}
	})
	rig.WaitFor(t, "the console", func() bool { return srv.Snapshot().Status.ConsoleURL != "" })
	return app
}

// The first day of a Drawbridge: Setup in a browser, a dry run that makes no
// grant, and then a client that signs in, all without a restart.
func TestSetupFirstStart(t *testing.T) {
	okta := rig.StartOkta(t, "org")
	app := startUnset(t, keystore.Memory())
	browser := rig.StartConsoleBrowser(t)
	link := app.Srv.Snapshot().Status.ConsoleURL
	browser.AskSetup(t, link, true, rig.SetupSteps{
		{"wait", "Who signs you in?"},
		{"key", "#kind-okta"},
		{"type", "#f-domain", okta.Issuer},
		{"key", "#provider button.main"},
		{"wait", "Choose the authorization server"},
		{"type", "#f-client_id", okta.ClientID},
		{"type", "#f-client_secret", okta.ClientSecret},
		{"key", "#provider button.main:not([name])"},
		{"wait", "The tunnel now"},
		{"eval", "document.querySelector('[name=tunnel][value=none]').click()"},
		{"key", "#tunnel button.main"},
		{"wait", "Everybody else is refused"},
		{"type", "#f-groups", "admins"},
		{"key", "#access button.main"},
		{"wait", "Try a sign-in"},
	})
	if t.Failed() {
		return
	}
	rig.WaitFor(t, "Drawbridge to be ready", func() bool { return app.Srv.Snapshot().Status.State == status.Ready })
	app.SetAddress(app.Srv.Snapshot().Status)
	okta.AllowRedirect(app.URL + "/auth/callback")
	address := browser.AskSetup(t, link, true, rig.SetupSteps{
		{"key", "#try button"},
		{"wait", "in a new tab"},
		{"eval", "document.querySelector('#go').href"},
	})
	if t.Failed() {
		return
	}
	u, err := url.Parse(address[0])
	if err != nil {
		t.Fatal(err)
	}
	if app.Get(t, "/auth/callback?code=x&state="+u.Query().Get("state")+"x").Status == http.StatusOK {
		t.Error("another state was taken for the dry run's")
	}
	browser.AskSetup(t, link, false, rig.SetupSteps{
		{"tab", address[0]},
		{"type", "[name=login]", "alice"},
		{"type", "[name=password]", "x"},
		{"key", "[type=submit]"},
		{"wait", "Go back to Setup"},
		{"wait", "Nobody was signed in to anything"},
		{"close"},
		{"wait", "alice@example.com may sign in."},
		{"wait", "everyone, admins"},
		{"key", "#to-overview"},
		{"wait", app.MCPURL},
	})
	if n := len(app.Srv.Snapshot().Sessions); n != 0 {
		t.Errorf("the dry run made %d sessions", n)
	}
	for _, e := range app.Srv.Snapshot().Events {
		if strings.HasPrefix(string(e.Type), "signin") || strings.HasPrefix(string(e.Type), "token") {
			t.Errorf("the dry run left the event %s", e.Type)
		}
	}
	if live := okta.State().Live; len(live) > 0 {
		t.Errorf("refresh tokens left at the provider: %v", live)
	}
	for _, secret := range []string{okta.ClientSecret, u.Query().Get("state"), u.Query().Get("nonce")} {
		if strings.Contains(app.Log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
	if scopes := u.Query().Get("scope"); !strings.Contains(scopes, "groups") {
		t.Errorf("Okta was asked for %q, without groups", scopes)
	}
	tokens := app.SignIn(t, rig.NewBrowser(t), app.Register(t, rig.ClientURI), "alice")
	if got := app.MCP(t, tokens.Access).CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Errorf("echo gave %q", got)
	}
}

// Whoever is in Setup is told that the environment lacks the data key, rather
// than left with a page of a Drawbridge that has ended.
func TestSetupWithoutDataKey(t *testing.T) {
	app := startUnset(t, keystore.Env(func(string) (string, bool) { return "", false }))
	cfg := config.Default()
	cfg.IDP.Issuer, cfg.IDP.ClientID, cfg.Access.Anyone = "http://127.0.0.1:9", "id", true
	if err := app.Srv.Configure(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "status to name what is missing", func() bool {
		st := app.Srv.Snapshot().Status
		return st.State == status.Error && strings.Contains(st.Error, "DRAWBRIDGE_DATA_KEY is not set")
	})
}

// What a person wrote into a configuration that can't be used yet is still
// there when Setup has completed it: above all who may do what.
func TestSetupKeepsWhatThereIs(t *testing.T) {
	app := startUnset(t, keystore.Memory())
	cfg := config.Default()
	cfg.Access = config.Access{Emails: []string{"ana@example.com"}, Rules: []config.Rule{{Emails: []string{"ana@example.com"}, Servers: []string{"files"}}}}
	cfg.Tokens.Access = time.Minute
	if err := rig.SaveConfig(app.Options.ConfigFile, cfg); err != nil {
		t.Fatal(err)
	}
	changed := app.Srv.Config()
	if err := app.Srv.Configure(t.Context(), changed, nil); err == nil || err.Error() != "the configuration lacks idp.issuer: begin with the provider" {
		t.Errorf("without a provider it says %v", err)
	}
	changed.IDP.Issuer, changed.IDP.ClientID = "http://127.0.0.1:9", "id"
	if err := app.Srv.Configure(t.Context(), changed, nil); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(app.Options.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Access, cfg.Access) || got.Tokens != cfg.Tokens || got.IDP.ClientID != "id" {
		t.Errorf("Setup left %+v, %+v", got.Access, got.Tokens)
	}
}
