package console

import (
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// functions are those that templates call, in the language of t, beside the
// ones of [assets.Console].
func functions(t *assets.Texts) template.FuncMap {
	return template.FuncMap{
		"ago":     func(now, at time.Time) string { return t.Ago(at, now) },
		"until":   func(now, at time.Time) string { return until(t, now, at) },
		"when":    func(now, at time.Time) string { return when(t, now, at) },
		"clock":   func(at time.Time) string { return at.Local().Format(time.TimeOnly) },
		"date":    func(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") },
		"has":     t.Has,
		"look":    look,
		"person":  who,
		"pair":    func(a, b any) pair { return pair{a, b} },
		"key":     key,
		"itemKey": itemKey,
		"exact":   status.Spell, // what is consented to stands there whole, each character of it
		"iso":     func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
	}
}

// pair is two values for a template.
type pair struct{ A, B any }

// key makes of names that others chose what an id may be.
func key(names ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return "k" + hex.EncodeToString(sum[:8])
}

// when is ago for today; on other days, which a heading names, the time of day.
func when(t *assets.Texts, now, at time.Time) string {
	if dayName(t, now, at) == t.Say("time.today") {
		return t.Ago(at, now)
	}
	return at.Local().Format("15:04")
}

// dayName is the day of at as a heading.
func dayName(t *assets.Texts, now, at time.Time) string {
	switch day := at.Local().Format(time.DateOnly); day {
	case now.Local().Format(time.DateOnly):
		return t.Say("time.today")
	case now.Local().AddDate(0, 0, -1).Format(time.DateOnly):
		return t.Say("time.yesterday")
	}
	return at.Local().Format(t.Say("time.day")) // a layout of package time
}

// until says how long it is until at.
func until(t *assets.Texts, now, at time.Time) string {
	d := at.Sub(now).Round(time.Second)
	switch {
	case d <= 0:
		return t.Say("time.over")
	case d < 2*time.Minute:
		return t.Count("time.seconds.left", int(d/time.Second))
	case d < 2*time.Hour:
		return t.Count("time.minutes.left", int(d/time.Minute))
	case d < 48*time.Hour:
		return t.Count("time.hours.left", int(d/time.Hour))
	}
	return t.Count("time.days.left", int(d/(24*time.Hour)))
}
