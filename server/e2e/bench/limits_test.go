package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// What the test binary is told to be, for BenchmarkEdges: servers that cost as
// little as they can, and the limits that Drawbridge is measured by.
const (
	partEnv   = "DRAWBRIDGE_BENCH"
	givesEnv  = "DRAWBRIDGE_BENCH_GIVES"  // how many bytes the servers' answers to calls are long
	behindEnv = "DRAWBRIDGE_BENCH_BEHIND" // the address behind the proxy
)

var parts = map[string]func(){
	"http":   func() { serve(http.HandlerFunc(answerHTTP)) },
	"stdio":  answerLines,
	"flood":  func() { go flood(); answerLines() },
	"proxy":  func() { serve(proxy(os.Getenv(behindEnv))) },
	"bridge": func() { serve(newBridge()) },
}

// brief is what a call says that is to have a short answer.
const brief = "be brief"

// token opens the limits.
const token = "a-token-that-is-looked-up"

// serve serves h on a port that it prints, until standard input ends.
func serve(h http.Handler) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() { _ = http.Serve(listener, h) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// results are the answer to a call, and those to all else that a client asks.
var results = sync.OnceValue(func() map[string]string {
	text := "Echo: hello"
	if n, err := strconv.Atoi(os.Getenv(givesEnv)); err == nil {
		text = strings.Repeat(`A line of a file, with \"quotes\" and ünïcode.\n`, n/48)
	}
	return map[string]string{
		"initialize":      `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"thin","version":"1"}}`,
		"server/discover": `{"resultType":"complete","supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"thin","version":"1"}}}`,
		"tools/list":      `{"resultType":"complete","tools":[{"name":"echo","description":"Returns its message","inputSchema":{"type":"object","properties":{"message":{"type":"string"}}}}]}`,
		"tools/call":      `{"resultType":"complete","content":[{"type":"text","text":"` + text + `"}]}`,
		"ping":            `{}`,
	}
})

type question struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// answer is what the server says to a message; nil to a notification.
func answer(message []byte) []byte {
	var m question
	if json.Unmarshal(message, &m) != nil || m.ID == nil {
		return nil
	}
	if result, ok := results()[m.Method]; ok {
		if m.Method == "tools/call" && bytes.Contains(m.Params, []byte(brief)) {
			result = `{"resultType":"complete","content":[{"type":"text","text":"` + brief + `"}]}`
		}
		return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, m.ID)
}

func answerHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	message, err := io.ReadAll(r.Body)
	said := answer(message)
	if err != nil || said == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	respond(w, said)
}

func respond(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func answerLines() {
	lines := bufio.NewReaderSize(os.Stdin, 64<<10)
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if said := answer(line); said != nil {
			_, _ = out.Write(append(said, '\n'))
		}
		if lines.Buffered() == 0 {
			_ = out.Flush()
		}
	}
}

// flood writes to stderr as fast as somebody reads it.
func flood() {
	lines := []byte(strings.Repeat("DEBUG a line that nobody asked for, and another one behind it\n", 64))
	for {
		if _, err := os.Stderr.Write(lines); err != nil {
			return
		}
	}
}

// proxy is the limit of a mounted HTTP server: a ReverseProxy that looks a token up.
func proxy(behind string) http.Handler {
	to := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: behind})
		r.Out.Header.Del("Authorization")
	}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 256
	to.Transport = transport
	return guarded(to)
}

func guarded(h http.Handler) http.Handler {
	known := map[string]string{token: "alice"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if known[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		// Read first: else a ReverseProxy may still look for the end of the body when
		// the answer has begun, which closes it and cuts the answer.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// bridge is the limit of a mounted process: it puts a number of its own on each
// request, and the client's back on the answer.
type bridge struct {
	mu    sync.Mutex // guards all below
	in    io.Writer
	last  int64
	calls map[int64]chan json.RawMessage
}

func newBridge() http.Handler {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), partEnv+"=stdio")
	in, err := cmd.StdinPipe()
	if err != nil {
		panic(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	b := &bridge{in: in, calls: map[int64]chan json.RawMessage{}}
	go b.read(bufio.NewReaderSize(out, 64<<10))
	return guarded(b)
}

func (b *bridge) read(lines *bufio.Reader) {
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var m struct {
			ID     int64           `json:"id"`
			Result json.RawMessage `json:"result"`
		}
		if json.Unmarshal(line, &m) != nil {
			continue
		}
		b.mu.Lock()
		call := b.calls[m.ID]
		delete(b.calls, m.ID)
		b.mu.Unlock()
		if call != nil {
			call <- m.Result
		}
	}
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(r.Body)
	var m question
	if err != nil || json.Unmarshal(message, &m) != nil || m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	call := make(chan json.RawMessage, 1)
	var line bytes.Buffer
	b.mu.Lock()
	b.last++
	b.calls[b.last] = call
	fmt.Fprintf(&line, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", b.last, m.Method, m.Params)
	_, _ = b.in.Write(line.Bytes())
	b.mu.Unlock()
	respond(w, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, <-call))
}
