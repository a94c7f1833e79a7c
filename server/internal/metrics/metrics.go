// Package metrics says in figures how Drawbridge does, in Prometheus' text format
// (version 0.0.4). Every label is one of a few words of ours or the name of a
// mounted server, so that nobody from outside can make a new series. Written
// here since the client library takes 700 KB of the program. Start at [Write].
package metrics

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// bounds of the histogram, in seconds: from a tool that only counts to one that
// asks a model.
var bounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// Calls counts tool calls. Its zero value is ready.
type Calls struct {
	mu      sync.Mutex // guards servers
	servers map[string]*calls
}

type calls struct {
	outcomes map[string]int
	buckets  []int // by bounds, each for itself; the last is beyond them
	took     time.Duration
}

// Add counts one call. took counts unless it was refused, when nothing ran.
func (c *Calls) Add(server, outcome string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.servers[server]
	if s == nil {
		if c.servers == nil {
			c.servers = map[string]*calls{}
		}
		s = &calls{outcomes: map[string]int{}, buckets: make([]int, len(bounds)+1)}
		c.servers[server] = s
	}
	s.outcomes[outcome]++
	if outcome != status.Refused {
		i, _ := slices.BinarySearch(bounds, took.Seconds())
		s.buckets[i]++
		s.took += took
	}
}

// Write writes all there is. refusals are counts by reason.
func Write(w io.Writer, st status.Status, refusals map[string]int, c *Calls) {
	head := func(name, kind, help string) {
		_, _ = fmt.Fprintf(w, "# HELP drawbridge_%s %s\n# TYPE drawbridge_%[1]s %[3]s\n", name, help, kind)
	}
	line := func(name string, value any, labels ...string) {
		var pairs []string
		for i := 0; i < len(labels); i += 2 {
			pairs = append(pairs, labels[i]+`="`+escape.Replace(labels[i+1])+`"`)
		}
		all := ""
		if pairs != nil {
			all = "{" + strings.Join(pairs, ",") + "}"
		}
		_, _ = fmt.Fprintf(w, "drawbridge_%s%s %v\n", name, all, value)
	}
	states := func(name, help, now string, all ...string) {
		head(name, "gauge", help)
		for _, state := range all {
			line(name, is(state == now), "state", state)
		}
	}
	head("build_info", "gauge", "What runs.")
	line("build_info", 1, "version", st.Version, "goversion", runtime.Version())
	states("state", "1 for the state that Drawbridge is in.", string(st.State), string(status.Ready), string(status.Starting), string(status.Paused), string(status.Error))
	states("tunnel_state", "1 for the state that the tunnel is in.", st.Tunnel.State, "up", "connecting", "down", "off")
	states("provider_state", "1 for how the identity provider last answered.", st.IDP.State, status.IDPOK, status.IDPUnreachable, status.IDPMisconfigured)
	head("sessions", "gauge", "Live sessions.")
	line("sessions", st.Sessions)
	head("server_up", "gauge", "1 while a mounted server is well.")
	for _, s := range st.Servers {
		line("server_up", is(s.State == "ok"), "server", s.Name)
	}
	head("refusals_total", "counter", "Requests that were refused or failed, from discovery to calls, by reason as in drawbridge attempts.")
	for _, reason := range slices.Sorted(maps.Keys(refusals)) {
		line("refusals_total", refusals[reason], "reason", reason)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	head("calls_total", "counter", "Tool calls by outcome: ok, error (of the tool or its server), refused (by a limit or the owner).")
	for _, server := range slices.Sorted(maps.Keys(c.servers)) {
		for _, outcome := range []string{status.OK, status.Failed, status.Refused} {
			line("calls_total", c.servers[server].outcomes[outcome], "server", server, "outcome", outcome)
		}
	}
	head("call_duration_seconds", "histogram", "How long tool calls took that were not refused, without the wait for the owner.")
	for _, server := range slices.Sorted(maps.Keys(c.servers)) {
		s, n := c.servers[server], 0
		for i, in := range s.buckets {
			n += in
			le := "+Inf"
			if i < len(bounds) {
				le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
			}
			line("call_duration_seconds_bucket", n, "server", server, "le", le)
		}
		line("call_duration_seconds_sum", s.took.Seconds(), "server", server)
		line("call_duration_seconds_count", n, "server", server)
	}
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func is(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
