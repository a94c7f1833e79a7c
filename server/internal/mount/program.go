package mount

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// program reads how the server's process is started, with its secrets, which
// are asked for at each start and kept nowhere.
func (s *server) program(ctx context.Context) (program, error) {
	conf, err := s.filled(ctx)
	if err != nil {
		return program{}, err
	}
	p := program{args: conf.Args, dir: conf.Dir, env: environ(conf.Env)}
	if p.dir == "" {
		p.dir, _ = os.UserHomeDir()
	}
	if info, err := os.Stat(p.dir); err != nil || !info.IsDir() {
		s.log.say("It could not be started: there is no folder %s.", p.dir)
		return program{}, &failure{text: `could not be started: its folder does not exist. Correct "cwd" in mcp.json.`, kind: lasting, cause: err}
	}
	p.path, err = findProgram(conf.Command, p.dir, p.env)
	if err != nil {
		s.log.say("It could not be started: there is no program %q that may be run.", conf.Command)
		return program{}, &failure{text: `could not be started: its program was not found. Correct "command" in mcp.json, or install it.`, kind: lasting, cause: err}
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
