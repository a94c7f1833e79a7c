package tunnel

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.ngrok.com/ngrok/v2"

	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// A hundred streams and a thousand calls share one tunnel, and each answer goes
// to whom it belongs.
func TestTunnelLoad(t *testing.T) {
	app := rig.StartTunnelApp(t, rig.StartEdge(t, edge.Options{}), nil)
	client := app.Register(t, rig.ClientURI)
	tokens := map[string]rig.Tokens{}
	for _, user := range []string{"alice", "bob"} {
		tokens[user] = app.SignIn(t, app.Browser(t), client, user)
	}
	user := func(i int) string { return []string{"alice", "bob"}[i%2] }

	var streams []io.Closer
	var ended sync.WaitGroup
	for i := range 100 {
		m := app.MCP(t, tokens[user(i)].Access)
		m.Initialize()
		resp, err := (&http.Client{Transport: rig.PlainHTTP.Transport}).Do(m.Request(http.MethodGet, nil, "Accept", "text/event-stream"))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("stream %d: %v, %v", i, resp, err)
		}
		streams = append(streams, resp.Body)
		ended.Go(func() {
			lines := bufio.NewScanner(resp.Body)
			for lines.Scan() {
				if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && strings.Contains(data, "message ") {
					t.Errorf("stream %d got somebody's answer: %s", i, rig.Clip(data))
				}
			}
		})
	}

	const calls, callers = 1000, 20
	took := make([]time.Duration, calls)
	var work sync.WaitGroup
	for c := range callers {
		work.Go(func() {
			for i := c; i < calls; i += callers {
				m := &rig.MCP{T: t, URL: app.MCPURL, Token: tokens[user(i)].Access, Modern: true}
				message := fmt.Sprintf("message %d", i)
				began := time.Now()
				if got := m.CallTool("echo", map[string]any{"message": message}); got != "Echo: "+message {
					t.Errorf("call %d got %q", i, got)
				}
				took[i] = time.Since(began)
				if i%50 != 0 {
					continue
				}
				if who := m.CallTool("whoami", map[string]any{}); !strings.Contains(who, user(i)+"@example.com") {
					t.Errorf("call %d was made as %s", i, who)
				}
			}
		})
	}
	work.Wait()
	for _, s := range streams {
		_ = s.Close()
	}
	ended.Wait()
	slices.Sort(took)
	t.Logf("%d calls by %d callers beside 100 streams: p50 %v, p99 %v", calls, callers, took[calls/2], took[calls*99/100])
}

// BenchmarkTunnel compares a call through the tunnel with one on loopback, by
// one caller in turns, and both with a program of ngrok's SDK that does nothing but
// answer (bare): its ratio is what the edge and the SDK cost alone. Run it with
// -benchtime=1x.
func BenchmarkTunnel(b *testing.B) {
	e := rig.StartEdge(b, edge.Options{})
	app := rig.StartTunnelApp(b, e, nil)
	tokens := app.SignIn(b, app.Browser(b), app.Register(b, rig.ClientURI), "alice")
	bareDirect, bareThrough := serveBare(b, e)
	ways := []struct {
		name, url string
		took      []time.Duration
	}{
		{name: "loopback", url: strings.Replace(app.MCPURL, app.URL, app.Status(b).LocalURL, 1)}, {name: "tunnel", url: app.MCPURL},
		{name: "bare-loopback", url: bareDirect}, {name: "bare-tunnel", url: bareThrough},
	}
	for b.Loop() {
		for range 10 {
			for i := range ways {
				m := &rig.MCP{T: b, URL: ways[i].url, Token: tokens.Access, Modern: true}
				for range 100 {
					began := time.Now()
					m.CallTool("echo", map[string]any{"message": "hello"})
					ways[i].took = append(ways[i].took, time.Since(began))
				}
			}
		}
	}
	var p50 []float64
	for _, way := range ways {
		slices.Sort(way.took)
		p50 = append(p50, float64(way.took[len(way.took)/2].Microseconds()))
		b.ReportMetric(p50[len(p50)-1], way.name+"-p50-µs")
	}
	b.ReportMetric(p50[1]/p50[0], "p50-ratio")
	b.ReportMetric(p50[3]/p50[2], "bare-p50-ratio")
	b.ReportMetric(0, "ns/op")
}

// serveBare answers every request with one result, on loopback and through e.
func serveBare(b *testing.B, e *edge.Edge) (direct, through string) {
	b.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.CAs())
	agent, err := ngrok.NewAgent(ngrok.WithAuthtoken("any"), ngrok.WithAgentConnectURL(e.AgentAddr()), ngrok.WithAgentConnectCAs(pool))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = agent.Disconnect() })
	listener, err := agent.Listen(b.Context(), ngrok.WithURL("https://bare.example.test"))
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ ID json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&q)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":"Echo: hello"}]}}`, q.ID)
	}))
	b.Cleanup(server.Close)
	go func() { _ = http.Serve(listener, server.Config.Handler) }()
	rig.Edges.Store("bare.example.test", e.VisitorAddr())
	return server.URL, "https://bare.example.test"
}

// Fifty reconnections leave nothing behind.
func TestTunnelReconnects(t *testing.T) {
	e := rig.StartEdge(t, edge.Options{})
	app := rig.StartTunnelApp(t, e, nil)
	_, _, alive := app.SignedIn(t)
	reconnect := func() {
		before := len(e.Logins())
		e.Drop()
		rig.WaitFor(t, "the next line", func() bool { return len(e.Logins()) > before && e.Online(app.Host) && app.Tunnel().State == "up" })
	}
	for range 5 { // warm up
		reconnect()
	}
	alive()
	goroutines, files, memory := settledUsage(t)
	for range 50 {
		reconnect()
	}
	alive()
	var g, f int
	var m uint64
	rig.WaitFor(t, "what was used to be let go", func() bool {
		g, f, m = settledUsage(t)
		return g <= goroutines+2 && f <= files+2
	})
	t.Logf("before and after 50 reconnections: goroutines %d, %d; open files %d, %d; heap %d, %d KiB", goroutines, g, files, f, memory>>10, m>>10)
	if m > memory+4<<20 {
		t.Errorf("the heap grew from %d to %d KiB", memory>>10, m>>10)
	}
	if n := e.Sessions(); n != 1 {
		t.Errorf("%d agents are connected", n)
	}
}

// settledUsage returns goroutines, open files and the heap in bytes.
func settledUsage(t *testing.T) (goroutines, files int, heap uint64) {
	t.Helper()
	rig.PlainHTTP.CloseIdleConnections()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if all, err := os.ReadDir("/proc/self/fd"); err == nil { // Linux alone tells
		files = len(all)
	}
	return runtime.NumGoroutine(), files, m.HeapAlloc
}
