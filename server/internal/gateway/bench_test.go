package gateway_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/resource"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// BenchmarkEcho compares an authenticated echo behind boundary, guard and
// gateway with the same tool on a bare mcp-go server, in turns of the same
// run. It reports the ratios of throughput and of the median latency: what
// Drawbridge costs. Run it with -benchtime=1x.
func BenchmarkEcho(b *testing.B) {
	bare := startBare(b)
	guarded := startGuarded(b)
	for _, era := range []string{"2025-11-25", "2026-07-28"} {
		for _, conns := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%dconns", era, conns), func(b *testing.B) {
				var plain, ours measure
				for b.Loop() {
					for round := range 12 {
						if round%2 == 0 {
							plain.add(load(b, bare, era, conns))
							ours.add(load(b, guarded, era, conns))
						} else {
							ours.add(load(b, guarded, era, conns))
							plain.add(load(b, bare, era, conns))
						}
					}
				}
				b.ReportMetric(plain.rate(), "bare-req/s")
				b.ReportMetric(ours.rate(), "req/s")
				b.ReportMetric(ours.rate()/plain.rate(), "throughput-ratio")
				b.ReportMetric(float64(plain.p50().Microseconds()), "bare-p50-µs")
				b.ReportMetric(float64(ours.p50().Microseconds()), "p50-µs")
				b.ReportMetric(float64(ours.p50())/float64(plain.p50()), "p50-ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

const turn = 300 * time.Millisecond

type measure struct {
	took []time.Duration // one a request
	time time.Duration   // in all
}

func (m *measure) add(o measure)      { m.took = append(m.took, o.took...); m.time += o.time }
func (m *measure) rate() float64      { return float64(len(m.took)) / m.time.Seconds() }
func (m *measure) p50() time.Duration { slices.Sort(m.took); return m.took[len(m.took)/2] }

// load calls echo over conns connections for one turn. The client is as thin
// as it can be, so that the ratio is the server's.
func load(b *testing.B, addr, era string, conns int) measure {
	b.Helper()
	var mu sync.Mutex
	var all measure
	var wg sync.WaitGroup
	start := time.Now()
	for range conns {
		wg.Go(func() {
			took, err := caller(addr, era, start.Add(turn))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.Error(err)
			}
			all.took = append(all.took, took...)
		})
	}
	wg.Wait()
	all.time = time.Since(start)
	return all
}

func caller(addr, era string, until time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	body, headers := echoCall(era, "")
	if era != "2026-07-28" {
		init := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + era + `","capabilities":{},"clientInfo":{"name":"b","version":"1"}}}`
		session, err := send(conn, r, request(addr, init, ""))
		if err != nil {
			return nil, err
		}
		body, headers = echoCall(era, session)
	}
	call := request(addr, body, headers)
	var took []time.Duration
	for now := time.Now(); now.Before(until); {
		if _, err := send(conn, r, call); err != nil {
			return nil, err
		}
		end := time.Now()
		took = append(took, end.Sub(now))
		now = end
	}
	return took, nil
}

func echoCall(era, session string) (body, headers string) {
	if era == "2026-07-28" {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
			"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n"
	}
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}`,
		"MCP-Protocol-Version: " + era + "\r\nMcp-Session-Id: " + session + "\r\n"
}

func request(addr, body, headers string) []byte {
	return []byte("POST /mcp HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
		"Authorization: Bearer " + goodToken + "\r\n" + headers + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// send makes one call and returns the session id of its answer, if any.
func send(conn net.Conn, r *bufio.Reader, call []byte) (session string, err error) {
	if _, err := conn.Write(call); err != nil {
		return "", err
	}
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if first && !strings.HasPrefix(string(line), "HTTP/1.1 200") {
			return "", fmt.Errorf("answer %q", line)
		}
		if len(line) == 2 {
			break
		}
		if v, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if v, ok := strings.CutPrefix(string(line), "Mcp-Session-Id: "); ok {
			session = strings.TrimSpace(v)
		}
	}
	if length < 0 {
		return "", errors.New("answer without a length")
	}
	_, err = r.Discard(length)
	return session, err
}

func startBare(b *testing.B) string {
	s := server.NewMCPServer("bare", "1", server.WithToolCapabilities(true))
	s.AddTool(mcp.NewTool("echo", mcp.WithString("message", mcp.Required())),
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			m, err := r.RequireString("message")
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			return mcp.NewToolResultText("Echo: " + m), nil
		})
	return listen(b, server.NewStreamableHTTPServer(s))
}

func startGuarded(b *testing.B) string {
	gw, err := gateway.New(gateway.Options{Name: "drawbridge", Version: "bench", Tools: gateway.AllTools})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(gw.Close)
	l := httptest.NewUnstartedServer(nil)
	addr := l.Listener.Addr().String()
	edge, err := resource.NewBoundary(resource.BoundaryOptions{Public: "https://name.example", Local: "http://" + addr})
	if err != nil {
		b.Fatal(err)
	}
	guard := resource.New(resource.Options{
		Resource: "https://name.example/mcp", MetadataURL: "https://name.example/.well-known/oauth-protected-resource/mcp",
		Scopes: []string{"openid"}, Auth: newTokens(),
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", guard.Wrap(gw.Handler()))
	l.Config.Handler = edge.Wrap(mux)
	l.Start()
	b.Cleanup(l.Close)
	return addr
}

func listen(b *testing.B, h http.Handler) string {
	mux := http.NewServeMux()
	mux.Handle("/mcp", h)
	s := httptest.NewServer(mux)
	b.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// tokens does the work of a real token check: one HMAC and one lookup.
type tokens struct {
	key     []byte
	macs    sync.Pool
	callers map[string]*oauth.Caller
	ended   chan struct{}
}

const goodToken = "dba_0123456789abcdef0123456789abcdef0123456789abcdef"

func newTokens() *tokens {
	t := &tokens{key: make([]byte, 32), ended: make(chan struct{})}
	t.callers = map[string]*oauth.Caller{t.mac(goodToken): {Session: "g", Client: status.SessionClient{Name: "bench"}}}
	return t
}

func (t *tokens) mac(token string) string {
	m, ok := t.macs.Get().(hash.Hash)
	if !ok {
		m = hmac.New(sha256.New, t.key)
	}
	defer t.macs.Put(m)
	m.Reset()
	io.WriteString(m, token)
	return string(m.Sum(nil))
}

func (t *tokens) Authenticate(token, _, _ string) (*oauth.Caller, <-chan struct{}, error) {
	c := t.callers[t.mac(token)]
	if c == nil {
		return nil, nil, errors.New("unknown")
	}
	return c, t.ended, nil
}
