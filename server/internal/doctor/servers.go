package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// servers looks at each mounted server, all at once: one that hangs costs no
// more than the time of one check.
func (p Patient) servers(ctx context.Context) []status.Check {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	list := []status.Check{p.mounted()}
	looked := make([]status.Check, len(p.Servers))
	var all sync.WaitGroup
	for i, s := range p.Servers {
		all.Go(func() { looked[i] = s.check(ctx) })
	}
	all.Wait()
	list = append(list, looked...)
	if len(p.Documents) > 0 { // their hosts' fault, so nothing fails here
		list = append(list, status.Check{Name: "client documents", OK: true, Result: sentences(p.Documents...)})
	}
	if len(p.Notes) > 0 {
		list = append(list, status.Check{Name: "what clients see", OK: true, Result: sentences(p.Notes...)})
	}
	return list
}

// mounted looks at mcp.json itself.
func (p Patient) mounted() status.Check {
	c := status.Check{Name: "mounted servers", OK: p.Mistake == nil}
	switch {
	case p.Mistake != nil:
		c.Result, c.Cure = "mcp.json can't be used as it is", p.Mistake.Error()
		if len(p.Servers) > 0 {
			c.Result = fmt.Sprintf("mcp.json has a mistake; the %d servers without one are mounted", len(p.Servers))
		}
	case len(p.Servers) == 0:
		c.Result = "none: mcp.json names no server"
	default:
		c.Result = fmt.Sprintf("mcp.json names %d", len(p.Servers))
	}
	return c
}

func (s Server) check(ctx context.Context) status.Check {
	c := status.Check{Name: "server " + s.Name, OK: true}
	switch {
	case s.Off:
		c.Result = "switched off"
	case s.Look == nil:
		c.Result = "not checked: Drawbridge is not running"
	default:
		tools, err := s.Look(ctx)
		if c.Result = fmt.Sprintf("it answers, and offers %d tools", tools); err != nil {
			c.OK, c.Result = false, "it can't be used"
			if c.Cure = sentences(err.Error()); !strings.Contains(c.Cure, "`drawbridge ") { // which cures it
				c.Cure = sentences(c.Cure, "`drawbridge logs "+s.Name+"` shows what it wrote.")
			}
		}
		if errors.Is(err, context.DeadlineExceeded) {
			c.Cure = fmt.Sprintf("It did not answer within %d seconds. `drawbridge logs %s` shows what it wrote.", int(checkTime.Seconds()), s.Name)
		}
	}
	return c
}

// sentences sets texts one after another, each with its full stop.
func sentences(texts ...string) string {
	all := make([]string, len(texts))
	for i, t := range texts {
		if all[i] = t; !strings.HasSuffix(t, ".") && !strings.HasSuffix(t, "?") {
			all[i] += "."
		}
	}
	return strings.Join(all, " ")
}
