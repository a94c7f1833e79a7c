package bench

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// BenchmarkEcho compares an authenticated echo with the same tool on a bare
// mcp-go server, each in a process of its own, in turns of the same run. It reports the ratios of throughput
// and of the median latency: what Drawbridge costs. Run it with -benchtime=1x.
func BenchmarkEcho(b *testing.B) {
	bare := target{addr: startBare(b)}
	app := rig.StartBinary(b, rig.AppOptions{})
	tokens := app.SignIn(b, rig.NewBrowser(b), app.Register(b, rig.ClientURI), "alice")
	guarded := target{strings.TrimPrefix(app.URL, "http://"), tokens.Access}
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

// target is where calls go, and with what token.
type target struct{ addr, token string }

const turn = 300 * time.Millisecond

type measure struct {
	took []time.Duration // one a request
	time time.Duration   // in all
}

func (m *measure) add(o measure)      { m.took = append(m.took, o.took...); m.time += o.time }
func (m *measure) rate() float64      { return float64(len(m.took)) / m.time.Seconds() }
func (m *measure) p50() time.Duration { return m.at(50) }

// at is how long all but 100-percent of the requests took, at most.
func (m *measure) at(percent int) time.Duration {
	slices.Sort(m.took)
	return m.took[len(m.took)*percent/100]
}

// load calls echo over conns connections for one turn. The client is as thin
// as it can be, so that the ratio is the server's.
func load(b *testing.B, to target, era string, conns int) measure {
	b.Helper()
	return loadWith(b, to, era, conns, "hello")
}

func loadWith(b *testing.B, to target, era string, conns int, message string) measure {
	b.Helper()
	var mu sync.Mutex
	var all measure
	var wg sync.WaitGroup
	body, headers := rig.EchoCall(era, "")
	if era != rig.ModernVersion { // one client, however many connections it has
		body, headers = rig.EchoCall(era, initialize(b, to, era))
	}
	call := request(to, strings.Replace(body, "hello", message, 1), headers)
	start := time.Now()
	for range conns {
		wg.Go(func() {
			took, err := caller(to, call, start.Add(turn))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.Errorf("%s: %v", to.addr, err)
			}
			all.took = append(all.took, took...)
		})
	}
	wg.Wait()
	all.time = time.Since(start)
	return all
}

// initialize begins a transport session.
func initialize(b *testing.B, to target, era string) string {
	b.Helper()
	conn, err := net.Dial("tcp", to.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	body := `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + era + `","capabilities":{},"clientInfo":{"name":"b","version":"1"}}}`
	session, err := send(conn, bufio.NewReader(conn), request(to, body, ""))
	if err != nil {
		b.Fatal(err)
	}
	return session
}

func caller(to target, call []byte, until time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", to.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
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

func request(to target, body, headers string) []byte {
	return []byte("POST /mcp HTTP/1.1\r\nHost: " + to.addr + "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
		"Authorization: Bearer " + to.token + "\r\n" + headers + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
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

// startBare runs a bare mcp-go server in a process of its own, as Drawbridge
// runs in one: the test binary, told to be that.
func startBare(b *testing.B) string { return startSelf(b, rig.BareEnv+"=1") }

// startSelf runs the test binary as what the environment says, until the
// benchmark ends, and returns the first line that it prints.
func startSelf(b *testing.B, env ...string) string { return startPart(b, env...).addr }

func startPart(b *testing.B, env ...string) *contender {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close() // which ends it
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &contender{name: "limit", target: target{strings.TrimSpace(addr), token}, pid: cmd.Process.Pid}
}
