package rig

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Attempts returns the attempts to connect, newest first, as the control side
// tells them.
func (app *App) Attempts(t testing.TB) []status.Attempt {
	t.Helper()
	c := app.Control(t)
	defer c.Close()
	list, err := c.Attempts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// MustConclude fails the test unless the newest attempt comes to this verdict.
// What a call came to is told a moment after its answer has left.
func (app *App) MustConclude(t testing.TB, key, outcome, says string) status.Attempt {
	t.Helper()
	var list []status.Attempt
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		list = app.Attempts(t)
		if len(list) > 0 && list[0].VerdictKey == key && list[0].Outcome == outcome && strings.Contains(list[0].Verdict, says) {
			return list[0]
		}
	}
	t.Fatalf("the newest attempt does not come to %s %q %q: %s", key, outcome, says, Outline(list))
	return status.Attempt{}
}

// Outline is what a failed test prints of attempts.
func Outline(list []status.Attempt) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "\n%s %s %q by %s:", a.VerdictKey, a.Outcome, a.Verdict, a.Agent)
		for _, s := range a.Steps {
			fmt.Fprintf(&b, " %s", s.Key)
		}
	}
	return b.String()
}
