package mount

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// program reads how the server's process is started, with its secrets, which
// are asked for at each start and kept nowhere.
func (s *server) program(ctx context.Context) (program, error) {
	conf := s.settings()
	own, err := s.fill(ctx, conf.Env)
	if err != nil {
		return program{}, err
	}
	p := program{args: conf.Args, dir: conf.Dir, env: environ(own)}
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

// fill returns values with the secrets that they name.
func (s *server) fill(ctx context.Context, values map[string]string) (map[string]string, error) {
	values = maps.Clone(values)
	for key, value := range values {
		var failed error
		values[key], failed = config.Expand(value, func(name string) (string, error) { return s.set.secret(ctx, s.name, name) })
		if failed != nil {
			text := strings.TrimSuffix(status.Clean(failed.Error(), 250), ".")
			return nil, &failure{text: "needs a secret that could not be read: " + text + ".", kind: lasting, cause: failed}
		}
	}
	return values, nil
}

func noSecret(context.Context, string, string) (string, error) {
	return "", errors.New("there is no keychain here")
}
