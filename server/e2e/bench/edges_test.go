package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// BenchmarkEdges compares calls of a mounted server through Drawbridge with the
// same calls through the least program that could stand there (limits_test.go), in
// turns of the same run. Only the ratios say something, and of those the ones of a
// quiet machine. Run it with -benchtime=1x.
func BenchmarkEdges(b *testing.B) {
	eras := []string{rig.LegacyVersion, rig.ModernVersion}
	b.Run("http", func(b *testing.B) {
		c := mountHTTP(b, 0)
		for _, era := range eras {
			for _, conns := range []int{1, 16, 128} {
				c.run(b, era, conns)
			}
		}
	})
	b.Run("stdio", func(b *testing.B) {
		c := contest{limit: target{startSelf(b, partEnv+"=bridge"), token}}
		c.mount(b, partOf(b, "stdio"))
		for _, era := range eras {
			for _, conns := range []int{1, 16, 128} {
				c.run(b, era, conns)
			}
		}
	})
	for _, mb := range []int{1, 10} {
		b.Run(fmt.Sprintf("result-%dMB", mb), func(b *testing.B) {
			c := mountHTTP(b, mb)
			for _, era := range eras {
				c.run(b, era, 1)
			}
		})
	}
	b.Run("stderr-flood", func(b *testing.B) {
		c := contest{}
		c.mount(b, partOf(b, "flood"))
		for b.Loop() {
			used, began := c.cpu(b), time.Now()
			time.Sleep(5 * time.Second)
			b.ReportMetric((c.cpu(b)-used).Seconds()/time.Since(began).Seconds(), "cores")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// contest is Drawbridge beside the limit of what it does.
type contest struct {
	limit, ours target
	app         *rig.App
	mb          int // of each answer
}

// partOf is a part of the test binary in mcp.json.
func partOf(b *testing.B, part string) rig.MCPServer {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return rig.MCPServer{Command: self, Env: map[string]string{partEnv: part}}
}

func mountHTTP(b *testing.B, mb int) *contest {
	b.Helper()
	env := []string{partEnv + "=http"}
	if mb > 0 {
		env = append(env, givesEnv+"="+strconv.Itoa(mb<<20))
	}
	behind := startSelf(b, env...)
	c := &contest{limit: target{startSelf(b, partEnv+"=proxy", behindEnv+"="+behind), token}, mb: mb}
	c.mount(b, rig.MCPServer{URL: "http://" + behind + "/mcp"})
	return c
}

func (c *contest) mount(b *testing.B, s rig.MCPServer) {
	b.Helper()
	c.app = rig.StartBinary(b, rig.Mounting(b, rig.AppOptions{Plain: true,
		Config: func(c *config.Config) { c.Tools.Echo, c.Limits.CallsPerMinute = false, 0 }}, map[string]rig.MCPServer{"thin": s}))
	c.app.WaitForServers(b)
	c.ours = target{strings.TrimPrefix(c.app.URL, "http://"), c.app.SignIn(b, rig.NewBrowser(b), c.app.Register(b, rig.ClientURI), "alice").Access}
}

func (c *contest) run(b *testing.B, era string, conns int) {
	b.Run(fmt.Sprintf("%s/%dconns", era, conns), func(b *testing.B) {
		load(b, c.ours, era, conns) // the first opens the conversation
		load(b, c.limit, era, conns)
		var limit, ours measure
		var used time.Duration
		for b.Loop() {
			for round := range 12 {
				if round%2 == 0 {
					limit.add(load(b, c.limit, era, conns))
				}
				before := c.cpu(b)
				ours.add(load(b, c.ours, era, conns))
				used += c.cpu(b) - before
				if round%2 != 0 {
					limit.add(load(b, c.limit, era, conns))
				}
			}
		}
		b.ReportMetric(limit.rate(), "limit-req/s")
		b.ReportMetric(ours.rate(), "req/s")
		b.ReportMetric(ours.rate()/limit.rate(), "ratio")
		perCall := used.Seconds() * 1e6 / float64(len(ours.took))
		if c.mb > 0 {
			b.ReportMetric(perCall/1000/float64(c.mb), "cpu-ms/MB")
		} else {
			b.ReportMetric(perCall, "cpu-µs/call")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// cpu is the time that the program has computed (proc_pid_stat(5): utime, stime).
func (c *contest) cpu(b *testing.B) time.Duration {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.app.Program.Script.Cmd.Process.Pid))
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
