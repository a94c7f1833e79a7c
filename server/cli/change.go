package cli

import (
	"context"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
)

// revoke ends a session, or all of them, or the leave of a session to call a
// tool without asking.
type revoke struct {
	ID    string `arg:"" optional:"" name:"id"`
	All   bool
	Leave string `placeholder:"SERVER/TOOL"`
}

func (c revoke) Run(a *app) error {
	if (c.ID == "") == !c.All {
		return usage("cli.revoke.which")
	}
	server, tool, ok := strings.Cut(c.Leave, "/")
	if c.Leave != "" && (c.All || !ok || tool == "") {
		return usage("cli.revoke.leave")
	}
	if c.All {
		waits := time.AfterFunc(2*time.Second, func() { a.errOut.print(a.errOut.texts.Say("cli.revoking.all")) })
		defer waits.Stop()
		n, err := ask(a, (*control.Client).RevokeAll)
		if err == nil {
			a.say("cli.revoked.all", n)
		}
		return err
	}
	done := "cli.revoked"
	if c.Leave != "" {
		done = "cli.revoked.leave"
	}
	return tell(a, func(client *control.Client, ctx context.Context) error {
		id, err := wholeID(ctx, client, c.ID)
		switch {
		case err != nil:
			return err
		case c.Leave != "":
			return client.EndLeave(ctx, id, server, tool)
		}
		return client.Revoke(ctx, id)
	}, done)
}

// wholeID is the ID of the one session whose ID begins with prefix; prefix
// itself if there is none, which the running instance says best.
func wholeID(ctx context.Context, client *control.Client, prefix string) (string, error) {
	list, err := client.Sessions(ctx)
	if err != nil {
		return "", err
	}
	switch ids := startingWith(list, prefix); len(ids) {
	case 0:
		return prefix, nil
	case 1:
		return ids[0], nil
	default:
		return "", failure("cli.revoke.several", prefix, strings.Join(ids, ", "))
	}
}

type pause struct{}

func (pause) Run(a *app) error { return tell(a, (*control.Client).Pause, "cli.paused") }

type resume struct{}

func (resume) Run(a *app) error { return tell(a, (*control.Client).Resume, "cli.resumed") }

type quit struct{}

func (quit) Run(a *app) error { return tell(a, (*control.Client).Quit, "cli.stopped") }

// tunnel is about the way in from the internet.
type tunnel struct {
	Retry  tunnelRetry  `cmd:""`
	Accept tunnelAccept `cmd:""`
}

type tunnelRetry struct{}

func (tunnelRetry) Run(a *app) error { return tell(a, (*control.Client).RetryTunnel, "cli.tunnel") }

type tunnelAccept struct{}

func (tunnelAccept) Run(a *app) error {
	next, err := ask(a, (*control.Client).AcceptURL)
	if err == nil {
		err = a.out.print(a.out.translate(next))
	}
	return err
}
