package setup

import (
	"context"
	"errors"
	"log/slog"
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

// startUnset starts Drawbridge as on its first day: no secret, and no
// configuration but for what before writes.
func startUnset(t *testing.T, secrets keystore.Store, before func(configFile string)) *rig.App {
	t.Helper()
	app := &rig.App{T: t, Log: &rig.Tail{}}
	app.Options = rig.AppOptions{DataDir: t.TempDir(), Keystore: secrets, ConfigFile: filepath.Join(t.TempDir(), "drawbridge", "config.toml")}
	if before != nil {
		before(app.Options.ConfigFile)
	}
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

// Whoever is in Setup is told that the environment lacks the data key, rather
// than left with a page of a Drawbridge that has ended.
func TestSetupWithoutDataKey(t *testing.T) {
	app := startUnset(t, keystore.Env(func(string) (string, bool) { return "", false }), nil)
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
	app := startUnset(t, keystore.Memory(), nil)
	cfg := config.Default()
	cfg.Access = config.Access{Emails: []string{"ana@example.com"}, Rules: []config.Rule{{Emails: []string{"ana@example.com"}, Servers: []string{"files"}}}}
	cfg.Tokens.Access = time.Minute
	if err := rig.SaveConfig(app.Options.ConfigFile, cfg); err != nil {
		t.Fatal(err)
	}
	changed := app.Srv.Config()
	if err := app.Srv.Configure(t.Context(), changed, nil); err != nil || app.Srv.Configured() {
		t.Errorf("without a provider: %v", err) // the address comes first, and waits for it
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
