package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	keep := a.keep()
	if keep == nil {
		return failure("cli.secret.env", keystore.EnvVar(n.account()))
	}
	value, err := a.readSecret(a.out.texts.Say("cli.secret.value", n))
	if err != nil {
		return err
	}
	if value == "" {
		return failure("cli.secret.empty")
	}
	if err := keep(n.server, n.name, value); err != nil {
		return err
	}
	a.say("cli.secret.stored", n)
	servers, _ := a.mounted()
	if !slices.ContainsFunc(servers, func(s config.Server) bool { return s.Name == n.server && slices.Contains(config.Secrets(s), n.name) }) {
		a.say("cli.secret.unused", n.server, a.mcpJSON(), n.name)
	}
	return nil
}

// mounted are the servers of mcp.json with what config.toml says of them; a bad
// one hides no other.
func (a *app) mounted() ([]config.Server, error) {
	servers, err := config.LoadServers(a.mcpJSON())
	c, _ := config.Load(a.config)
	servers, _ = c.Mount(servers)
	return servers, err
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
	err = a.drop(n)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return failure("cli.secret.none", n)
	case err == nil:
		a.say("cli.secret.deleted", n)
	}
	return err
}

// drop deletes a secret, and its name.
func (a *app) drop(n secretName) error {
	err := a.secrets.Delete(a.ctx, n.account())
	if err == nil || errors.Is(err, keystore.ErrNotFound) {
		err = cmp.Or(a.remember(n, false), err)
	}
	return err
}

// secretList prints names. A keychain can't be asked what it holds, so they are
// those that mcp.json uses and those that were set here.
type secretList struct{}

func (secretList) Run(a *app) error {
	servers, loadErr := a.mounted()
	names, err := a.remembered()
	if err != nil {
		return err
	}
	var used []string
	for _, s := range servers {
		for _, name := range config.Secrets(s) {
			used = append(used, secretName{s.Name, name}.String())
		}
	}
	names = append(names, used...)
	slices.Sort(names)
	t := table{none: "cli.secrets.none", wrap: true, most: 1000}
	for _, text := range slices.Compact(names) {
		server, name, _ := strings.Cut(text, "/")
		n, state := secretName{server, name}, a.out.texts.Say("cli.secrets.set")
		switch _, err := a.secrets.Get(a.ctx, n.account()); {
		case errors.Is(err, keystore.ErrNotFound) && name == config.ClientSecret:
			continue // not every client has one
		case errors.Is(err, keystore.ErrNotFound):
			state = a.out.texts.Say("cli.secrets.missing", n)
			if keystore.IsReadOnly(a.secrets) {
				state = a.out.texts.Say("cli.secrets.missing.env", keystore.EnvVar(n.account()))
			}
		case err != nil:
			return err
		case !slices.Contains(used, text):
			state = a.out.texts.Say("cli.secrets.unused")
		}
		t.addTexts(text, state)
	}
	return errors.Join(a.out.table(t), loadErr)
}

// namesFile, in the data folder, holds the names of the secrets that were set:
// no values, and nothing that isn't lost without harm.
const namesFile = "secret-names.json"

// remembered returns the names of secrets that were set.
func (a *app) remembered() (names []string, err error) {
	data, err := os.ReadFile(filepath.Join(a.data, namesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the names of secrets: %w", err)
	}
	_ = json.Unmarshal(data, &names) // the next one that is set makes a broken file anew
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := parseSecretName(name)
		return err != nil
	}), nil
}

// remember notes that n is set, or is no more.
func (a *app) remember(n secretName, set bool) error {
	names, err := a.remembered()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(other string) bool { return other == n.String() })
	if set {
		names = append(names, n.String())
	}
	slices.Sort(names)
	data, err := json.Marshal(names)
	if err == nil {
		err = config.WriteFile(filepath.Join(a.data, namesFile), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note the secret's name: %w", err)
	}
	return nil
}
