package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// stdioEnv tells the test binary to be a small MCP server on stdin and stdout,
// with as many tools as it says; the first is called echo.
const stdioEnv = "DRAWBRIDGE_TEST_STDIO"

// stdioSays is what the descriptions of its tools say besides.
const stdioSays = "DRAWBRIDGE_TEST_STDIO_SAYS"

func serveStdio(tools int) {
	var list []string
	for i := range tools {
		name := "echo"
		if i > 0 {
			name = fmt.Sprint("echo", i)
		}
		list = append(list, fmt.Sprintf(`{"name":%q,"description":"Returns its message`+os.Getenv(stdioSays)+`","inputSchema":{"type":"object","properties":{"message":{"type":"string"}}}}`, name))
	}
	answers := map[string]string{
		"initialize": `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"small","version":"1"}}`,
		"tools/list": `{"tools":[` + strings.Join(list, ",") + `]}`,
		"tools/call": `{"content":[{"type":"text","text":"Echo: hello"}]}`,
		"ping":       `{}`,
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal(line, &m) != nil || m.ID == nil {
			continue
		}
		if result, ok := answers[m.Method]; ok {
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", m.ID, result)
		} else {
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`+"\n", m.ID)
		}
	}
}

// small is such a server in mcp.json.
func small(t testing.TB, tools int) mcpJSON {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return mcpJSON{Command: self, Env: map[string]string{stdioEnv: strconv.Itoa(tools)}}
}

// BenchmarkMounted compares a call of a mounted server's tool through /mcp with
// the same call of the server itself, in turns of one run: of a server behind
// a URL, and of one on stdin and stdout. Run it with -benchtime=1x.
func BenchmarkMounted(b *testing.B) {
	withoutEcho := AppOptions{Config: func(c *config.Config) { c.Tools.Echo, c.Limits.CallsPerMinute = false, 0 }}
	bare := target{addr: startBare(b)}
	through := func(name string, s mcpJSON) target {
		app := StartApp(b, mounting(b, withoutEcho, map[string]mcpJSON{name: s}))
		app.waitForServers(b)
		return target{strings.TrimPrefix(app.URL, "http://"), app.SignIn(b, NewBrowser(b), app.Register(b, clientURI), "alice").Access}
	}
	viaHTTP, viaStdio := through("web", mcpJSON{URL: "http://" + bare.addr + "/mcp"}), through("process", small(b, 1))
	direct := startSmall(b)
	for _, era := range []string{legacyVersion, modernVersion} {
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
	s := small(b, 1)
	cmd := exec.Command(s.Command)
	cmd.Env = append(os.Environ(), stdioEnv+"=1")
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
	body, _ := echoCall(legacyVersion, "")
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
	many := map[string]mcpJSON{}
	for i := range servers {
		many[fmt.Sprintf("server%02d", i)] = small(b, tools)
	}
	for b.Loop() {
		before := heap()
		begin := time.Now()
		app := StartApp(b, mounting(b, AppOptions{}, many))
		ready := time.Since(begin)
		app.waitForServers(b)
		started := time.Since(begin)
		m := app.MCP(b, app.SignIn(b, NewBrowser(b), app.Register(b, clientURI), "alice").Access)
		if n := len(m.listing(b, "tools/list")); n != servers*tools+3 {
			b.Fatalf("%d tools", n)
		}
		var took []time.Duration
		for range 50 {
			begin := time.Now()
			m.listing(b, "tools/list")
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		b.ReportMetric(ready.Seconds(), "ready-s")
		b.ReportMetric(started.Seconds(), "all-started-s")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "list-p50-ms")
		b.ReportMetric(float64(heap()-before)/(1<<20), "heap-MiB")
		app.Stop()
	}
	b.ReportMetric(0, "ns/op")
}
