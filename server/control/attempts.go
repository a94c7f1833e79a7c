package control

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// PrintAttempts prints each attempt to connect with its steps and, last, its
// verdict; the newest attempt last, where a person looks first. As JSON it
// prints an array, newest first.
func PrintAttempts(w io.Writer, list []status.Attempt, asJSON bool) error {
	if asJSON {
		return printJSON(w, orEmpty(list), "  ")
	}
	if len(list) == 0 {
		return printLine(w, "No attempts: no client has tried to connect since Drawbridge started.")
	}
	for i, a := range slices.Backward(list) {
		if err := printAttempt(w, a); err != nil {
			return err
		}
		if i > 0 {
			if err := printLine(w, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func printAttempt(w io.Writer, a status.Attempt) error {
	lines := []string{fmt.Sprintf("%s  %s", a.Started.Local().Format(time.DateTime), join(either(a.Client, a.Agent), a.User, a.Remote))}
	for _, s := range a.Steps {
		line := fmt.Sprintf("  %s  %-7s  %-12s  %s", s.Time.Local().Format(time.TimeOnly), s.Outcome, s.Kind, s.Text)
		if s.Times > 1 {
			line += fmt.Sprintf(" (%d times)", s.Times)
		}
		lines = append(lines, line)
	}
	for _, line := range append(lines, "  "+either(a.Outcome, "waiting")+": "+a.Verdict) {
		if err := printLine(w, line); err != nil {
			return err
		}
	}
	return nil
}
