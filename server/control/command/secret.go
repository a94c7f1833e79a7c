package command

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

// Secret is about the secrets of mounted servers: what ${keychain:VAR} stands
// for in mcp.json.
type Secret struct {
	Set    SecretSet    `cmd:"" help:"Store a secret, which is asked for or read from standard input."`
	Delete SecretDelete `cmd:"" help:"Delete a secret."`
	List   SecretList   `cmd:"" help:"List the names of the secrets, and which are set."`
}

// secretName is SERVER/VAR of a command line.
type secretName struct{ server, name string }

func parseSecretName(s string) (secretName, error) {
	server, name, ok := strings.Cut(s, "/")
	if !ok || config.GoodName(server) != server || !config.IsSecretName(name) {
		return secretName{}, UsageError{errors.New("name the secret as SERVER/VAR, such as github/GITHUB_TOKEN; its value is asked for, never written here")}
	}
	return secretName{server, name}, nil
}

func (n secretName) String() string  { return n.server + "/" + n.name }
func (n secretName) account() string { return keystore.ServerSecret(n.server, n.name) }

// SecretSet stores one.
type SecretSet struct {
	Name string `arg:"" help:"SERVER/VAR, for $${keychain:VAR} in the settings of SERVER."`
}

// Run carries the command out.
func (c SecretSet) Run(a App) error {
	n, err := parseSecretName(c.Name)
	if err != nil {
		return err
	}
	if keystore.IsReadOnly(a.Secrets) {
		return fmt.Errorf("secrets come from the environment here: set %s instead", keystore.EnvVar(n.account()))
	}
	value, err := a.readSecret("Value of " + n.String() + ", which is not shown: ")
	if err != nil {
		return err
	}
	if value == "" {
		return errors.New("nothing was stored: the value is empty")
	}
	if err := a.Secrets.Set(a.Context, n.account(), keystore.NewSecret(value)); err != nil {
		return err
	}
	if err := a.remember(n, true); err != nil {
		return err
	}
	a.say("Stored %s. It is used when the server starts next.", n)
	servers, _ := config.LoadServers(a.mcpJSON())
	if !slices.ContainsFunc(servers, func(s config.Server) bool { return s.Name == n.server && slices.Contains(config.Secrets(s), n.name) }) {
		a.say("No server %s in %s uses it yet: write ${keychain:%s} among its `env` or `headers`.", n.server, a.mcpJSON(), n.name)
	}
	return nil
}

// readSecret asks the person, or takes what is piped in. The last line feed of
// a pipe is none of the secret's.
func (a App) readSecret(prompt string) (string, error) {
	if person := setup.TerminalOf(a.In, a.Out); person != nil {
		return person.ReadSecret(a.Context, prompt)
	}
	data, err := io.ReadAll(io.LimitReader(a.In, keystore.MaxSize+3)) // so much that too long is seen to be
	if err != nil {
		return "", fmt.Errorf("read the secret from standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// SecretDelete deletes one.
type SecretDelete struct {
	Name string `arg:"" help:"SERVER/VAR."`
}

// Run carries the command out.
func (c SecretDelete) Run(a App) error {
	n, err := parseSecretName(c.Name)
	if err != nil {
		return err
	}
	err = a.Secrets.Delete(a.Context, n.account())
	if errors.Is(err, keystore.ErrNotFound) {
		err = fmt.Errorf("there is no secret %s: `drawbridge secret list` prints those there are", n)
		_ = a.remember(n, false)
		return err
	}
	if err != nil {
		return err
	}
	if err := a.remember(n, false); err != nil {
		return err
	}
	a.say("Deleted %s.", n)
	return nil
}

// SecretList prints names. A keychain can't be asked what it holds, so they are
// those that mcp.json uses and those that were set here.
type SecretList struct{}

// Run carries the command out.
func (SecretList) Run(a App) error {
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
		a.say("No secrets: no server uses ${keychain:…}, and none was set.")
		return loadErr
	}
	for _, n := range names {
		state := "set"
		switch _, err := a.Secrets.Get(a.Context, n.account()); {
		case errors.Is(err, keystore.ErrNotFound):
			state = "missing: run `drawbridge secret set " + n.String() + "`"
			if keystore.IsReadOnly(a.Secrets) {
				state = "missing: set " + keystore.EnvVar(n.account())
			}
		case err != nil:
			return err
		case !used[n]:
			state = "set, and no server in mcp.json uses it"
		}
		a.say("%-32s  %s", n, state)
	}
	return loadErr
}
