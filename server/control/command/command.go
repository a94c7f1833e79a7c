// Package command is the part of the command line that speaks to a running
// Drawbridge, and that keeps its servers: each command asks for something and
// prints it, or has something done and says so. What the running one answers is
// printed by package control. Start at [App].
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// App is what commands are run with.
type App struct {
	Context context.Context
	In      io.Reader // a terminal, or what is piped in
	Out     io.Writer
	DataDir string // of the running instance
	Config  string // path of config.toml
	Secrets keystore.Store
}

// mcpJSON is the file of the mounted servers.
func (a App) mcpJSON() string { return config.ServersPath(a.Config) }

// UsageError is a wrong command line.
type UsageError struct{ error }

// Usage returns err as a wrong command line.
func Usage(err error) error { return UsageError{err} }

// Status shows the status of the running instance.
type Status struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run carries the command out.
func (c Status) Run(a App) error {
	return ask(a, (*control.Client).Status, func(s status.Status) error { return control.PrintStatus(a.Out, s, c.JSON) })
}

// Sessions prints who is signed in.
type Sessions struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run carries the command out.
func (c Sessions) Run(a App) error {
	return ask(a, (*control.Client).Sessions, func(list []status.Session) error {
		return control.PrintSessions(a.Out, list, c.JSON, time.Now())
	})
}

// Clients prints the programs that somebody has signed in with.
type Clients struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run carries the command out.
func (c Clients) Run(a App) error {
	return ask(a, (*control.Client).Clients, func(list []status.Client) error {
		return control.PrintClients(a.Out, list, c.JSON, time.Now())
	})
}

// Attempts prints why clients did or did not connect, newest last.
type Attempts struct {
	JSON bool `name:"json" help:"Print JSON, newest first."`
}

// Run carries the command out.
func (c Attempts) Run(a App) error {
	return ask(a, (*control.Client).Attempts, func(list []status.Attempt) error {
		return control.PrintAttempts(a.Out, list, c.JSON)
	})
}

// Events prints what happened, oldest first.
type Events struct {
	JSON   bool `name:"json" help:"Print JSON, one object a line."`
	Follow bool `help:"Keep printing new events as they come."`
}

// Run carries the command out.
func (c Events) Run(a App) error {
	show := func(list []status.Event) error { return control.PrintEvents(a.Out, list, c.JSON) }
	if !c.Follow {
		return ask(a, (*control.Client).Events, show)
	}
	client, err := control.Dial(a.DataDir)
	if err != nil {
		return err
	}
	return client.Follow(a.Context, func(e status.Event) error { return show([]status.Event{e}) })
}

// Revoke ends a session, or all of them, or the leave of a session to call a tool
// without asking.
type Revoke struct {
	ID    string `arg:"" optional:"" help:"The ID of the session, as drawbridge sessions prints it."`
	All   bool   `help:"Revoke every session."`
	Leave string `placeholder:"SERVER/TOOL" help:"Keep the session, and end what you allowed it for some minutes: it asks about each call of this tool again."`
}

// Run carries the command out.
func (c Revoke) Run(a App) error {
	if (c.ID == "") == !c.All {
		return UsageError{errors.New("give the ID of one session, or --all")}
	}
	server, tool, ok := strings.Cut(c.Leave, "/")
	if c.Leave != "" && (c.All || !ok || tool == "") {
		return UsageError{errors.New("--leave takes SERVER/TOOL and the ID of one session")}
	}
	client, err := control.Dial(a.DataDir)
	if err != nil {
		return err
	}
	if c.Leave != "" {
		if err := client.EndLeave(a.Context, c.ID, server, tool); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Out, "It asks about each call of this tool again.")
		return err
	}
	if !c.All {
		if err := client.Revoke(a.Context, c.ID); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Out, "The session has ended.")
		return err
	}
	n, err := client.RevokeAll(a.Context)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "Sessions ended: %d.\n", n)
	return err
}

// Pause closes the tunnel; /mcp answers 503.
type Pause struct{}

// Run carries the command out.
func (Pause) Run(a App) error {
	return tell(a, (*control.Client).Pause, "Paused: /mcp answers 503 until `drawbridge resume`. Sessions are kept.")
}

// Resume ends a pause.
type Resume struct{}

// Run carries the command out.
func (Resume) Run(a App) error {
	return tell(a, (*control.Client).Resume, "Resumed.")
}

// Quit ends the running instance.
type Quit struct{}

// Run carries the command out.
func (Quit) Run(a App) error { return tell(a, (*control.Client).Quit, "Drawbridge has stopped.") }

// Tunnel is about the way in from the internet.
type Tunnel struct {
	Retry  TunnelRetry  `cmd:"" help:"Open the tunnel now."`
	Accept TunnelAccept `cmd:"" help:"Accept the URL that the tunnel has now. Every session ends, since its tokens are for the old URL."`
}

// TunnelRetry opens it now.
type TunnelRetry struct{}

// Run carries the command out.
func (TunnelRetry) Run(a App) error {
	return tell(a, (*control.Client).RetryTunnel, "Opening the tunnel: see `drawbridge status`.")
}

// TunnelAccept takes the other URL that it gives.
type TunnelAccept struct{}

// Run carries the command out.
func (TunnelAccept) Run(a App) error {
	return ask(a, (*control.Client).AcceptURL, func(next string) error {
		_, err := fmt.Fprintln(a.Out, next)
		return err
	})
}

// ask gets something from the running instance and shows it.
func ask[T any](a App, get func(*control.Client, context.Context) (T, error), show func(T) error) error {
	client, err := control.Dial(a.DataDir)
	if err != nil {
		return err
	}
	got, err := get(client, a.Context)
	if err != nil {
		return err
	}
	return show(got)
}

// tell has the running instance do something, and says that it did.
func tell(a App, do func(*control.Client, context.Context) error, done string) error {
	client, err := control.Dial(a.DataDir)
	if err != nil {
		return err
	}
	if err := do(client, a.Context); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out, done)
	return err
}
