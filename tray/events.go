package tray

import (
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// eventLines are the newest events that a person wants to read, newest first.
// One that repeats itself takes one line, so that a stranger who tries again
// and again does not push out the rest.
func eventLines(events []status.Event, now time.Time) []string {
	type entry struct {
		text  string
		at    time.Time
		times int
	}
	var list []entry
	for i := len(events) - 1; i >= 0; i-- {
		text := eventText(events[i])
		if text == "" {
			continue
		}
		if n := len(list); n > 0 && list[n-1].text == text {
			list[n-1].times += max(events[i].Count, 1)
			continue
		}
		if len(list) == eventSlots {
			break
		}
		list = append(list, entry{text, events[i].Time, max(events[i].Count, 1)})
	}
	var lines []string
	for _, e := range list {
		when := clock(e.at, now) + " "
		times := ""
		if e.times > 1 {
			times = fmt.Sprintf(" (%d times)", e.times)
		}
		lines = append(lines, status.Clean(when+e.text, labelWidth+16-len(times))+times)
	}
	return lines
}

// eventText is what happened, in words; "" for steps that only belong to
// something else.
func eventText(e status.Event) string {
	user, client, reason := field(e.User, 40), clientName(e.Client), field(e.Reason, 80)
	if user == "" {
		user = "somebody"
	}
	switch e.Type {
	case status.SigninSucceeded:
		return user + " signed in with " + client
	case status.SigninRefused:
		if e.User == "" || strings.Contains(reason, user) {
			return "refused: " + reason
		}
		return "refused: " + user + ": " + reason
	case status.ConsentDenied:
		return "a sign-in with " + client + " was declined"
	case status.ClientRefused:
		return "refused a program: " + reason
	case status.TokenReused:
		return "an old token came back: " + user + " with " + client + " signed out"
	case status.SessionRevoked:
		return "ended: " + user + " with " + client
	case status.SessionExpired:
		return "ran out: " + user + " with " + client
	case status.TunnelUp:
		return "the tunnel is up"
	case status.TunnelDown:
		return "the tunnel went down: " + reason
	case status.ProviderLost:
		return "the provider does not answer"
	case status.ProviderBack:
		return "the provider answers again"
	case status.ServerFailed:
		return "a server failed: " + reason
	case status.ServerChanged:
		return field(e.Tool, 60) + ": " + field(e.Reason, 120)
	}
	return ""
}
