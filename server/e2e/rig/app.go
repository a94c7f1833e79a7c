package rig

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp/demo"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// AppOptions says how Drawbridge is set up for a test. The zero value is: the
// demo's provider, anybody who signs in there, a fresh data folder.
type AppOptions struct {
	Okta   *Okta    // the provider instead of the demo's
	Issuer string   // a provider of the test's own, with the demo's client id and secret
	Secret string   // at that provider; "": the demo's
	Groups []string // who may sign in; nil: anyone
	Plain  bool     // StartBinary without the race detector
	Binary string   // StartBinary with this program; "": the one of this tree

	Access, Refresh time.Duration        // lifetimes of tokens; 0: the default
	Config          func(*config.Config) // the last word on the configuration

	DataDir  string           // "": a new one
	Keystore keystore.Store   // nil: a new one in memory
	Now      func() time.Time // nil: time.Now

	// Undecided starts without waiting to be ready: its URL is not known yet.
	Undecided bool

	// ConfigFile is watched; it is written by the test.
	ConfigFile string

	// Front reaches the public URL from outside; nil: as strangers do.
	Front *http.Client

	// Env is more of the program's environment, as "NAME=value", and LogDir a
	// folder where all that it writes is kept, with --verbose. For StartBinary.
	Env    []string
	LogDir string

	Version string // "": e2e, which is no release. For StartApp

	// RealFetch fetches metadata documents as in earnest: from public
	// addresses only, and with the system's authorities.
	RealFetch bool
}

// App is a running Drawbridge.
type App struct {
	T      testing.TB
	URL    string // the issuer, no slash at the end
	MCPURL string

	Demo *demo.Running  // the provider, unless the test brought its own
	Srv  *server.Server // for what only the owner may do; nil where the real program runs
	Log  *Tail          // everything logged, at level debug

	Options AppOptions // as used: with data folder and keystore filled in
	Config  config.Config
	stop    func() // ends it, however it runs
	Program *Program
}

// StartApp starts Drawbridge in this process, where the race detector sees it,
// until the test ends.
func StartApp(t testing.TB, o AppOptions) *App {
	t.Helper()
	app := &App{T: t, Log: &Tail{}}
	app.Prepare(o)
	app.start()
	t.Cleanup(func() { app.stop() })
	return app
}

// Prepare fills in what the test left open.
func (app *App) Prepare(o AppOptions) {
	app.T.Helper()
	clientID, secret := demo.ClientID, demo.ClientSecret
	switch {
	case o.Okta != nil:
		o.Issuer, clientID, secret = o.Okta.Issuer, o.Okta.ClientID, o.Okta.ClientSecret
	case o.Issuer == "":
		app.Demo = StartDemoProvider(app.T)
		o.Issuer = app.Demo.Issuer
	}
	if o.Secret != "" {
		secret = o.Secret
	}
	cfg := config.Default()
	cfg.Listen = "127.0.0.1:0"
	cfg.IDP.Issuer, cfg.IDP.ClientID = o.Issuer, clientID
	if o.Okta != nil {
		cfg.IDP.Audience = o.Okta.Audience
	}
	cfg.Access = config.Access{Groups: o.Groups, Anyone: o.Groups == nil}
	if o.Access != 0 {
		cfg.Tokens.Access = o.Access
	}
	if o.Refresh != 0 {
		cfg.Tokens.Refresh = o.Refresh
	}
	if o.Config != nil {
		o.Config(&cfg)
	}
	if o.DataDir == "" {
		o.DataDir = app.T.TempDir()
	}
	if o.Keystore == nil {
		o.Keystore = keystore.Memory()
	}
	if err := o.Keystore.Set(app.T.Context(), keystore.IDPClientSecret, keystore.NewSecret(secret)); err != nil {
		app.T.Fatal(err)
	}
	app.Options, app.Config = o, cfg
}

// start runs a server and waits until it is ready.
func (app *App) start() {
	app.T.Helper()
	o := app.Options
	srv, err := server.New(server.Options{
		Config: app.Config, ConfigFile: o.ConfigFile, DataDir: o.DataDir, Keystore: o.Keystore, Version: cmp.Or(o.Version, "e2e"), Documents: app.documents(), Front: o.Front, Now: o.Now,
		Log: slog.New(slog.NewTextHandler(app.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		app.T.Fatal(err)
	}
	app.SetAddress(srv.Snapshot().Status)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	app.Srv = srv
	app.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			app.T.Errorf("Drawbridge ended with: %v", err)
		}
		app.stop = func() {}
	}
	if o.Undecided {
		return
	}
	WaitFor(app.T, "Drawbridge to be ready", func() bool { return srv.Snapshot().Status.State == status.Ready })
}

// SetAddress learns where Drawbridge listens, keeps it for a restart, and
// registers it with the provider.
func (app *App) SetAddress(st status.Status) {
	app.URL, app.MCPURL = st.Issuer, st.MCPURL
	app.Config.Listen = strings.TrimPrefix(st.LocalURL, "http://")
	if app.Options.Okta != nil {
		app.Options.Okta.AllowRedirect(app.URL + "/auth/callback")
	}
}

// Stop ends Drawbridge in the orderly way. Start runs it again at the same
// address with the same data.
func (app *App) Stop() {
	if app.stop != nil {
		app.stop()
	}
}

// Start is the other half of Stop and Kill.
func (app *App) Start() {
	app.T.Helper()
	if app.Program != nil {
		app.startProgram()
		return
	}
	app.start()
}

// documents fetches from the tests' own servers of metadata documents.
func (app *App) documents() *http.Client {
	if app.Options.RealFetch {
		return nil
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: Certificate().pool}}}
}

func StartDemoProvider(t testing.TB) *demo.Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p, err := demo.Start(ctx, "127.0.0.1:0")
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = p.Wait()
	})
	return p
}
