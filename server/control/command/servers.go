package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/setup"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Logs prints what a server wrote to stderr.
type Logs struct {
	Name   string `arg:"" help:"The server's name in mcp.json."`
	Follow bool   `help:"Keep printing new lines as they come."`
}

// followPace is how often a running instance is asked for new lines.
const followPace = 500 * time.Millisecond

// Run carries the command out.
func (c Logs) Run(a App) error {
	client, err := control.Dial(a.DataDir)
	if err != nil {
		return err
	}
	defer client.Close()
	var last []status.LogLine
	for {
		lines, err := client.Logs(a.Context, c.Name)
		if a.Context.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := control.PrintLogs(a.Out, fresh(last, lines)); err != nil || !c.Follow {
			return err
		}
		last = lines
		select {
		case <-a.Context.Done():
			return nil
		case <-time.After(followPace):
		}
	}
}

// fresh is what of now comes after all of before. Both are ends of one history
// of which the oldest lines are dropped.
func fresh(before, now []status.LogLine) []status.LogLine {
	for drop := range before {
		rest := before[drop:]
		if len(rest) <= len(now) && slices.Equal(rest, now[:len(rest)]) {
			return now[len(rest):]
		}
	}
	return now
}

// Access prints what a person may use.
type Access struct {
	As    string   `help:"A verified e-mail address." placeholder:"EMAIL"`
	Group []string `help:"A group of that person. Repeatable." placeholder:"GROUP"`
	JSON  bool     `name:"json" help:"Print JSON."`
}

// Run carries the command out.
func (c Access) Run(a App) error {
	if c.As == "" && len(c.Group) == 0 {
		return UsageError{errors.New("say as whom: --as EMAIL, --group GROUP, or both")}
	}
	return ask(a, func(client *control.Client, ctx context.Context) ([]status.Entry, error) {
		return client.Access(ctx, c.As, c.Group)
	}, func(list []status.Entry) error { return control.PrintAccess(a.Out, list, c.JSON) })
}

// Import takes over the servers of other programs.
type Import struct {
	Source string `arg:"" optional:"" help:"claude, claude-code, cursor, vscode, windsurf, gemini, codex, opencode, zed, or a file with mcpServers; by default, all that are found."`
	Yes    bool   `help:"Import without asking."`
}

// Run carries the command out.
func (c Import) Run(a App) error {
	plan, err := config.Importer{Path: a.mcpJSON(), Own: a.ownURLs(), Places: config.ThisComputer()}.ImportServers(c.Source)
	if err != nil {
		return err
	}
	a.say("Read %s.", strings.Join(plan.Files, ", "))
	for _, item := range plan.Items {
		a.printItem(item)
	}
	taken := plan.Taken()
	if len(taken) == 0 {
		a.say("There is nothing to take over.")
		return nil
	}
	if yes, err := c.confirmed(a, len(taken)); err != nil || !yes {
		return err
	}
	if err := plan.Save(a.keep()); err != nil {
		return err
	}
	a.say("Servers taken over: %d. They stand in %s now.", len(taken), plan.Path)
	return nil
}

// keep puts a secret into the keychain; nil if there is none to put it into.
func (a App) keep() func(server, name, secret string) error {
	if keystore.IsReadOnly(a.Secrets) {
		return nil
	}
	return func(server, name, secret string) error {
		n := secretName{server, name}
		if err := a.Secrets.Set(a.Context, n.account(), keystore.NewSecret(secret)); err != nil {
			return err
		}
		return a.remember(n, true)
	}
}

// confirmed asks the person, if there is one.
func (c Import) confirmed(a App, n int) (bool, error) {
	if c.Yes {
		return true, nil
	}
	person := setup.TerminalOf(a.In, a.Out)
	if person == nil {
		return false, UsageError{errors.New("nothing was changed: there is nobody to ask here, so say --yes")}
	}
	answer, err := person.ReadLine(a.Context, fmt.Sprintf("Take over these servers (%d)? [y/N] ", n))
	if err != nil {
		return false, err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		a.say("Nothing was changed.")
		return false, nil
	}
	return true, nil
}

func (a App) printItem(item config.ImportItem) {
	if item.As == "" {
		a.say("  left out  %s: %s", item.Name, item.Why)
		return
	}
	name := item.As
	if item.As != item.Name {
		name += " (there: " + item.Name + ")"
	}
	a.say("  taken     %s", name)
	for _, note := range item.Notes {
		a.say("            %s", note)
	}
	for _, secret := range item.Clear() {
		if a.keep() == nil {
			a.say("            The secret %s stands in clear there, and stays so: there is no keychain here.", secret)
		} else {
			a.say("            The secret %s stands in clear there: it goes into the keychain.", secret)
		}
	}
	for _, secret := range item.Set {
		a.say("            Run `drawbridge secret set %s/%s` before you use it.", item.As, secret)
	}
}

// say prints one line. Parts of it come from other programs' files.
func (a App) say(format string, args ...any) {
	_, _ = fmt.Fprintln(a.Out, strings.TrimRight(status.CleanLines(fmt.Sprintf(format, args...), 4000), " "))
}

// ownURLs are those under which this Drawbridge is known, running or not.
func (a App) ownURLs() []string {
	var own []string
	if cfg, err := config.Load(a.Config); err == nil {
		own = append(own, cfg.URL(), "http://"+cfg.Listen)
	}
	if client, err := control.Dial(a.DataDir); err == nil {
		defer client.Close()
		if st, err := client.Status(a.Context); err == nil {
			own = append(own, st.MCPURL, st.LocalURL)
		}
	}
	return own
}
