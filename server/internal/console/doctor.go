package console

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// doctorTime is how long all checks together may take.
const doctorTime = 3 * time.Minute

// doctor runs the checks, and writes a report for those who help.
func (c *Console) doctor() *Page {
	return &Page{
		Name:    "doctor",
		Draw:    func(r *Request) any { return r.Result },
		Actions: map[string]Action{"run": c.examine},
	}
}

type doctorData struct {
	Checks []status.Check
	Report string
}

func (c *Console) examine(r *Request) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), doctorTime)
	defer cancel()
	checks := c.backend.Doctor(ctx)
	r.Snap = c.backend.Snapshot() // as the checks left it: what answers again is no failure
	failed := 0
	for _, check := range checks {
		if !check.OK {
			failed++
		}
	}
	r.Result = doctorData{checks, c.report(r, checks)}
	if failed == 0 {
		return r.Say("doctor.well"), nil
	}
	r.Warn = true
	return r.Count("doctor.failed", failed), nil
}

// report is what a person may show to strangers.
func (c *Console) report(r *Request, checks []status.Check) string {
	var b strings.Builder
	st := r.Snap.Status
	fmt.Fprintf(&b, "Drawbridge %s, %s/%s, %s\n", c.version, runtime.GOOS, runtime.GOARCH, runtime.Version())
	part := func(name, state, problem string) {
		fmt.Fprintf(&b, "%s: %s", name, state)
		if problem != "" {
			fmt.Fprintf(&b, " (%s)", problem)
		}
		b.WriteString("\n")
	}
	part("state", string(st.State), st.Error)
	part("tunnel", st.Tunnel.State, st.Tunnel.Error)
	part("provider", st.IDP.State, st.IDP.Error)
	for _, s := range st.Servers {
		part("server "+s.Name, s.State, s.Error)
	}
	fmt.Fprintf(&b, "sessions: %d\n\n", len(r.Snap.Sessions))
	for _, check := range checks {
		word := map[bool]string{true: "ok", false: "FAILED"}[check.OK]
		fmt.Fprintf(&b, "%s: %s: %s\n", word, check.Name, check.Result)
		if !check.OK && check.Cure != "" {
			fmt.Fprintf(&b, "  to do: %s\n", check.Cure)
		}
	}
	return redact(b.String(), r.Snap)
}
