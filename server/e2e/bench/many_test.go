package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// BenchmarkBeside compares an app with 50 mounted servers of 20 tools each with
// one that has none, in turns of one run: what a call of echo costs beside
// them, and what tools/list costs in each era. Run it with -benchtime=1x.
func BenchmarkBeside(b *testing.B) {
	const servers, tools = 50, 20
	many := map[string]rig.MCPServer{}
	for i := range servers {
		many[fmt.Sprintf("server%02d", i)] = rig.SmallServer(b, tools)
	}
	unlimited := rig.AppOptions{Config: func(c *config.Config) { c.Limits.CallsPerMinute = 0 }}
	start := func(o rig.AppOptions) (target, *rig.MCP, *rig.App) {
		app := rig.StartBinary(b, o)
		if o.ConfigFile != "" {
			app.WaitForServers(b)
		}
		tokens := app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice")
		return target{strings.TrimPrefix(app.URL, "http://"), tokens.Access}, app.MCP(b, tokens.Access), app
	}
	without, _, alone := start(unlimited)
	beside, m, crowded := start(rig.Mounting(b, unlimited, many))
	if n := len(m.Listing(b, "tools/list")); n != servers*tools+3 {
		b.Fatalf("%d tools", n)
	}
	for _, era := range []string{rig.LegacyVersion, rig.ModernVersion} {
		b.Run("echo/"+era, func(b *testing.B) {
			var plain, ours measure
			usedAlone, usedCrowded := used(b, alone), used(b, crowded)
			for b.Loop() {
				for round := range 12 {
					if round%2 == 0 {
						plain.add(load(b, without, era, 16))
						ours.add(load(b, beside, era, 16))
					} else {
						ours.add(load(b, beside, era, 16))
						plain.add(load(b, without, era, 16))
					}
				}
			}
			each := func(app *rig.App, before float64, m measure) float64 {
				return (used(b, app) - before) / float64(len(m.took))
			}
			b.ReportMetric(each(alone, usedAlone, plain)/each(crowded, usedCrowded, ours), "cpu-ratio")
			b.ReportMetric(plain.rate(), "none-req/s")
			b.ReportMetric(ours.rate(), "req/s")
			b.ReportMetric(ours.rate()/plain.rate(), "throughput-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("list", func(b *testing.B) {
		var legacy, modern measure
		for b.Loop() {
			for range 12 {
				legacy.add(listing(b, beside, rig.LegacyVersion))
				modern.add(listing(b, beside, rig.ModernVersion))
			}
		}
		b.ReportMetric(float64(legacy.p50().Microseconds()), "2025-11-25-p50-µs")
		b.ReportMetric(float64(modern.p50().Microseconds()), "2026-07-28-p50-µs")
		b.ReportMetric(float64(modern.p50())/float64(legacy.p50()), "p50-ratio")
		b.ReportMetric(0, "ns/op")
	})
}

// used is the processor time that the program has taken, in its own clock ticks
// (proc(5), utime and stime): on a busy machine it says more than the clock.
func used(b *testing.B, app *rig.App) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", app.Status(b).PID))
	if err != nil {
		b.Skip("processor time is read from /proc, which is Linux's: ", err)
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	var user, system float64
	_, _ = fmt.Sscan(fields[11], &user)
	_, _ = fmt.Sscan(fields[12], &system)
	return user + system
}

// listing asks for the first page of tools/list for one turn.
func listing(b *testing.B, to target, era string) (m measure) {
	b.Helper()
	conn, err := net.Dial("tcp", to.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	body, headers := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, ""
	if era == rig.ModernVersion {
		body = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"` + era + `","io.modelcontextprotocol/clientCapabilities":{}}}}`
		headers = "MCP-Protocol-Version: " + era + "\r\nMcp-Method: tools/list\r\n"
	} else {
		init := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + era + `","capabilities":{},"clientInfo":{"name":"b","version":"1"}}}`
		session, err := send(conn, r, request(to, init, ""))
		if err != nil {
			b.Fatal(err)
		}
		headers = "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: " + era + "\r\n"
	}
	call := request(to, body, headers)
	start := time.Now()
	for now := start; now.Before(start.Add(turn)); {
		if _, err := send(conn, r, call); err != nil {
			b.Fatal(err)
		}
		end := time.Now()
		m.took = append(m.took, end.Sub(now))
		now = end
	}
	m.time = time.Since(start)
	return m
}
