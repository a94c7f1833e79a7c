package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
)

// app is what commands are run with.
type app struct {
	ctx     context.Context
	in      io.Reader // a terminal, or what is piped in
	out     *screen
	errOut  *screen
	model   *kong.Node // the table of commands
	version string

	config    string // path of config.toml
	data      string // the data folder
	givenData string // as the command line names it, or ""
	secrets   keystore.Store
	log       *slog.Logger
	logLevel  slog.Level
}

// take takes what is common to all commands.
func (a *app) take(c commands) {
	a.config = cmp.Or(c.Config, filepath.Join(xdg.ConfigHome, "drawbridge", "config.toml"))
	a.givenData, a.data = c.Data, cmp.Or(c.Data, filepath.Join(xdg.DataHome, "drawbridge"))
	a.secrets = keystore.OS()
	if c.Keystore == "env" {
		a.secrets = keystore.Env(os.LookupEnv)
	}
	if c.Verbose {
		a.logLevel = slog.LevelDebug
	}
	a.logTo(a.errOut.Writer)
}

func (a *app) logTo(w io.Writer) {
	a.log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: a.logLevel}))
}

// mcpJSON is the file of the mounted servers.
func (a *app) mcpJSON() string { return config.ServersPath(a.config) }

// options is for a server that listens on listen, if given; with the
// configuration, or the error says why there is none.
func (a *app) options(listen string) (server.Options, error) {
	o := server.Options{ConfigFile: a.config, Listen: listen, DataDir: a.data, Keystore: a.secrets, Version: a.version, Log: a.log}
	var err error
	o.Config, err = config.Load(a.config)
	if errors.Is(err, os.ErrNotExist) {
		err = failure("cli.unconfigured", a.config)
	}
	if listen != "" {
		o.Config.Listen = listen
	}
	return o, err
}

// say prints the sentence of key. Parts of it come from other programs' files.
func (a *app) say(key string, args ...any) { a.out.print(a.out.texts.Say(key, args...)) }

// ask gets something from the running instance.
func ask[T any](a *app, get func(*control.Client, context.Context) (T, error)) (got T, err error) {
	client, err := control.Dial(a.data)
	if err != nil {
		return got, err
	}
	defer client.Close()
	return get(client, a.ctx)
}

// tell has the running instance do something, and says that it did.
func tell(a *app, do func(*control.Client, context.Context) error, done string) error {
	_, err := ask(a, func(client *control.Client, ctx context.Context) (struct{}, error) {
		return struct{}{}, do(client, ctx)
	})
	if err == nil {
		a.say(done)
	}
	return err
}
