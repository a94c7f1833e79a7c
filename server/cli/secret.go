package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/setup"
)

// secret is about the secrets of mounted servers: what ${keychain:VAR} stands
// for in mcp.json.
type secret struct {
	Set    secretSet    `cmd:""`
	Delete secretDelete `cmd:""`
	List   secretList   `cmd:""`
}

// secretName is SERVER/VAR of a command line.
type secretName struct{ server, name string }

func parseSecretName(s string) (secretName, error) {
	server, name, ok := strings.Cut(s, "/")
	if !ok || config.GoodName(server) != server || !config.IsSecretName(name) {
		return secretName{}, usage("cli.secret.name")
	}
	return secretName{server, name}, nil
}

func (n secretName) String() string  { return n.server + "/" + n.name }
func (n secretName) account() string { return keystore.ServerSecret(n.server, n.name) }

type secretSet struct {
	Name string `arg:""`
}

func (c secretSet) Run(a *app) error {
	n, err := parseSecretName(c.Name)
	if err != nil {
		return err
	}
	if keystore.IsReadOnly(a.secrets) {
		return failure("cli.secret.env", keystore.EnvVar(n.account()))
	}
	value, err := a.readSecret(a.out.texts.Say("cli.secret.value", n))
	if err != nil {
		return err
	}
	if value == "" {
		return failure("cli.secret.empty")
	}
	if err := a.secrets.Set(a.ctx, n.account(), keystore.NewSecret(value)); err != nil {
		return err
	}
	if err := a.remember(n, true); err != nil {
		return err
	}
	a.say("cli.secret.stored", n)
	servers, _ := config.LoadServers(a.mcpJSON())
	if !slices.ContainsFunc(servers, func(s config.Server) bool { return s.Name == n.server && slices.Contains(config.Secrets(s), n.name) }) {
		a.say("cli.secret.unused", n.server, a.mcpJSON(), n.name)
	}
	return nil
}

// readSecret asks the person, or takes what is piped in. The last line feed of
// a pipe is none of the secret's.
func (a *app) readSecret(prompt string) (string, error) {
	if person := setup.TerminalOf(a.in, a.out); person != nil {
		return person.ReadSecret(a.ctx, prompt)
	}
	data, err := io.ReadAll(io.LimitReader(a.in, keystore.MaxSize+3)) // so much that too long is seen to be
	if err != nil {
		return "", fmt.Errorf("read the secret from standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

type secretDelete struct {
	Name string `arg:""`
}

func (c secretDelete) Run(a *app) error {
	n, err := parseSecretName(c.Name)
	if err != nil {
		return err
	}
	err = a.secrets.Delete(a.ctx, n.account())
	if errors.Is(err, keystore.ErrNotFound) {
		_ = a.remember(n, false)
		return failure("cli.secret.none", n)
	}
	if err != nil {
		return err
	}
	if err := a.remember(n, false); err != nil {
		return err
	}
	a.say("cli.secret.deleted", n)
	return nil
}

// secretList prints names. A keychain can't be asked what it holds, so they are
// those that mcp.json uses and those that were set here.
type secretList struct{}

func (secretList) Run(a *app) error {
	servers, loadErr := config.LoadServers(a.mcpJSON()) // a bad server hides no other's
	names, err := a.remembered()
	if err != nil {
		return err
	}
	used := map[secretName]bool{}
	for _, s := range servers {
		for _, name := range config.Secrets(s) {
			n := secretName{s.Name, name}
			used[n] = true
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(x, y secretName) int { return strings.Compare(x.String(), y.String()) })
	names = slices.Compact(names)
	if len(names) == 0 {
		a.say("cli.secrets.none")
		return loadErr
	}
	for _, n := range names {
		state := a.out.texts.Say("cli.secrets.set")
		switch _, err := a.secrets.Get(a.ctx, n.account()); {
		case errors.Is(err, keystore.ErrNotFound):
			state = a.out.texts.Say("cli.secrets.missing", n)
			if keystore.IsReadOnly(a.secrets) {
				state = a.out.texts.Say("cli.secrets.missing.env", keystore.EnvVar(n.account()))
			}
		case err != nil:
			return err
		case !used[n]:
			state = a.out.texts.Say("cli.secrets.unused")
		}
		if err := a.out.line(cell{fmt.Sprintf("%-32s", n), plain}, cell{state, plain}); err != nil {
			return err
		}
	}
	return loadErr
}
