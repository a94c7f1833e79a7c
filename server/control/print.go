package control

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// cellWidth is the most of a text that a table shows, in runes.
const cellWidth = 48

// PrintStatus prints s in a few lines, or as one JSON object.
func PrintStatus(w io.Writer, s status.Status, asJSON bool) error {
	if asJSON {
		return printJSON(w, tidyStatus(s), "  ")
	}
	rows := [][]string{
		{"State", join(string(s.State), s.Error)},
		{"MCP URL", s.MCPURL},
		{"Local", s.LocalURL},
		{"Provider", join(s.IDP.State, s.IDP.Issuer, s.IDP.Error)},
		{"Tunnel", join(s.Tunnel.State, s.Tunnel.URL, tunnelTimes(s.Tunnel), s.Tunnel.Error)},
		{"Sessions", fmt.Sprint(s.Sessions)},
	}
	for _, server := range s.Servers {
		rows = append(rows, []string{"Server", join(server.Name, server.State, plural(server.Tools, "tool"), server.Error)})
	}
	for _, note := range s.Notes {
		rows = append(rows, []string{"Note", note})
	}
	rows = append(rows, []string{"Version", fmt.Sprintf("%s, process %d", s.Version, s.PID)})
	return printTable(w, rows, 1000)
}

// tunnelTimes says since when the tunnel is as it is, and when it is tried next.
func tunnelTimes(t status.Tunnel) string {
	var text string
	if !t.Since.IsZero() {
		text = "since " + t.Since.Local().Format(time.DateTime)
	}
	if !t.NextAttempt.IsZero() {
		text += ", next attempt " + t.NextAttempt.Local().Format(time.TimeOnly)
	}
	return text
}

// PrintSessions prints one line a session, or a JSON array.
func PrintSessions(w io.Writer, list []status.Session, asJSON bool, now time.Time) error {
	if asJSON {
		return printJSON(w, tidySessions(list), "  ")
	}
	if len(list) == 0 {
		return printLine(w, "No sessions: nobody is signed in.")
	}
	rows := [][]string{{"ID", "USER", "CLIENT", "SIGNED IN", "LAST USED", "EXPIRES", "REQUESTS", "LAST TOOL"}}
	for _, s := range list {
		client := s.Client.Name
		if s.Label != "" {
			client += " “" + s.Label + "”"
		}
		if s.Client.RedirectHost != "" {
			client += " (" + s.Client.RedirectHost + ")"
		}
		if s.Server != "" {
			client += " at " + s.Server
		}
		rows = append(rows, []string{s.ID, either(s.User.Email, s.User.Sub), client, relative(s.CreatedAt, now),
			relative(s.LastUsedAt, now), relative(s.ExpiresAt, now), fmt.Sprint(s.Requests), s.LastTool})
	}
	if err := printTable(w, rows, cellWidth); err != nil {
		return err
	}
	for _, s := range list {
		for _, l := range s.Leaves {
			if err := printLine(w, fmt.Sprintf("%s calls %s without asking you; that ends %s, or by `drawbridge revoke %[1]s --leave %[2]s`.", s.ID, status.Clean(l.Server+"/"+l.Tool, 200), relative(l.Until, now))); err != nil {
				return err
			}
		}
	}
	return nil
}

// PrintLogs prints one line a line, those of Drawbridge marked.
func PrintLogs(w io.Writer, list []status.LogLine) error {
	for _, l := range list {
		text := l.Text
		if l.Own {
			text = "drawbridge: " + text
		}
		if err := printLine(w, l.Time.Local().Format(time.DateTime)+"  "+text); err != nil {
			return err
		}
	}
	return nil
}

// PrintAccess prints one line for each entry that a person may use, or a JSON
// array.
func PrintAccess(w io.Writer, list []status.Entry, asJSON bool) error {
	if asJSON {
		return printJSON(w, orEmpty(list), "  ")
	}
	if len(list) == 0 {
		return printLine(w, "Nothing: no [[access.rule]] in config.toml allows this person anything.")
	}
	rows := [][]string{{"SERVER", "KIND", "NAME", "AS", ""}}
	for _, e := range list {
		rows = append(rows, []string{e.Server, e.Kind, e.Name, e.As, join(when(e.ReadOnly, "only reads"), when(e.Ask, "asks the owner"), when(e.Held, "held back"), when(e.Off, "switched off"))})
	}
	return printTable(w, rows, 64)
}

func when(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

// PrintClients prints one line a client, or a JSON array.
func PrintClients(w io.Writer, list []status.Client, asJSON bool, now time.Time) error {
	if asJSON {
		return printJSON(w, tidyClients(list), "  ")
	}
	if len(list) == 0 {
		return printLine(w, "No clients: nobody has signed in yet.")
	}
	rows := [][]string{{"CLIENT", "KIND", "FIRST SEEN", "LAST SIGN-IN", "SESSIONS", "GOES BACK TO"}}
	for _, c := range list {
		rows = append(rows, []string{either(c.Name, c.ID), c.Kind, relative(c.FirstSeen, now),
			relative(c.LastSignIn, now), fmt.Sprint(c.Sessions), strings.Join(c.RedirectURIs, " ")})
	}
	return printTable(w, rows, cellWidth)
}

// PrintEvents prints one line an event, oldest first, or one JSON object a
// line. Times are of the clock, not relative: the lines of a stream stay on
// the screen.
func PrintEvents(w io.Writer, list []status.Event, asJSON bool) error {
	for _, ev := range list {
		if asJSON {
			if err := printJSON(w, ev, ""); err != nil {
				return err
			}
			continue
		}
		reason := ev.Reason
		if reason == ev.Tool {
			reason = ""
		}
		if ev.Count > 1 {
			reason = strings.TrimSpace(fmt.Sprintf("%s (%d times)", reason, ev.Count))
		}
		line := fmt.Sprintf("%s  %-7s  %-17s  %s", ev.Time.Local().Format(time.DateTime), ev.Outcome, ev.Type,
			join(ev.User, ev.Client, ev.Tool, reason, ev.Remote))
		if err := printLine(w, line); err != nil {
			return err
		}
	}
	return nil
}

// PrintChecks prints one line a check and, if it failed, what to do; or a JSON
// array.
func PrintChecks(w io.Writer, list []status.Check, asJSON bool) error {
	if asJSON {
		return printJSON(w, orEmpty(list), "  ")
	}
	var rows [][]string
	for _, c := range list {
		mark, text := "ok", c.Result
		if !c.OK {
			mark, text = "FAILED", strings.TrimSuffix(c.Result, ".")+". "+c.Cure
		}
		rows = append(rows, []string{mark, c.Name, text})
	}
	return printTable(w, rows, 1000)
}
