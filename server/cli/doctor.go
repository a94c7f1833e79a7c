package cli

import (
	"strings"

	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

type doctor struct{ asJSON }

func (c doctor) Run(a *app) error {
	checks, err := a.checks()
	if err != nil {
		return err
	}
	if c.JSON {
		_ = a.out.json(checks, "  ")
	} else {
		_ = a.out.checks(checks)
	}
	for _, check := range checks {
		if !check.OK {
			return failure("cli.doctor", a.out.nameOf(check), a.out.translate(check.Cure))
		}
	}
	return a.out.err
}

// checks asks the running instance, which sees more; without one it looks at
// the configuration itself.
func (a *app) checks() ([]status.Check, error) {
	checks, err := ask(a, (*control.Client).Doctor)
	if err == nil {
		return checks, nil
	}
	o, err := a.options("")
	if err != nil {
		return nil, err
	}
	return server.Examine(a.ctx, o), nil
}

// checks prints one line a check and, if it failed, what to do.
func (s *screen) checks(list []status.Check) error {
	t := table{wrap: true, most: 1000}
	for _, c := range list {
		mark, text := cell{s.texts.Say("cli.check.ok"), good}, c.Result
		switch {
		case !c.OK:
			mark, text = cell{s.texts.Say("cli.check.failed"), bad}, strings.TrimSuffix(text, ".")+". "+c.Cure
		case strings.HasPrefix(c.Result, "not checked"):
			mark = cell{"-", dim}
		}
		t.add(mark, cell{s.nameOf(c), heading}, cell{s.translate(text), plain})
	}
	return s.table(t)
}

func (s *screen) nameOf(c status.Check) string { return s.translate(s.word(word{"check.", c.Name})) }
