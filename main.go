// Drawbridge lets a person's AI client use the tools on their own computer,
// from anywhere, without opening that computer to the world.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/adrg/xdg"
	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/control/command"
	"github.com/drawbridge-app/drawbridge/server/demo"
	"github.com/drawbridge-app/drawbridge/server/setup"
	"github.com/drawbridge-app/drawbridge/server/status"
	"github.com/drawbridge-app/drawbridge/tray"
)

// cli is the table of commands.
type cli struct {
	Config   string `help:"The configuration file." placeholder:"FILE" type:"path"`
	Data     string `help:"The data folder, which holds the state and the key of the running instance." placeholder:"DIR" type:"path"`
	Keystore string `help:"Where secrets are kept: os, the system keychain; env, environment variables." enum:"os,env" default:"os"`
	Verbose  bool   `help:"Log more detail."`

	ShowVersion kong.VersionFlag `name:"version" help:"Show the version."`

	Run      runCommand       `cmd:"" default:"withargs" help:"Run Drawbridge. This is the default command."`
	Demo     demoCommand      `cmd:"" help:"Try Drawbridge on this computer, without any account."`
	Setup    setupCommand     `cmd:"" help:"Write the configuration and store the secrets in the keychain."`
	Doctor   doctorCommand    `cmd:"" help:"Check everything that a sign-in needs, and say what to fix."`
	Status   command.Status   `cmd:"" help:"Show the status of the running instance."`
	Sessions command.Sessions `cmd:"" help:"List the sessions: who is signed in, with which client."`
	Events   command.Events   `cmd:"" help:"Show the history of events."`
	Attempts command.Attempts `cmd:"" help:"Explain why clients did or did not connect."`
	Clients  command.Clients  `cmd:"" help:"List the clients that somebody has signed in with."`
	Access   command.Access   `cmd:"" help:"Show what a person may use."`
	Logs     command.Logs     `cmd:"" help:"Show the log of a mounted server."`
	Import   command.Import   `cmd:"" help:"Import the servers of Claude Desktop, Cursor or VS Code."`
	Secret   command.Secret   `cmd:"" help:"Manage the secrets of mounted servers in the keychain."`
	Revoke   command.Revoke   `cmd:"" help:"Revoke a session, or all of them."`
	Console  consoleCommand   `cmd:"" help:"Open the console in a browser."`
	Pause    command.Pause    `cmd:"" help:"Pause: the tunnel closes and /mcp answers 503 until resume. Sessions are kept."`
	Resume   command.Resume   `cmd:"" help:"Resume after a pause."`
	Quit     command.Quit     `cmd:"" help:"Stop the running instance."`
	Tunnel   command.Tunnel   `cmd:"" help:"Reopen the tunnel, or accept its new URL."`
	Version  versionCommand   `cmd:"" help:"Show the version."`
	Help     helpCommand      `cmd:"" help:"Show this help, or that of a command."`
}

// app is what commands are run with.
type app struct {
	ctx    context.Context
	out    io.Writer
	errOut io.Writer
	config string
	data   string // "" if not given
	store  keystore.Store
	env    bool // store is the environment
	log    *slog.Logger
}

func main() {
	keystore.ChildMain()
	server.ChildMain()
	if os.Getenv("GOGC") == "" {
		// Little of what a call allocates lives on, so the collector may come
		// less often; it costs a few megabytes.
		debug.SetGCPercent(400)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs a command line and returns the exit code: 0 done, 1 failed, 2 wrong
// usage.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c cli
	exit := -1
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	parser, err := kong.New(&c, kong.Name("drawbridge"), kong.Description("Let your AI client use the tools on this computer, guarded by your identity provider."),
		kong.Writers(out, errOut), kong.Exit(func(code int) { exit = code }), kong.UsageOnError(), kong.Vars{"version": versionLine()})
	if err != nil {
		return fail(errOut, err, 1)
	}
	chosen, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help, --version
		return exit
	case err != nil:
		return fail(errOut, fmt.Errorf("%w. See drawbridge --help", err), 2)
	}
	a := c.app(ctx, out, errOut)
	err = chosen.Run(a, command.App{Context: ctx, In: os.Stdin, Out: out, DataDir: a.dataDir(), Config: a.config, Secrets: a.store})
	var usage command.UsageError
	switch {
	case errors.As(err, &usage):
		return fail(errOut, err, 2)
	case err != nil:
		return fail(errOut, err, 1)
	}
	return 0
}

func fail(w io.Writer, err error, code int) int {
	_, _ = fmt.Fprintf(w, "drawbridge: %v\n", err)
	return code
}

func (c cli) app(ctx context.Context, out, errOut io.Writer) *app {
	a := &app{ctx: ctx, out: out, errOut: errOut, config: c.Config, data: c.Data, store: keystore.OS()}
	if a.config == "" {
		a.config = filepath.Join(xdg.ConfigHome, "drawbridge", "config.toml")
	}
	if c.Keystore == "env" {
		a.store, a.env = keystore.Env(os.LookupEnv), true
	}
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	a.log = slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: level}))
	return a
}

// dataDir is the data folder given, else the user's own.
func (a *app) dataDir() string {
	if a.data != "" {
		return a.data
	}
	return filepath.Join(xdg.DataHome, "drawbridge")
}

// options reads the configuration for a server that listens on listen, if given.
func (a *app) options(listen string) (server.Options, error) {
	cfg, err := config.Load(a.config)
	if errors.Is(err, os.ErrNotExist) {
		return server.Options{}, fmt.Errorf("there is no configuration at %s yet. Run `drawbridge setup`, or try `drawbridge demo`", a.config)
	}
	if err != nil {
		return server.Options{}, err
	}
	if listen != "" {
		cfg.Listen = listen
	}
	o := a.bare(listen)
	o.Config = cfg
	return o, nil
}

// bare is the options without a configuration.
func (a *app) bare(listen string) server.Options {
	return server.Options{ConfigFile: a.config, Listen: listen, DataDir: a.dataDir(), Keystore: a.store, Version: version(), Log: a.log}
}

type runCommand struct {
	Headless bool   `help:"Run without a tray icon."`
	Listen   string `help:"Address to listen on (default 127.0.0.1:8000)." placeholder:"ADDR"`
}

func (c runCommand) Run(a *app) error {
	o, err := a.options(c.Listen)
	if err == nil && len(o.Config.Missing()) > 0 {
		err = fmt.Errorf("the configuration %s lacks %s. Run `drawbridge setup`", a.config, o.Config.Missing()[0])
	}
	if err != nil {
		o = a.bare(c.Listen)
		o.Unusable = err
	}
	s, err := server.New(o)
	if err != nil {
		return a.openOther(c.Headless, err)
	}
	if o.Unusable != nil {
		_, _ = fmt.Fprintf(a.errOut, "drawbridge: %v\n", o.Unusable)
		_, _ = fmt.Fprintln(a.out, "Setup waits in the console: run `drawbridge console` to open it in a browser on this computer.")
		if !c.Headless && tray.Available() == nil {
			_ = tray.Open(a.ctx, s.ConsoleLink("/setup")) // `drawbridge console` is the other way
		}
	}
	return a.serve(c.Headless, s, s.Run, a.again(c.Listen))
}

// again is the arguments that start the same Drawbridge at login: none where
// secrets come from this environment.
func (a *app) again(listen string) []string {
	if a.env {
		return nil
	}
	args := []string{"run"}
	for _, f := range [][2]string{{"--config", a.config}, {"--data", a.data}, {"--listen", listen}} {
		if f[1] != "" {
			args = append(args, f[0], f[1])
		}
	}
	return args
}

// serve runs s, with its menu where there is a desktop. again is what "Start
// at login" runs; nil hides it.
func (a *app) serve(headless bool, s *server.Server, run func(context.Context) error, again []string) error {
	if headless {
		return run(a.ctx)
	}
	if err := tray.Available(); err != nil {
		_, _ = fmt.Fprintf(a.out, "No tray icon: %v. Running headless, see `drawbridge status`.\n", err)
		return run(a.ctx)
	}
	return tray.Serve(a.ctx, s, tray.Options{Arguments: again, Log: a.log}, run)
}

// openOther brings up the console of the Drawbridge that already runs on this
// data folder, if that is why this one can't.
func (a *app) openOther(headless bool, cause error) error {
	client, err := control.Dial(a.dataDir())
	if headless || err != nil || tray.Available() != nil {
		return cause
	}
	defer client.Close()
	if link, err := client.ConsoleLink(a.ctx); err == nil && tray.Open(a.ctx, link) == nil {
		_, _ = fmt.Fprintln(a.out, "Opened the console of the Drawbridge that is running already.")
	}
	return cause
}

type consoleCommand struct {
	Print bool `help:"Print a link, valid once and for a minute, instead of opening it."`
}

func (c consoleCommand) Run(a *app) error {
	client, err := control.Dial(a.dataDir())
	if err != nil {
		return err
	}
	defer client.Close()
	link, err := client.ConsoleLink(a.ctx)
	if err != nil {
		return err
	}
	if !c.Print && tray.Open(a.ctx, link) == nil {
		_, err = fmt.Fprintln(a.out, "The console opens in your browser.")
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\nOpen this address in a browser on this computer. It works once, within a minute.\n", link)
	return err
}

type demoCommand struct {
	Headless     bool   `help:"Run without a tray icon."`
	Listen       string `help:"Address to listen on (default 127.0.0.1:8000; with --provider-only, any free port)." placeholder:"ADDR"`
	ProviderOnly bool   `help:"Run only the built-in identity provider, and print its issuer URL."`
}

func (c demoCommand) Run(a *app) error {
	if c.ProviderOnly {
		if c.Listen == "" {
			c.Listen = "127.0.0.1:0"
		}
		return demo.Provider(a.ctx, c.Listen, a.out)
	}
	cfg := config.Default()
	if c.Listen != "" {
		cfg.Listen = c.Listen
	}
	d, err := demo.New(a.ctx, server.Options{Config: cfg, DataDir: a.data, Version: version(), Log: a.log})
	if err != nil {
		return err
	}
	d.Introduce(a.out)
	return a.serve(c.Headless, d.Server, d.Run, nil)
}

type doctorCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c doctorCommand) Run(a *app) error {
	checks, err := c.checks(a)
	if err != nil {
		return err
	}
	if err := control.PrintChecks(a.out, checks, c.JSON); err != nil {
		return err
	}
	for _, check := range checks {
		if !check.OK {
			return fmt.Errorf("%s: %s", check.Name, check.Cure)
		}
	}
	return nil
}

// checks asks the running instance, which sees more; without one it looks at
// the configuration itself.
func (c doctorCommand) checks(a *app) ([]status.Check, error) {
	if client, err := control.Dial(a.dataDir()); err == nil {
		if checks, err := client.Doctor(a.ctx); err == nil {
			return checks, nil
		}
	}
	o, err := a.options("")
	if err != nil {
		return nil, err
	}
	return server.Examine(a.ctx, o), nil
}

type versionCommand struct{}

func (versionCommand) Run(a *app) error {
	_, err := fmt.Fprintln(a.out, versionLine())
	return err
}

func versionLine() string {
	return fmt.Sprintf("drawbridge %s, commit %s, %s", version(), commit(), runtime.Version())
}

// helpCommand stands in the table alone: run makes --help of it.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command."`
}

func (helpCommand) Run() error { return nil }

type setupCommand struct {
	Issuer       string   `help:"The provider's issuer URL." placeholder:"URL"`
	ClientID     string   `name:"client-id" help:"The client ID at the provider." placeholder:"ID"`
	Audience     string   `help:"The audience that the provider's access token must carry." placeholder:"AUD"`
	PublicURL    string   `name:"public-url" help:"The public URL that clients use." placeholder:"URL"`
	Listen       string   `help:"Address to listen on." placeholder:"ADDR"`
	Email        []string `help:"A verified e-mail address that may sign in. Repeatable." placeholder:"ADDRESS"`
	Domain       []string `help:"A domain whose verified addresses may sign in. Repeatable." placeholder:"DOMAIN"`
	Group        []string `help:"A group whose members may sign in. Repeatable." placeholder:"GROUP"`
	Anyone       bool     `help:"Let in everybody whom the provider signs in."`
	Tunnel       string   `help:"The tunnel provider: ngrok or none." placeholder:"NAME"`
	TunnelDomain string   `name:"tunnel-domain" help:"The tunnel's domain." placeholder:"HOST"`
	Proxy        string   `help:"The proxy by which this computer reaches the internet." placeholder:"URL"`
	NoProxy      []string `name:"no-proxy" help:"A host, domain or network that is reached without the proxy. Repeatable." placeholder:"HOST"`
	CAFile       string   `name:"ca-file" help:"PEM file with authorities that count besides the system's." placeholder:"FILE" type:"path"`
	SecretStdin  bool     `name:"secret-stdin" help:"Read the client secret from standard input; with ngrok, the authtoken may follow on a second line."`
	TokenStdin   bool     `name:"authtoken-stdin" help:"Read ngrok's authtoken from standard input; after --secret-stdin's line, if that is given too."`
	FromEnv      string   `name:"from-env" help:"Read the .env file of a FastMCP server." placeholder:"FILE" type:"path"`
}

func (c setupCommand) Run(a *app) error {
	err := setup.Run(a.ctx, setup.Options{ConfigPath: a.config, Keystore: a.store, In: os.Stdin, Out: a.out,
		Issuer: c.Issuer, ClientID: c.ClientID, Audience: c.Audience, PublicURL: c.PublicURL, Listen: c.Listen,
		Emails: c.Email, Domains: c.Domain, Groups: c.Group, Anyone: c.Anyone,
		TunnelProvider: c.Tunnel, TunnelDomain: c.TunnelDomain, Proxy: c.Proxy, NoProxy: c.NoProxy, CAFile: c.CAFile, SecretStdin: c.SecretStdin, AuthtokenStdin: c.TokenStdin, FromEnv: c.FromEnv})
	var usage setup.UsageError
	if errors.As(err, &usage) {
		return command.Usage(err)
	}
	return err
}

// versionLinked is set by -ldflags "-X main.versionLinked=v1.2.3" in releases.
var versionLinked string

func version() string {
	if versionLinked != "" {
		return versionLinked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// commit is what the binary was built from, as the Go tool recorded it.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	revision := "unknown"
	if info != nil {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				revision += " (modified)"
			}
		}
	}
	return revision
}
