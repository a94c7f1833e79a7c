// Package cli is the command line: a table of commands, each of which has its
// work done elsewhere and says what came of it, in the language of the person
// who typed it. What scripts read (--json, exit codes) is the same in every
// language. It decides nothing. Start at [Run].
package cli

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/config"
	archive "github.com/drawbridge-app/drawbridge/server/internal/backup"
	"github.com/drawbridge-app/drawbridge/server/setup"
)

// commands is the table of commands. What each and its flags are for stands in
// the catalogue, under help.COMMAND and help.COMMAND.FLAG.
type commands struct {
	Config   string `placeholder:"FILE" type:"path"`
	Data     string `placeholder:"DIR" type:"path"`
	Keystore string `enum:"os,env" default:"os" placeholder:"os|env"`
	Verbose  bool

	ShowVersion kong.VersionFlag `name:"version"`

	Run     runCommand `cmd:"" default:"withargs" group:"start"`
	Demo    demo       `cmd:"" group:"start"`
	Setup   setUp      `cmd:"" group:"start"`
	Doctor  doctor     `cmd:"" group:"start"`
	Console console    `cmd:"" group:"start"`
	Quit    quit       `cmd:"" group:"start"`

	Status   showStatus   `cmd:"" group:"show"`
	Sessions sessions     `cmd:"" group:"show"`
	Clients  showClients  `cmd:"" group:"show"`
	Events   showEvents   `cmd:"" group:"show"`
	Attempts showAttempts `cmd:"" group:"show"`
	Access   showAccess   `cmd:"" group:"show"`
	Logs     logs         `cmd:"" group:"show"`

	Revoke revoke        `cmd:"" group:"change"`
	Pause  pause         `cmd:"" group:"change"`
	Resume resume        `cmd:"" group:"change"`
	Tunnel tunnel        `cmd:"" group:"change"`
	Import importServers `cmd:"" group:"change"`
	Server servers       `cmd:"" group:"change"`
	Client knownClients  `cmd:"" group:"change"`
	Secret secret        `cmd:"" group:"change"`

	Backup  backup  `cmd:"" group:"change"`
	Restore restore `cmd:"" group:"change"`

	Version    versionCommand `cmd:"" group:"more"`
	Help       helpCommand    `cmd:"" group:"more"`
	Completion completion     `cmd:"" group:"more"`
	Man        man            `cmd:"" group:"more"`
}

// Run runs a command line and returns the exit code: 0 done, 1 failed, 2 wrong
// usage. version is what a release was linked with, else "".
func Run(ctx context.Context, args []string, version string, in io.Reader, out, errOut io.Writer) int {
	texts := assets.TextsForSystem()
	a := &app{ctx: ctx, in: in, out: newScreen(out, texts), errOut: newScreen(errOut, texts), version: versionOf(version)}
	var c commands
	exit := -1
	parser, err := kong.New(&c, kong.Name("drawbridge"), kong.Writers(out, errOut), kong.Exit(func(code int) { exit = code }),
		kong.Help(func(_ kong.HelpOptions, chosen *kong.Context) error { return a.help(chosen) }), kong.Vars{"version": a.versionLine()})
	if err != nil {
		return a.fail(err)
	}
	describe(parser.Model.Node, texts)
	a.model = parser.Model.Node
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	chosen, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help, --version
		return exit
	case err != nil:
		return a.fail(mistake(err, a.model))
	}
	a.take(c)
	if err := archive.Finish(a.data); err != nil {
		return a.fail(failure("cli.restore.failed", err))
	}
	return a.fail(chosen.Run(a))
}

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(key string, args ...any) error { return usageError{failure(key, args...)} }

// failure is an error that stands in the catalogue.
func failure(key string, args ...any) error { return &assets.Message{Key: key, Args: args} }

// fail says what is wrong, if anything is, in one line, and returns the exit
// code.
func (a *app) fail(err error) int {
	if err == nil {
		return 0
	}
	code := 1
	var wrong usageError
	var wrongSetup setup.UsageError
	if errors.As(err, &wrong) || errors.As(err, &wrongSetup) {
		code = 2
	}
	a.errOut.print("drawbridge: " + a.errOut.sentence(err))
	return code
}

// sentence is an error in the language of the screen, as far as it is known.
func (s *screen) sentence(err error) string {
	var m *assets.Message
	if errors.As(err, &m) && m.Error() == err.Error() { // and nothing around it
		return m.In(s.texts)
	}
	return assets.Translate(s.texts.Lang, err.Error())
}

// unknown is what the parser says of a word that it does not know.
var unknown = regexp.MustCompile(`^(unknown flag|unexpected argument) (\S+?)(?:, did you mean (?:one of )?(.+)\?)?$`)

// mistake is what a person is told of an error of the parser.
func mistake(err error, model *kong.Node) error {
	m := unknown.FindStringSubmatch(err.Error())
	if m == nil {
		return usage("cli.mistake", err)
	}
	key, word, near := "cli.unknown.command.", m[2], strings.ReplaceAll(m[3], `"`, "`")
	if m[1] == "unknown flag" {
		key = "cli.unknown.flag."
	} else if near == "" { // the parser took it for one of the default command's
		var names []string
		for _, c := range model.Children {
			names = append(names, c.Name)
		}
		if name := config.Nearest(word, names); name != "" {
			near = "`" + name + "`"
		}
	}
	if near == "" {
		return usage(key+"none", word)
	}
	return usage(key+"meant", word, near)
}
