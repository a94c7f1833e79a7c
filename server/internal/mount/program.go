package mount

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// program reads how the server's process is started, with its secrets, which
// are asked for at each start and kept nowhere, and what these are.
func (s *server) program(ctx context.Context) (process.Program, []string, error) {
	conf, err := s.filled(ctx)
	if err != nil {
		return process.Program{}, nil, err
	}
	p := process.Program{Args: conf.Args, Dir: conf.Dir, Env: process.Environ(conf.Env)}
	if p.Dir == "" {
		p.Dir, _ = os.UserHomeDir()
	}
	if info, err := os.Stat(p.Dir); err != nil || !info.IsDir() {
		s.log.say("It could not be started: there is no folder %s.", p.Dir)
		return process.Program{}, nil, &failure{text: `could not be started: its folder does not exist. Correct "cwd" in mcp.json.`, kind: lasting, cause: err}
	}
	if err := p.Find(conf.Command); err != nil {
		f := &failure{text: `could not be started: its program was not found. Correct "command" in mcp.json, or install it.`, kind: lasting, cause: err}
		var nowhere *process.NotFoundError
		switch {
		case process.HasArguments(conf.Command):
			f.text = `could not be started: its "command" in mcp.json holds arguments too. Write the program alone there, and what follows it into "args".`
		case errors.As(err, &nowhere):
			f.detail = "Looked in " + strings.Join(nowhere.Folders, ", ") + "."
		case errors.Is(err, os.ErrPermission):
			f.text = `could not be started: its program may not be run. Make the file executable, or correct "command" in mcp.json.`
		}
		s.log.say("It could not be started: there is no program %q that may be run.", conf.Command)
		return process.Program{}, nil, f
	}
	return p, filledIn(s.settings().Env, conf.Env), nil
}

// filledIn returns the values that settings got from elsewhere, which may be
// secrets, if they are long enough to be one.
func filledIn(written, filled map[string]string) []string {
	var values []string
	for name, value := range filled {
		if value != written[name] && len(value) >= 8 {
			values = append(values, value)
		}
	}
	return values
}

// filled returns the settings with what their placeholders stand for.
func (s *server) filled(ctx context.Context) (config.Server, error) {
	home, _ := os.UserHomeDir()
	conf, err := s.settings().Expand(config.Expander{Home: home, Env: os.LookupEnv,
		Secret: func(name string) (string, error) { return s.set.o.Secret(ctx, s.name, name) }})
	if err != nil {
		text := strings.TrimSuffix(status.Clean(err.Error(), 400), ".")
		return conf, &failure{text: text + ".", kind: lasting, cause: err}
	}
	return conf, nil
}
