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
// are asked for at each start and kept nowhere.
func (s *server) program(ctx context.Context) (process.Program, error) {
	conf, err := s.filled(ctx)
	if err != nil {
		return process.Program{}, err
	}
	p := process.Program{Args: conf.Args, Dir: conf.Dir, Env: process.Environ(conf.Env)}
	if p.Dir == "" {
		p.Dir, _ = os.UserHomeDir()
	}
	if info, err := os.Stat(p.Dir); err != nil || !info.IsDir() {
		s.log.say("It could not be started: there is no folder %s.", p.Dir)
		return process.Program{}, &failure{text: `could not be started: its folder does not exist. Correct "cwd" in mcp.json.`, kind: lasting, cause: err}
	}
	p.Path, err = process.Find(conf.Command, p.Dir, p.Env)
	if err != nil {
		s.log.say("It could not be started: there is no program %q that may be run.", conf.Command)
		return process.Program{}, &failure{text: `could not be started: its program was not found. Correct "command" in mcp.json, or install it.`, kind: lasting, cause: err}
	}
	return p, nil
}

// filled returns the settings with what their placeholders stand for.
func (s *server) filled(ctx context.Context) (config.Server, error) {
	home, _ := os.UserHomeDir()
	conf, err := s.settings().Expand(config.Expander{Home: home, Env: os.LookupEnv,
		Secret: func(name string) (string, error) { return s.set.secret(ctx, s.name, name) }})
	if err != nil {
		text := strings.TrimSuffix(status.Clean(err.Error(), 400), ".")
		return conf, &failure{text: text + ".", kind: lasting, cause: err}
	}
	return conf, nil
}

func noSecret(context.Context, string, string) (string, error) {
	return "", errors.New("there is no keychain here")
}
