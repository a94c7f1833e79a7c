package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/status"
)

type showEvents struct {
	asJSON
	Follow bool          `short:"f"`
	Number int           `short:"n" placeholder:"N"`
	Since  time.Duration `placeholder:"1h"`
}

func (c showEvents) Run(a *app) error {
	if c.Number < 0 || c.Since < 0 {
		return usage("cli.events.less")
	}
	client, err := control.Dial(a.data)
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := client.Events(a.ctx)
	if err != nil {
		return err
	}
	var from time.Time
	if c.Since > 0 {
		from = time.Now().Add(-c.Since)
		list = slices.DeleteFunc(list, func(e status.Event) bool { return e.Time.Before(from) })
	}
	if c.Number > 0 && len(list) > c.Number {
		list = list[len(list)-c.Number:]
		from = list[0].Time
	}
	if len(list) == 0 && !c.Follow && !c.JSON {
		a.say("cli.events.none")
	}
	if !c.Follow {
		return a.out.events(list, c.JSON)
	}
	return client.Follow(a.ctx, func(e status.Event) error {
		if e.Time.Before(from) {
			return nil
		}
		return a.out.events([]status.Event{e}, c.JSON)
	})
}

// events prints one line an event, oldest first, or one JSON object a line.
// Times are of the clock, not relative: the lines of a stream stay on the
// screen.
func (s *screen) events(list []status.Event, asJSON bool) error {
	for _, ev := range list {
		if asJSON {
			_ = s.json(ev, "")
			continue
		}
		reason := s.translate(ev.Reason)
		if reason == ev.Tool {
			reason = ""
		}
		if ev.Count > 1 {
			reason = strings.TrimSpace(reason + " " + s.texts.Say("cli.times", ev.Count))
		}
		_ = s.line(cell{s.clock(ev.Time), dim}, cell{fmt.Sprintf("%-7s", ev.Outcome), word{"", ev.Outcome}.ink()}, cell{fmt.Sprintf("%-17s", ev.Type), plain},
			cell{join(ev.User, ev.Client, ev.Tool, reason, ev.Remote), plain})
	}
	return s.err
}

type showAttempts struct{ asJSON }

func (c showAttempts) Run(a *app) error {
	return show(a, c.asJSON, (*control.Client).Attempts, a.out.attempts)
}

// attempts prints each attempt to connect with its steps and, last, its
// verdict; the newest attempt last, where a person looks first.
func (s *screen) attempts(list []status.Attempt) error {
	if len(list) == 0 {
		return s.print(s.texts.Say("cli.attempts.none"))
	}
	for i, at := range slices.Backward(list) {
		_ = s.line(cell{at.Started.Local().Format(time.DateTime), dim}, cell{join(cmp.Or(at.Client, at.Agent), at.User, at.Remote), heading})
		for _, step := range at.Steps {
			text := s.told("step."+step.Key, step.Args, step.Text)
			if step.Times > 1 {
				text += " " + s.texts.Say("cli.times", step.Times)
			}
			_ = s.line(cell{"  " + step.Time.Local().Format(time.TimeOnly), dim}, cell{fmt.Sprintf("%-7s", step.Outcome), word{"", step.Outcome}.ink()},
				cell{fmt.Sprintf("%-12s", step.Kind), plain}, cell{text, plain})
		}
		outcome := word{"outcome.", at.Outcome}
		verdict := cmp.Or(s.word(outcome), s.texts.Say("cli.waiting")) + ": " + s.told("verdict."+at.VerdictKey, at.Args, at.Verdict)
		_ = s.line(cell{"", plain}, cell{verdict, outcome.ink()})
		if i > 0 {
			_ = s.print("")
		}
	}
	return s.err
}

// told is what the running instance says, in the screen's language.
func (s *screen) told(key string, args map[string]string, english string) string {
	if s.texts.Lang == "en" {
		return english
	}
	return cmp.Or(timeline.Sentence(s.texts.Lang, key, args), english)
}
