package tray

import (
	"slices"
	"strings"
	"unicode"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// told are the events that a person reads of in the menu. Others are steps that
// only belong to something else.
var told = []string{status.SigninSucceeded, status.SigninRefused, status.ConsentDenied, status.ClientRefused, status.TokenReused, status.SessionRevoked,
	status.SessionExpired, status.TunnelUp, status.TunnelDown, status.ProviderLost, status.ProviderBack, status.ServerFailed, status.ServerChanged}

// eventDetail is who or what an event is about, and for some why.
func eventDetail(t *assets.Texts, e status.Event) string {
	user, client, reason := field(e.User, 40), "", field(assets.Translate(t.Lang, e.Reason), 80)
	if e.Client != "" {
		client = clientName(t, e.Client)
	}
	var parts []string
	switch e.Type {
	case status.SigninRefused:
		if strings.Contains(reason, user) {
			user = ""
		}
		parts = []string{user, reason}
	case status.ClientRefused, status.TunnelDown, status.ServerFailed:
		parts = []string{reason}
	case status.ServerChanged:
		parts = []string{field(e.Tool, 60), reason}
	case serverSignIn:
		return t.Say("tray.signin.wanted", field(e.Tool, 60))
	default:
		parts = []string{user, client}
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
}

// clientName is what a program calls itself, kept from passing for our words.
func clientName(t *assets.Texts, s string) string {
	if s = field(s, 24); s == "" {
		return t.Say("tray.unnamed")
	}
	return s
}

// field is a text that an outsider chose, as one part of a row: one line, at
// most max characters, without the dots that part rows or marks that begin
// them, and without towers of combining marks.
func field(s string, max int) string {
	marks := 0
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			if marks++; marks > 2 {
				return -1
			}
			return r
		}
		marks = 0
		if unicode.IsSpace(r) || blank(r) || strings.ContainsRune("·•∙⋅・●○◐▲✕‖…", r) {
			return ' '
		}
		return r
	}, status.Clean(s, 4*max))
	return status.Clean(strings.Join(strings.Fields(s), " "), max)
}

// blank reports whether r is a letter without ink.
func blank(r rune) bool { return strings.ContainsRune("\u115f\u1160\u3164\uffa0\u2800", r) }

// label fits a text into one row.
func label(s string) string { return status.Clean(s, labelWidth) }
