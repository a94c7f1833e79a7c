package cli

import (
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/setup"
)

// importServers takes over the servers of other programs.
type importServers struct {
	Source string `arg:"" optional:""`
	Yes    bool   `short:"y"`
}

func (c importServers) Run(a *app) error {
	plan, err := a.importer().ImportServers(c.Source)
	if err != nil {
		return err
	}
	a.say("cli.import.read", strings.Join(plan.Files, ", "))
	a.printItems(plan)
	if len(plan.Taken()) == 0 {
		a.say("cli.import.nothing")
		return nil
	}
	if yes, err := c.confirmed(a, len(plan.Taken())); err != nil || !yes {
		return err
	}
	return a.savePlan(plan)
}

func (a *app) importer() config.Importer {
	return config.Importer{Path: a.mcpJSON(), Own: a.ownURLs(), Places: config.ThisComputer()}
}

func (a *app) savePlan(plan config.Import) error {
	err := plan.Save(a.keep())
	if err == nil {
		a.say("cli.import.done", len(plan.Taken()), plan.Path)
	}
	return err
}

// keep puts a secret into the keychain; nil if there is none to put it into.
func (a *app) keep() func(server, name, secret string) error {
	if keystore.IsReadOnly(a.secrets) {
		return nil
	}
	return func(server, name, secret string) error {
		n := secretName{server, name}
		if err := a.secrets.Set(a.ctx, n.account(), keystore.NewSecret(secret)); err != nil {
			return err
		}
		return a.remember(n, true)
	}
}

// confirmed asks the person, if there is one.
func (c importServers) confirmed(a *app, n int) (bool, error) {
	if c.Yes {
		return true, nil
	}
	person := setup.TerminalOf(a.in, a.out)
	if person == nil {
		return false, usage("cli.import.yes")
	}
	answer, err := person.ReadLine(a.ctx, a.out.texts.Say("cli.import.sure", n))
	answer = strings.ToLower(strings.TrimSpace(answer))
	yes := answer == "y" || answer == "yes"
	if err == nil && !yes {
		a.say("cli.import.unchanged")
	}
	return yes, err
}

func (a *app) printItems(plan config.Import) {
	clear := "cli.import.clear"
	if keystore.IsReadOnly(a.secrets) {
		clear = "cli.import.clear.stays"
	}
	for _, item := range plan.Items {
		if item.As == "" {
			a.say("cli.import.left", item.Name, item.Why)
			continue
		}
		name := item.As
		if item.As != item.Name {
			name = a.out.texts.Say("cli.import.renamed", name, item.Name)
		}
		a.say("cli.import.taken", name)
		for _, note := range item.Notes {
			a.out.print("            " + a.out.translate(note))
		}
		for _, secret := range item.Clear() {
			a.say(clear, secret)
		}
		for _, secret := range item.Set {
			a.say("cli.import.set", item.As, secret)
		}
	}
}

// ownURLs are those under which this Drawbridge is known, running or not.
func (a *app) ownURLs() []string {
	var own []string
	if cfg, err := config.Load(a.config); err == nil {
		own = append(own, cfg.URL(), "http://"+cfg.Listen)
	}
	if st, err := ask(a, (*control.Client).Status); err == nil {
		own = append(own, st.MCPURL, st.LocalURL)
	}
	return own
}
