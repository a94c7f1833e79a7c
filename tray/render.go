package tray

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// How much the menu holds. Its rows are made once, so each list has an end;
// what is beyond it stands in the console.
const (
	sessionSlots = 10
	eventSlots   = 10
	reasonSlots  = 4
	aboutSlots   = 4

	// labelWidth is how many characters a row has: a panel makes its menu as
	// wide as the longest.
	labelWidth = 64
)

// view is all that the menu shows, in plain text: escaping for a system is the
// menu's own work.
type view struct {
	Icon     assets.IconState
	Tooltip  string
	Waiting  string // calls that wait for the owner's word; "" for none
	Headline string
	Reasons  []string // what is wrong and what to do, in lines
	Cure     string   // what a click can do about it; "" for nothing
	URL      string   // the MCP URL

	Sessions     []sessionView
	MoreSessions string // "" if all are shown
	RevokeAll    string // "" if there is none
	Events       []string

	Pause    string // what a click on this row does: "Pause" or "Resume"
	CanPause bool
	About    []string
}

type sessionView struct {
	ID, Label string
	Facts     []string
}

// render draws what the menu shows of a snapshot at a time. Times of day are
// in now's location.
func render(snap status.Snapshot, now time.Time) view {
	st := snap.Status
	v := view{
		URL:      label(st.MCPURL),
		Waiting:  waitingLine(snap.Approvals),
		Pause:    "Pause",
		CanPause: st.State == status.Ready || st.State == status.Paused,
		About:    about(st),
	}
	if st.State == status.Paused {
		v.Pause = "Resume"
	}
	var reason string
	v.Icon, v.Headline, reason = headline(snap)
	if at := st.Tunnel.NextAttempt; st.Tunnel.State == "down" && at.After(now) {
		reason += ". Next attempt at " + clock(at, now) + "."
	}
	v.Reasons = wrap(reason, labelWidth, reasonSlots)
	switch _, is := unset(st); {
	case is:
		v.Cure = "Open Setup…"
	case retriable(st):
		v.Cure = "Retry"
	}
	v.Tooltip = label("Drawbridge: " + strings.TrimLeft(cmp.Or(v.Waiting, v.Headline), "●○◐▲✕‖ "))
	for i, s := range snap.Sessions {
		if i == sessionSlots {
			v.MoreSessions = fmt.Sprintf("… and %d more in the console", len(snap.Sessions)-i)
			break
		}
		v.Sessions = append(v.Sessions, session(s, now))
	}
	if n := len(snap.Sessions); n > 0 {
		v.RevokeAll = "Yes, end " + count(n, "session")
	}
	v.Events = eventLines(snap.Events, now)
	return v
}

// about is what stands under About: what there is of it.
func about(st status.Status) []string {
	list := []string{label("Drawbridge " + st.Version)}
	if st.LocalURL != "" {
		list = append(list, label("On this computer at "+st.LocalURL))
	}
	if st.IDP.Issuer != "" {
		list = append(list, label("People sign in at "+st.IDP.Issuer))
	}
	return append(list, fmt.Sprintf("Process %d", st.PID))
}

// headline says in one line how it goes, and in the reason what is wrong and
// what to do. The worst comes first.
func headline(snap status.Snapshot) (icon assets.IconState, line, reason string) {
	st := snap.Status
	sessions := count(len(snap.Sessions), "session")
	if why, is := unset(st); is {
		return assets.IconError, "✕ Drawbridge is not set up", why
	}
	switch {
	case st.State == status.Error && strings.Contains(st.Error, "keychain is locked"):
		return assets.IconError, "✕ The keychain is locked", "Unlock it, then choose Retry."
	case st.State == status.Error:
		return assets.IconError, "✕ Drawbridge can't work yet", strings.TrimSuffix(st.Error, ".") + ". Then choose Retry."
	case st.State == status.Starting:
		return assets.IconStarting, "○ Starting…", ""
	case st.State == status.Paused:
		return assets.IconPaused, "‖ Paused: nobody gets in", ""
	case st.Tunnel.State == "up" && st.Tunnel.Error != "":
		return assets.IconTunnel, "▲ The public address does not lead here", st.Tunnel.Error
	case st.Tunnel.State == "down", st.Tunnel.Error != "":
		return assets.IconTunnel, "▲ Nobody can connect: the tunnel is down", st.Tunnel.Error
	case st.Tunnel.State == "connecting":
		return assets.IconStarting, "◐ Connecting the tunnel…", ""
	case st.IDP.State == status.IDPMisconfigured:
		return assets.IconProvider, "▲ Nobody can sign in: the provider refuses us", st.IDP.Error
	case st.IDP.State == status.IDPUnreachable:
		return assets.IconProvider, "▲ Nobody can sign in: no answer from the provider", st.IDP.Error
	}
	if failed := failedServers(st.Servers); failed != "" {
		st.Notes = append([]string{failed}, st.Notes...)
	}
	word := "Ready, "
	if st.Tunnel.State == "up" {
		word = "Connected, "
	}
	icon = assets.IconReady
	if len(snap.Approvals) > 0 {
		icon = assets.IconAsk
	}
	return icon, "● " + word + sessions, strings.Join(st.Notes, " ")
}

// retriable reports whether Retry can help: the keychain or the tunnel is
// tried again by itself too, but later.
func retriable(st status.Status) bool {
	if _, is := unset(st); is {
		return false
	}
	return st.State == status.Error || st.State == status.Ready && st.Tunnel.State == "down"
}

// unset reports whether there is no configuration to work with, and why.
func unset(st status.Status) (why string, is bool) {
	why, is = strings.CutPrefix(st.Error, "Drawbridge is not set up: ")
	why, _, _ = strings.Cut(why, " Open Setup with ") // there is a row for that
	return why, is && st.State == status.Error
}

// curePage is the page of the console that helps with what the first line says.
func curePage(st status.Status) string {
	_, is := unset(st)
	switch {
	case is:
		return "/setup"
	case st.State != status.Ready:
		return "/"
	case st.Tunnel.Error != "", st.IDP.State == status.IDPMisconfigured, st.IDP.State == status.IDPUnreachable:
		return "/doctor"
	case failedServers(st.Servers) != "":
		return "/servers"
	}
	return "/"
}

func failedServers(servers []status.Server) string {
	for _, s := range servers {
		if s.State == "failed" {
			return fmt.Sprintf("The server %s failed: %s", s.Name, s.Error)
		}
	}
	return ""
}

func session(s status.Session, now time.Time) sessionView {
	who := field(s.User.Email, 40)
	if who == "" {
		who = field(s.User.Sub, 40)
	}
	used := "used " + age(s.LastUsedAt, now)
	if s.Requests == 0 {
		used = "signed in " + age(s.CreatedAt, now)
	}
	client := clientName(s.Client.Name)
	if s.Label != "" {
		client += " “" + field(s.Label, 20) + "”"
	}
	v := sessionView{ID: s.ID, Label: who + " · " + client + " · " + used}
	if host := field(s.Client.RedirectHost, 48); host != "" {
		v.Facts = append(v.Facts, "Signed in through "+host)
	}
	calls := count(int(s.Requests), "request")
	if s.LastTool != "" {
		calls += ", last tool " + field(s.LastTool, 30)
	}
	v.Facts = append(v.Facts, calls)
	v.Facts = append(v.Facts, "Since "+clock(s.CreatedAt, now)+", until "+clock(s.ExpiresAt, now)+" at the latest")
	return v
}
