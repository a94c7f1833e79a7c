package cli

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/wait"
	"github.com/drawbridge-app/drawbridge/server/setup"
	"github.com/drawbridge-app/drawbridge/server/status"
	"github.com/drawbridge-app/drawbridge/tray"
)

// signInTime is how long a sign-in that was begun can be finished.
const signInTime = 10 * time.Minute

// serverSignIn signs the owner in at a mounted server: with the browser of this
// computer, or with that of another one, whose last address is pasted here. It
// is no argument, since other users of this computer could read it.
type serverSignIn struct {
	Name string `arg:""`
	Code bool
	asJSON
}

func (c serverSignIn) Run(a *app) error {
	before, err := a.signedIn(c.Name)
	if err != nil {
		return err
	}
	address, err := ask(a, func(client *control.Client, ctx context.Context) (string, error) { return client.SignIn(ctx, c.Name) })
	switch {
	case err != nil:
		return err
	case c.JSON:
		return a.out.json(map[string]string{"url": address}, "  ")
	case c.Code:
		a.out.print(address)
		if err := a.finish(c.Name); err != nil {
			return err
		}
	case tray.Available() == nil && tray.Open(a.ctx, address) == nil:
		a.say("cli.signin.opened")
	default:
		a.out.print(address)
		a.say("cli.signin.open", c.Name)
	}
	ctx, cancel := context.WithTimeout(a.ctx, signInTime)
	defer cancel()
	for {
		now, err := a.signedIn(c.Name)
		if err != nil {
			return err
		}
		if now.State == status.SignInOK && now.Since.After(before.Since) {
			a.say("cli.signin.done", join(c.Name, now.Account))
			return nil
		}
		if wait.For(ctx, 300*time.Millisecond) != nil {
			return failure("cli.signin.late", c.Name)
		}
	}
}

// finish takes the address that a browser elsewhere ended at.
func (a *app) finish(name string) error {
	a.say("cli.signin.elsewhere")
	prompt := a.out.texts.Say("cli.signin.paste")
	var answer string
	var err error
	if person := setup.TerminalOf(a.in, a.out); person != nil {
		answer, err = person.ReadSecret(a.ctx, prompt) // longer than a line of a terminal's, and shown it stays there
	} else {
		answer, err = bufio.NewReader(a.in).ReadString('\n')
		if answer != "" {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	_, err = ask(a, func(client *control.Client, ctx context.Context) (struct{}, error) {
		return struct{}{}, client.FinishSignIn(ctx, name, answer)
	})
	return err
}

// signedIn is the sign-in at a mounted server as it is now.
func (a *app) signedIn(name string) (status.SignIn, error) {
	st, err := ask(a, (*control.Client).Status)
	i := slices.IndexFunc(st.Servers, func(s status.Server) bool { return s.Name == name })
	switch {
	case err != nil:
		return status.SignIn{}, err
	case i < 0:
		return status.SignIn{}, failure("cli.server.unknown", name)
	}
	return st.Servers[i].SignIn, nil
}

type serverSignOut struct {
	Name string `arg:""`
}

func (c serverSignOut) Run(a *app) error {
	_, err := ask(a, func(client *control.Client, ctx context.Context) (struct{}, error) {
		return struct{}{}, client.SignOut(ctx, c.Name)
	})
	if errors.Is(err, control.ErrNotFound) {
		return failure("cli.server.unknown", c.Name)
	}
	if err == nil {
		a.say("cli.signout.done", c.Name)
	}
	return err
}
