package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// BenchmarkMounted compares a call of a mounted server's tool through /mcp with
// the same call of the server itself, in turns of one run: of a server behind
// a URL, and of one on stdin and stdout. Run it with -benchtime=1x.
func BenchmarkMounted(b *testing.B) {
	withoutEcho := rig.AppOptions{Config: func(c *config.Config) { c.Tools.Echo, c.Limits.CallsPerMinute = false, 0 }}
	bare := target{addr: startBare(b)}
	through := func(name string, s rig.MCPServer) target {
		app := rig.StartApp(b, rig.Mounting(b, withoutEcho, map[string]rig.MCPServer{name: s}))
		app.WaitForServers(b)
		return target{strings.TrimPrefix(app.URL, "http://"), app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice").Access}
	}
	viaHTTP, viaStdio := through("web", rig.MCPServer{URL: "http://" + bare.addr + "/mcp"}), through("process", rig.SmallServer(b, 1))
	direct := startSmall(b)
	for _, era := range []string{rig.LegacyVersion, rig.ModernVersion} {
		b.Run(era, func(b *testing.B) {
			var web, bridgedWeb, process, bridgedProcess measure
			for b.Loop() {
				for range 8 {
					web.add(load(b, bare, era, 1))
					bridgedWeb.add(load(b, viaHTTP, era, 1))
					process.add(direct.load())
					bridgedProcess.add(load(b, viaStdio, era, 1))
				}
			}
			b.ReportMetric(float64(web.p50().Microseconds()), "http-p50-µs")
			b.ReportMetric(float64(bridgedWeb.p50().Microseconds()), "http-through-p50-µs")
			b.ReportMetric(float64(process.p50().Microseconds()), "stdio-p50-µs")
			b.ReportMetric(float64(bridgedProcess.p50().Microseconds()), "stdio-through-p50-µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// direct is a small server that is asked without anything between.
type direct struct {
	b   *testing.B
	in  *bufio.Writer
	out *bufio.Reader
}

func startSmall(b *testing.B) *direct {
	b.Helper()
	s := rig.SmallServer(b, 1)
	cmd := exec.Command(s.Command)
	cmd.Env = append(os.Environ(), rig.StdioEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &direct{b, bufio.NewWriter(in), bufio.NewReader(out)}
}

func (d *direct) load() measure {
	body, _ := rig.EchoCall(rig.LegacyVersion, "")
	start := time.Now()
	var m measure
	for now := start; now.Before(start.Add(turn)); {
		fmt.Fprintln(d.in, body)
		if err := d.in.Flush(); err != nil {
			d.b.Fatal(err)
		}
		if _, err := d.out.ReadBytes('\n'); err != nil {
			d.b.Fatal(err)
		}
		end := time.Now()
		m.took = append(m.took, end.Sub(now))
		now = end
	}
	m.time = time.Since(start)
	return m
}

// BenchmarkManyServers mounts 50 servers with the same 20 tools each: how long
// until all have said what they offer, what that costs in memory, and how long
// it takes to read tools/list, three pages of it. Run it with -benchtime=1x.
func BenchmarkManyServers(b *testing.B) {
	const servers, tools = 50, 20
	many := map[string]rig.MCPServer{}
	for i := range servers {
		many[fmt.Sprintf("server%02d", i)] = rig.SmallServer(b, tools)
	}
	for b.Loop() {
		before := rig.HeapSize()
		begin := time.Now()
		app := rig.StartApp(b, rig.Mounting(b, rig.AppOptions{}, many))
		ready := time.Since(begin)
		app.WaitForServers(b)
		started := time.Since(begin)
		m := app.MCP(b, app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice").Access)
		if n := len(m.Listing(b, "tools/list")); n != servers*tools+3 {
			b.Fatalf("%d tools", n)
		}
		var took []time.Duration
		for range 50 {
			begin := time.Now()
			m.Listing(b, "tools/list")
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		b.ReportMetric(ready.Seconds(), "ready-s")
		b.ReportMetric(started.Seconds(), "all-started-s")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "list-p50-ms")
		b.ReportMetric(float64(rig.HeapSize()-before)/(1<<20), "heap-MiB")
		app.Stop()
	}
	b.ReportMetric(0, "ns/op")
}
