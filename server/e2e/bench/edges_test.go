package bench

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// BenchmarkEdges compares calls of a mounted server through Drawbridge with the
// same calls through the least program that could stand there (limits_test.go), in
// turns of the same run. Only the ratios say something, and of those the ones of a
// quiet machine; so the processor time of a call stands beside them.
// DRAWBRIDGE_BENCH_BEFORE names another program that is measured as well. Run it
// with -benchtime=1x.
func BenchmarkEdges(b *testing.B) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\ncell\tprogram\treq/s\tratio: median\tof rounds\tcpu-µs a call\t× limit\tp50\tp99")
	eras := []string{rig.LegacyVersion, rig.ModernVersion}
	several := func(c *contest) {
		for _, era := range eras {
			for _, conns := range []int{1, 16, 128} {
				c.run(era, conns)
			}
		}
	}
	b.Run("http", func(b *testing.B) { several(mountHTTP(b, table, 0).in(b)) })
	b.Run("stdio", func(b *testing.B) {
		several((&contest{table: table, all: []*contender{startPart(b, partEnv+"=bridge")}}).mount(b, partOf(b, "stdio")).in(b))
	})
	for _, mb := range []int{1, 10} {
		b.Run(fmt.Sprintf("result-%dMB", mb), func(b *testing.B) {
			c := mountHTTP(b, table, mb).in(b)
			for _, era := range eras {
				c.run(era, 1)
			}
		})
	}
	b.Run("beside-sixteen", func(b *testing.B) { // a good client, while sixteen others download
		c := mountHTTP(b, table, 1).in(b)
		c.beside = 16
		for _, era := range eras {
			c.run(era, 1)
		}
	})
	b.Run("stderr-flood", func(b *testing.B) {
		c := (&contest{}).mount(b, partOf(b, "flood"))
		for b.Loop() {
			used, began := c.all[0].cpu(b), time.Now()
			time.Sleep(5 * time.Second)
			b.ReportMetric((c.all[0].cpu(b)-used).Seconds()/time.Since(began).Seconds(), "cores")
		}
		b.ReportMetric(0, "ns/op")
	})
	table.Flush()
}

// contest is the limit, what stands in DRAWBRIDGE_BENCH_BEFORE, and Drawbridge.
type contest struct {
	*testing.B
	table  *tabwriter.Writer
	all    []*contender
	beside int // connections of others that download meanwhile
}

// contender is one program, and what was measured of it.
type contender struct {
	target
	name string
	pid  int

	measure
	used  time.Duration // of the processor
	rates []float64     // of each round, over that of the limit
}

func (c *contest) in(b *testing.B) *contest { c.B = b; return c }

// partOf is a part of the test binary in mcp.json.
func partOf(b *testing.B, part string) rig.MCPServer {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return rig.MCPServer{Command: self, Env: map[string]string{partEnv: part}}
}

func mountHTTP(b *testing.B, table *tabwriter.Writer, mb int) *contest {
	b.Helper()
	env := []string{partEnv + "=http"}
	if mb > 0 {
		env = append(env, givesEnv+"="+strconv.Itoa(mb<<20))
	}
	behind := startSelf(b, env...)
	c := &contest{table: table, all: []*contender{startPart(b, partEnv+"=proxy", behindEnv+"="+behind)}}
	return c.mount(b, rig.MCPServer{URL: "http://" + behind + "/mcp"})
}

func (c *contest) mount(b *testing.B, s rig.MCPServer) *contest {
	b.Helper()
	for _, one := range []struct{ name, program string }{{"before", os.Getenv("DRAWBRIDGE_BENCH_BEFORE")}, {"now", ""}} {
		if one.name == "before" && one.program == "" {
			continue
		}
		app := rig.StartBinary(b, rig.Mounting(b, rig.AppOptions{Plain: true, Binary: one.program,
			Config: func(c *config.Config) { c.Tools.Echo, c.Limits.CallsPerMinute = false, 0 }}, map[string]rig.MCPServer{"thin": s}))
		app.WaitForServers(b)
		tokens := app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice")
		c.all = append(c.all, &contender{name: one.name, target: target{strings.TrimPrefix(app.URL, "http://"), tokens.Access}, pid: app.Program.Script.Cmd.Process.Pid})
	}
	return c
}

const rounds = 12

func (c *contest) run(era string, conns int) {
	c.Run(fmt.Sprintf("%s/%dconns", era, conns), func(b *testing.B) {
		for _, one := range c.all {
			c.turn(b, one, era, conns) // the first opens the conversation
			one.measure, one.used, one.rates = measure{}, 0, nil
		}
		for b.Loop() {
			for round := range rounds {
				rate := map[*contender]float64{}
				for i := range c.all { // each is first as often as the others
					one := c.all[(i+round)%len(c.all)]
					rate[one] = c.turn(b, one, era, conns)
				}
				for _, one := range c.all {
					one.rates = append(one.rates, rate[one]/rate[c.all[0]])
				}
			}
		}
		now, limit := c.all[len(c.all)-1], c.all[0]
		b.ReportMetric(now.rate()/limit.rate(), "ratio")
		b.ReportMetric(now.perCall(), "cpu-µs/call")
		b.ReportMetric(0, "ns/op")
		for _, one := range c.all {
			slices.Sort(one.rates)
			fmt.Fprintf(c.table, "%s\t%s\t%.0f\t%.2f\t%.2f to %.2f\t%.0f\t%.2f\t%v\t%v\n", strings.TrimPrefix(b.Name(), "BenchmarkEdges/"), one.name, one.rate(),
				one.rates[len(one.rates)/2], one.rates[0], one.rates[len(one.rates)-1], one.perCall(), one.perCall()/limit.perCall(),
				one.p50().Round(time.Microsecond), one.at(99).Round(time.Microsecond))
		}
	})
}

// turn has one program answer for a while, and returns how many requests a second.
func (c *contest) turn(b *testing.B, one *contender, era string, conns int) float64 {
	var others sync.WaitGroup
	message := "hello"
	if c.beside > 0 {
		message = brief
		others.Go(func() { load(b, one.target, era, c.beside) })
	}
	before := one.cpu(b)
	m := loadWith(b, one.target, era, conns, message)
	others.Wait()
	one.add(m)
	one.used += one.cpu(b) - before
	return m.rate()
}

// perCall is the processor time of a call in µs.
func (c *contender) perCall() float64 { return c.used.Seconds() * 1e6 / float64(len(c.took)) }

// cpu is the time that the program has computed (proc_pid_stat(5): utime, stime).
func (c *contender) cpu(b *testing.B) time.Duration {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		b.Skip("computing time is read from /proc, which is Linux's: ", err)
	}
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	var ticks time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			b.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * time.Second / 100
}
