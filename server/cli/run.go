package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	builtin "github.com/drawbridge-app/drawbridge/server/demo"
	"github.com/drawbridge-app/drawbridge/server/setup"
	"github.com/drawbridge-app/drawbridge/tray"
)

type runCommand struct {
	Headless bool
	Listen   string `placeholder:"ADDR"`
}

func (c runCommand) Run(a *app) error {
	file := a.keepLog()
	err := c.run(a)
	slog.New(slog.NewTextHandler(file, nil)).Info("ended", "error", err) // which the command line prints
	return err
}

func (c runCommand) run(a *app) error {
	if err := checkListen(c.Listen); err != nil {
		return err
	}
	o, err := a.options(c.Listen)
	if err == nil && len(o.Config.Missing()) > 0 {
		err = failure("cli.incomplete", a.config, o.Config.Missing()[0])
	}
	if err != nil {
		o.Config, o.Unusable = config.Config{}, err
	}
	s, err := server.New(o)
	if err != nil {
		return a.openOther(c.Headless, err)
	}
	if o.Unusable != nil {
		a.fail(o.Unusable)
		a.say("cli.setup.waits")
		if !c.Headless && tray.Available() == nil {
			_ = tray.Open(a.ctx, s.ConsoleLink("/setup")) // `drawbridge console` is the other way
		}
	}
	tellReady()
	return a.serve(c.Headless, s, s.Run, a.again(c.Listen))
}

// checkListen refuses an address that nothing can listen on.
func checkListen(listen string) error {
	cfg := config.Default()
	cfg.Listen = listen
	if listen != "" && cfg.Validate() != nil {
		return usage("cli.listen", listen)
	}
	return nil
}

// again is the arguments that start the same Drawbridge at login: none where
// secrets come from this environment.
func (a *app) again(listen string) []string {
	if keystore.IsReadOnly(a.secrets) {
		return nil
	}
	args := []string{"run"}
	for _, f := range [][2]string{{"--config", a.config}, {"--data", a.givenData}, {"--listen", listen}} {
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
		a.say("cli.headless", err)
		return run(a.ctx)
	}
	return tray.Serve(a.ctx, s, tray.Options{Arguments: again, Log: a.log}, run)
}

// openOther brings up the console of the Drawbridge that already runs on this
// data folder, if that is why this one can't.
func (a *app) openOther(headless bool, cause error) error {
	if headless || tray.Available() != nil {
		return cause
	}
	if link, err := ask(a, (*control.Client).ConsoleLink); err == nil && tray.Open(a.ctx, link) == nil {
		a.say("cli.other")
	}
	return cause
}

type console struct {
	Print bool
}

func (c console) Run(a *app) error {
	link, err := ask(a, (*control.Client).ConsoleLink)
	switch {
	case err != nil:
		return err
	case !c.Print && tray.Open(a.ctx, link) == nil:
		a.say("cli.console")
	default:
		a.out.print(link)
		a.say("cli.console.link")
	}
	return nil
}

type demo struct {
	Headless     bool
	Listen       string `placeholder:"ADDR"`
	ProviderOnly bool
	SignIn       string `placeholder:"USER"`
}

func (c demo) Run(a *app) error {
	if err := checkListen(c.Listen); err != nil {
		return err
	}
	if c.ProviderOnly {
		return builtin.Provider(a.ctx, c.Listen, a.out)
	}
	if c.SignIn != "" {
		owner, err := control.Dial(a.data)
		if err != nil {
			return err
		}
		defer owner.Close()
		return builtin.SignIn(a.ctx, owner, c.SignIn, a.toCopy)
	}
	d, err := builtin.New(a.ctx, server.Options{Listen: c.Listen, DataDir: a.givenData, Version: a.version, Log: a.log})
	if err != nil {
		return err
	}
	a.introduce(d.Server.Snapshot().Status.MCPURL, d.Issuer(), d.DataDir())
	return a.serve(c.Headless, d.Server, d.Run, nil)
}

// introduce says what the demo runs, and what to do next.
func (a *app) introduce(mcpURL, issuer, data string) {
	_, _ = fmt.Fprintln(a.out, a.out.texts.Say("cli.demo", mcpURL, issuer, program(), data)) // lines to copy: none is broken
}

// program is how a person types this program again.
func program() string {
	path, err := os.Executable()
	if err == nil && strings.Contains(filepath.ToSlash(path), "/go-build") {
		return "go run ."
	}
	return os.Args[0]
}

type setUp struct{ setup.Options }

func (c setUp) Run(a *app) error {
	c.ConfigPath, c.Keystore, c.In, c.Out = a.config, a.secrets, a.in, a.out.Writer
	return setup.Run(a.ctx, c.Options)
}
