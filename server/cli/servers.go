package cli

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// servers is about the mounted servers. A running Drawbridge follows mcp.json.
type servers struct {
	List   serverList   `cmd:""`
	Add    serverAdd    `cmd:""`
	Remove serverRemove `cmd:""`

	SignIn  serverSignIn  `cmd:""`
	SignOut serverSignOut `cmd:""`
}

type serverList struct{ asJSON }

func (c serverList) Run(a *app) error {
	list, err := a.mountedServers()
	switch {
	case c.JSON:
		return errors.Join(a.out.json(list, "  "), err)
	case len(list) == 0 && err == nil:
		a.say("cli.server.none")
		return nil
	}
	t := table{wrap: true, most: 1000}
	for _, s := range list {
		state := word{"state.server.", s.State}
		t.add(cell{s.Name, heading}, cell{a.out.word(state), state.ink()}, cell{join(a.out.texts.Count("cli.tools", s.Tools), a.signInSaid(s.SignIn), a.out.translate(s.Error)), plain})
	}
	return errors.Join(a.out.table(t), err)
}

// signInSaid is a sign-in that works; the error says of the others.
func (a *app) signInSaid(s status.SignIn) string {
	switch {
	case s.State != status.SignInOK:
		return ""
	case s.As == status.AsEach:
		return a.out.texts.Count("cli.server.each", s.People)
	case s.Account == "":
		return a.out.texts.Say("cli.server.signed")
	}
	return a.out.texts.Say("cli.server.signed.as", s.Account)
}

// mountedServers are those of the running instance; where none runs, those of
// mcp.json, all off.
func (a *app) mountedServers() (list []status.Server, err error) {
	st, err := ask(a, (*control.Client).Status)
	if err == nil {
		return st.Servers, nil
	}
	entries, err := config.LoadServers(a.mcpJSON()) // a bad server hides no other's
	list = []status.Server{}
	for _, s := range entries {
		list = append(list, status.Server{Name: s.Name, State: "off"})
	}
	return list, err
}

type serverAdd struct {
	Name    string   `arg:""`
	Command []string `arg:"" passthrough:"partial"`
	Env     []string `placeholder:"NAME=VALUE" sep:"none"`
}

func (c serverAdd) Run(a *app) error {
	text, rest := "", c.Command
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	switch {
	case len(rest) == 1 && len(c.Env) == 0:
		text = rest[0] // a URL, a JSON entry, or a command line in quotes
	case len(rest) > 0 && (strings.HasPrefix(rest[0], "https://") || strings.HasPrefix(rest[0], "http://")):
		return usage("cli.server.url", c.Name, rest[0])
	case len(rest) > 0:
		env := map[string]string{}
		for _, pair := range c.Env {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return usage("cli.server.env", pair)
			}
			env[name] = value
		}
		entry, err := json.Marshal(map[string]any{"command": rest[0], "args": rest[1:], "env": env})
		if err != nil {
			return err
		}
		text = string(entry)
	}
	plan, err := a.importer().Paste(text, c.Name)
	if err != nil {
		return err
	}
	a.printItems(plan)
	if len(plan.Taken()) == 0 {
		return failure("cli.server.refused")
	}
	err = a.savePlan(plan)
	if s := plan.Taken()[0].Server(); err == nil && s.URL != "" && s.Headers["Authorization"] == "" {
		a.say("cli.signin.hint", s.Name)
	}
	return err
}

type serverRemove struct {
	Name string `arg:""`
}

func (c serverRemove) Run(a *app) error {
	secrets, err := config.Unmount(a.config, c.Name)
	if errors.Is(err, config.ErrNoServer) {
		return failure("cli.server.unknown", c.Name)
	}
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		n := secretName{c.Name, secret}
		err := a.drop(n)
		if keystore.IsReadOnly(a.secrets) {
			err = a.remember(n, false)
		}
		if err != nil && !errors.Is(err, keystore.ErrNotFound) {
			return err
		}
	}
	a.say("cli.server.removed", c.Name)
	return nil
}
