package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/wait"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// asJSON is the flag of what scripts read.
type asJSON struct {
	JSON bool `name:"json"`
}

// show gets something from the running instance, and prints it as JSON or as
// print does.
func show[T any](a *app, c asJSON, get func(*control.Client, context.Context) (T, error), print func(T) error) error {
	got, err := ask(a, get)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return a.out.json(got, "  ")
	}
	return print(got)
}

type showStatus struct{ asJSON }

func (c showStatus) Run(a *app) error {
	return show(a, c.asJSON, (*control.Client).Status, a.out.status)
}

func (s *screen) status(st status.Status) error {
	t := table{wrap: true, most: 1000}
	row := func(key string, state word, more ...string) {
		t.add(cell{s.texts.Say("cli.status." + key), heading}, cell{join(append([]string{s.word(state)}, more...)...), state.ink()})
	}
	row("state", word{"state.drawbridge.", string(st.State)}, s.translate(st.Error))
	row("mcp", word{}, st.MCPURL)
	row("local", word{}, st.LocalURL)
	row("provider", word{"state.provider.", st.IDP.State}, st.IDP.Issuer, s.translate(st.IDP.Error))
	row("tunnel", word{"state.tunnel.", st.Tunnel.State}, st.Tunnel.URL, s.tunnelTimes(st.Tunnel), s.translate(st.Tunnel.Error))
	row("sessions", word{}, fmt.Sprint(st.Sessions))
	for _, server := range st.Servers {
		// The state stands behind the name, so it is joined here.
		state := word{"state.server.", server.State}
		t.add(cell{s.texts.Say("cli.status.server"), heading},
			cell{join(server.Name, s.word(state), s.texts.Count("cli.tools", server.Tools), s.translate(server.Error)), state.ink()})
	}
	for _, note := range st.Notes {
		row("note", word{}, s.translate(note))
	}
	if st.Update.Version != "" {
		row("update", word{}, s.texts.Say("update.out", st.Update.Version), st.Update.URL)
	}
	row("version", word{}, s.texts.Say("cli.process", st.Version, st.PID))
	return s.table(t)
}

// tunnelTimes says since when the tunnel is as it is, and when it is tried next.
func (s *screen) tunnelTimes(t status.Tunnel) string {
	var since, next string
	if !t.Since.IsZero() {
		since = s.texts.Say("cli.since", t.Since.Local().Format(time.DateTime))
	}
	if !t.NextAttempt.IsZero() {
		next = s.texts.Say("cli.next", t.NextAttempt.Local().Format(time.TimeOnly))
	}
	return join(since, next)
}

// sessions shows who is signed in, and who is kept out.
type sessions struct {
	List    showSessions   `cmd:"" default:"withargs"`
	Unblock unblockSession `cmd:""`
}

type showSessions struct {
	Blocked bool
	asJSON
}

func (c showSessions) Run(a *app) error {
	if !c.Blocked {
		if err := show(a, c.asJSON, (*control.Client).Sessions, a.out.sessions); err != nil || c.JSON {
			return err
		}
	}
	return show(a, c.asJSON, (*control.Client).Blocked, func(list []status.Block) error {
		if c.Blocked && len(list) == 0 {
			return a.out.print(a.out.texts.Say("cli.blocked.none"))
		}
		return a.out.blocked(list)
	})
}

func (s *screen) blocked(list []status.Block) error {
	for _, b := range list {
		_ = s.print(s.texts.Say("cli.blocked", cmp.Or(b.User.Email, b.User.Sub), b.Client, s.relative(b.At), b.ID))
	}
	return s.err
}

type unblockSession struct {
	ID string `arg:"" name:"id"`
}

func (c unblockSession) Run(a *app) error {
	return tell(a, func(client *control.Client, ctx context.Context) error {
		list, err := client.Blocked(ctx)
		id := c.ID
		for _, b := range list {
			if strings.HasPrefix(b.ID, id) {
				id = b.ID
			}
		}
		return cmp.Or(err, client.Unblock(ctx, id))
	}, "cli.unblocked")
}

func (s *screen) sessions(list []status.Session) error {
	t := table{none: "cli.sessions.none", head: s.heads("id", "user", "client", "signedin", "used", "expires", "requests", "tool"), drop: []int{6, 3, 7, 5}}
	for _, l := range list {
		client := l.Client.Name
		if l.Label != "" {
			client += " “" + l.Label + "”"
		}
		if l.Client.RedirectHost != "" {
			client += " (" + l.Client.RedirectHost + ")"
		}
		if l.Server != "" {
			client = s.texts.Say("cli.at", client, l.Server)
		}
		t.addTexts(s.shortID(l.ID, list), cmp.Or(l.User.Email, l.User.Sub), client, s.relative(l.CreatedAt),
			s.relative(l.LastUsedAt), s.relative(l.ExpiresAt), fmt.Sprint(l.Requests), l.LastTool)
	}
	_ = s.table(t)
	for _, l := range list {
		if l.Through != "" {
			how := s.shortID(l.ID, list) + ": " + s.texts.Through(l.Through, l.Provider)
			if !l.GroupsOf.IsZero() {
				how = join(how, s.texts.Say("through.groups", s.relative(l.GroupsOf)))
			}
			_ = s.print(how)
		}
		for _, leave := range l.Leaves {
			_ = s.print(s.texts.Say("cli.leave", l.ID, status.Clean(leave.Server+"/"+leave.Tool, 200), s.relative(leave.Until)))
		}
	}
	return s.err
}

// shortID is as much of an ID as tells it apart from the others; commands take
// that. A pipe gets the whole.
func (s *screen) shortID(id string, all []status.Session) string {
	for n := 8; s.width > 0 && n < len(id); n++ {
		if len(startingWith(all, id[:n])) == 1 {
			return id[:n]
		}
	}
	return id
}

func startingWith(all []status.Session, prefix string) (ids []string) {
	for _, s := range all {
		if s.ID == prefix {
			return []string{prefix}
		}
		if strings.HasPrefix(s.ID, prefix) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

type showClients struct{ asJSON }

func (c showClients) Run(a *app) error {
	return show(a, c.asJSON, (*control.Client).Clients, a.out.clients)
}

func (s *screen) clients(list []status.Client) error {
	t := table{none: "cli.clients.none", head: s.heads("client", "kind", "first", "last", "used", "sessions", "redirect"), drop: []int{2, 3}}
	for _, c := range list {
		t.addTexts(cmp.Or(c.Name, c.ID), c.Kind, s.relative(c.FirstSeen), s.relative(c.LastSignIn), s.relative(c.LastUsed), fmt.Sprint(c.Sessions), strings.Join(c.RedirectURIs, " "))
	}
	return s.table(t)
}

type showAccess struct {
	As    string   `placeholder:"EMAIL"`
	Group []string `placeholder:"GROUP"`
	asJSON
}

func (c showAccess) Run(a *app) error {
	if c.As == "" && len(c.Group) == 0 {
		return usage("cli.access.whom")
	}
	return show(a, c.asJSON, func(client *control.Client, ctx context.Context) ([]status.Entry, error) {
		return client.Access(ctx, c.As, c.Group)
	}, a.out.access)
}

func (s *screen) access(list []status.Entry) error {
	t := table{none: "cli.access.none", head: append(s.heads("server", "kind", "name", "as"), ""), most: 64, drop: []int{3}}
	for _, e := range list {
		note := func(yes bool, key string) string {
			if !yes {
				return ""
			}
			return s.texts.Say("cli.access." + key)
		}
		t.addTexts(e.Server, e.Kind, e.Name, e.As, join(note(e.ReadOnly, "reads"), note(e.Ask, "asks"), note(e.Held, "held"), note(e.Off, "off")))
	}
	return s.table(t)
}

type logs struct {
	Name   string `arg:""`
	Follow bool   `short:"f"`
}

// followPace is how often a running instance is asked for new lines.
const followPace = 500 * time.Millisecond

func (c logs) Run(a *app) error {
	client, err := control.Dial(a.data)
	if err != nil {
		return err
	}
	defer client.Close()
	var last []status.LogLine
	for {
		lines, err := client.Logs(a.ctx, c.Name)
		if a.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, l := range fresh(last, lines) {
			text := l.Text
			if l.Own {
				text = "drawbridge: " + text
			}
			_ = a.out.print(l.Time.Local().Format(time.DateTime) + "  " + text)
		}
		if last = lines; !c.Follow || a.out.err != nil || wait.For(a.ctx, followPace) != nil {
			return a.out.err
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
