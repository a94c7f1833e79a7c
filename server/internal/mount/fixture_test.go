//go:build unix

package mount

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
)

// The test binary is its own MCP servers: `TEST fixture FLAGS…`.
func TestMain(m *testing.M) {
	process.KeeperMain()
	if len(os.Args) > 1 && os.Args[1] == "fixture" {
		f := &fixture{flags: os.Args[2:], answers: make(map[string]chan json.RawMessage)}
		f.serve()
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "fixture-sleep" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(time.Hour)
	}
	if len(os.Args) > 1 && os.Args[1] == "fixture-app" {
		serveApp()
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // else each process lingers for a second
	os.Exit(m.Run())
}

// fixture is an MCP server that does what its flags and its callers say.
type fixture struct {
	flags []string

	mu      sync.Mutex // guards all below, and stdout
	tools   int        // extra ones
	greeted bool
	answers map[string]chan json.RawMessage
	asked   int
	met     bool // a handshake was done
	listen  json.RawMessage
}

func (f *fixture) has(flag string) bool { _, ok := f.value(flag); return ok }

func (f *fixture) value(flag string) (string, bool) {
	for _, one := range f.flags {
		if name, value, _ := strings.Cut(one, "="); name == flag {
			return value, true
		}
	}
	return "", false
}

func (f *fixture) send(v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if before, ok := f.value("before"); ok && !f.greeted {
		text, _ := strconv.Unquote(`"` + before + `"`)
		_, _ = os.Stdout.WriteString(text)
	}
	f.greeted = true
	_, _ = os.Stdout.Write(append(encode(v), '\n'))
}

// spelt writes a number as the flag "ids" says.
func (f *fixture) spelt(id json.RawMessage) json.RawMessage {
	if form, ok := f.value("ids"); ok {
		return json.RawMessage(strings.ReplaceAll(form, "N", string(id)))
	}
	return id
}

func (f *fixture) notify(method string, params any) {
	f.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

func (f *fixture) result(id json.RawMessage, result any) {
	f.send(map[string]any{"jsonrpc": "2.0", "id": f.spelt(id), "result": result})
}

func (f *fixture) fail(id json.RawMessage, code int, text string) {
	f.send(map[string]any{"jsonrpc": "2.0", "id": f.spelt(id), "error": map[string]any{"code": code, "message": text, "data": map[string]int{"kept": 1}}})
}

func (f *fixture) serve() {
	if counter, ok := f.value("count"); ok { // how often it was started
		file, _ := os.OpenFile(counter, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		fmt.Fprintln(file, os.Getpid())
		file.Close()
	}
	if d, ok := f.value("slow"); ok {
		pause, _ := time.ParseDuration(d)
		time.Sleep(pause)
	}
	if file, ok := f.value("waits"); ok { // until there is such a file
		for {
			if _, err := os.Stat(file); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	if f.has("crash") {
		fmt.Fprintln(os.Stderr, "it crashes at once")
		os.Exit(3)
	}
	if f.has("junk") {
		fmt.Println("Welcome to my server!\n\n{not json")
	}
	if f.has("stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	if f.has("endless") {
		for {
			fmt.Println("no message at all")
		}
	}
	if f.has("unicode-lines") {
		f.serveUnicodeLines()
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			if f.has("stubborn") {
				select {}
			}
			return
		}
		var m message
		if json.Unmarshal(line, &m) != nil {
			continue
		}
		if m.Method == "tools/call" {
			go f.call(m)
			continue
		}
		f.handle(m)
	}
}

// serveUnicodeLines ends lines where Unicode does, as readline of Node.js 24 and
// Python's splitlines do.
func (f *fixture) serveUnicodeLines() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	in.Split(func(data []byte, eof bool) (int, []byte, error) {
		if i := strings.IndexFunc(string(data), func(r rune) bool { return strings.ContainsRune("\n\u0085\u2028\u2029", r) }); i >= 0 {
			_, size := utf8.DecodeRune(data[i:])
			return i + size, data[:i], nil
		}
		return 0, nil, nil
	})
	for in.Scan() {
		var m message
		if json.Unmarshal(in.Bytes(), &m) == nil {
			f.handle(m)
		}
	}
}

// capabilities is what it says at initialize.
func (f *fixture) capabilities() any {
	if odd, ok := f.value("capabilities"); ok {
		return json.RawMessage(odd)
	}
	if f.has("nothing") {
		return map[string]any{}
	}
	return capabilities
}

// instructions are what it says to all.
func (f *fixture) instructions() any {
	if odd, ok := f.value("instructions"); ok {
		return json.RawMessage(odd)
	}
	return "be kind"
}

func (f *fixture) handle(m message) {
	if failing, _ := f.value("fails"); failing != "" && failing == m.Method {
		f.fail(m.ID, -32603, "it broke")
		return
	}
	if hanging, _ := f.value("hangs"); hanging != "" && hanging == m.Method {
		return
	}
	isModern := f.has("modern")
	switch m.Method {
	case "tools/call":
		f.call(m)
	case "":
		f.mu.Lock()
		ch := f.answers[string(m.ID)]
		f.mu.Unlock()
		if ch != nil {
			ch <- encode(map[string]any{"result": m.Result, "error": m.Error})
		}
	case "server/discover":
		switch {
		case isModern, f.has("both"):
			f.result(m.ID, map[string]any{"resultType": "complete", "supportedVersions": []string{modernVersion},
				"capabilities": f.capabilities(), "instructions": f.instructions(), "_meta": map[string]any{metaServer: map[string]string{"name": "fixture", "version": "2"}}})
		case f.has("die"):
			os.Exit(9)
		case f.has("mute"):
		default:
			f.fail(m.ID, -32601, "Method not found")
		}
	case "initialize":
		if isModern {
			f.fail(m.ID, -32601, "Method not found")
			return
		}
		f.met = true
		fmt.Fprintf(os.Stderr, "opened %s\n", m.Params)
		f.result(m.ID, map[string]any{"protocolVersion": legacyVersion, "capabilities": f.capabilities(),
			"serverInfo": map[string]string{"name": "fixture", "version": "1"}, "instructions": f.instructions()})
	case "notifications/cancelled":
		fmt.Fprintf(os.Stderr, "cancelled %s\n", m.Params)
	case "tools/list":
		f.list(m)
	case "prompts/list":
		f.result(m.ID, map[string]any{"prompts": []any{map[string]string{"name": "hello"}}})
	case "resources/list":
		f.result(m.ID, map[string]any{"resources": []any{map[string]string{"uri": "file:///a", "name": "a"}}})
	case "resources/templates/list":
		f.fail(m.ID, -32601, "Method not found")
	case "resources/subscribe", "resources/unsubscribe":
		fmt.Fprintf(os.Stderr, "%s %s\n", m.Method, m.Params)
		f.result(m.ID, map[string]any{})
	case "logging/setLevel":
		fmt.Fprintf(os.Stderr, "level %s\n", m.Params)
		f.result(m.ID, map[string]any{})
	case "subscriptions/listen":
		if f.met { // bound to the other era
			f.fail(m.ID, -32601, "Method not found")
			return
		}
		f.mu.Lock()
		f.listen = m.ID
		f.mu.Unlock()
		fmt.Fprintf(os.Stderr, "listen %s\n", m.Params) // now, so that who reads it is told
		f.notify("notifications/subscriptions/acknowledged", map[string]any{"_meta": map[string]any{metaSubscription: m.ID}})
	default:
		if m.ID != nil {
			f.fail(m.ID, -32601, "Method not found")
		} else {
			fmt.Fprintf(os.Stderr, "got %s %s\n", m.Method, m.Params)
		}
	}
}

var capabilities = map[string]any{"tools": map[string]bool{"listChanged": true}, "prompts": map[string]any{}, "resources": map[string]bool{"subscribe": true}, "logging": map[string]any{}}

// list is two pages of tools.
func (f *fixture) list(m message) {
	if tools, ok := f.value("tools"); ok {
		f.result(m.ID, map[string]any{"tools": json.RawMessage(tools)})
		return
	}
	var p struct{ Cursor string }
	_ = json.Unmarshal(m.Params, &p)
	tool := func(name string) any {
		return json.RawMessage(`{"name":"` + name + `","inputSchema":{"type":"object","oneOf":[{"title":"<b>"}],"x-own":1.50},"x-unknown":[1]}`)
	}
	if p.Cursor == "" {
		f.result(m.ID, map[string]any{"tools": []any{tool("echo"), tool("echo")}, "nextCursor": "2"})
		return
	}
	tools := []any{tool("last")}
	f.mu.Lock()
	extra := f.tools
	f.mu.Unlock()
	for i := range extra {
		tools = append(tools, tool("extra"+strconv.Itoa(i)))
	}
	f.result(m.ID, map[string]any{"tools": tools})
}

func (f *fixture) call(m message) {
	var p struct {
		Name      string
		Arguments struct {
			Text string
			N    int
		}
		Meta object `json:"_meta"`
	}
	_ = json.Unmarshal(m.Params, &p)
	text, n := p.Arguments.Text, p.Arguments.N
	switch p.Name {
	case "params":
		f.result(m.ID, map[string]any{"params": m.Params, "pid": os.Getpid(), "environ": os.Environ(), "x-unknown": json.RawMessage(`{"a":1.0}`)})
	case "progress":
		for i := range 3 {
			f.notify("notifications/progress", map[string]any{"progressToken": f.spelt(p.Meta["progressToken"]), "progress": i, "x-own": 1})
		}
		f.notify("notifications/progress", map[string]any{"progressToken": "somebody's", "progress": 9})
		f.notify("notifications/message", map[string]any{"level": "info", "data": "half way"})
		f.result(m.ID, map[string]any{})
	case "ask":
		if f.has("both") && !f.met {
			f.fail(m.ID, -32600, "there is no back-channel")
			return
		}
		f.result(m.ID, map[string]any{"answer": f.ask(text)})
	case "hang":
		fmt.Fprintf(os.Stderr, "hanging %s\n", m.ID)
		time.Sleep(time.Duration(n) * time.Millisecond)
		if n > 0 {
			f.result(m.ID, map[string]string{"text": "late"})
		}
	case "crash":
		os.Exit(4)
	case "deaf": // reads no more
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "big":
		f.result(m.ID, map[string]string{"text": strings.Repeat("x", n)})
	case "lie":
		f.result(encode(424242), map[string]string{"text": "nobody's"})
		f.result(json.RawMessage(`"a"`), map[string]string{"text": "nobody's"})
		f.result(json.RawMessage(`{"b":[]}`), map[string]string{"text": "nobody's"})
		f.result(m.ID, map[string]string{"text": "true"})
	case "error":
		f.fail(m.ID, -32042, "no <b>way</b>")
	case "grow":
		f.mu.Lock()
		f.tools += n
		f.mu.Unlock()
		f.changed("notifications/tools/list_changed", nil)
		f.result(m.ID, map[string]any{})
	case "touch":
		f.changed("notifications/resources/updated", map[string]any{"uri": text})
		f.result(m.ID, map[string]any{})
	case "noise":
		for i := range n {
			fmt.Fprintf(os.Stderr, "%d %s\n", i, text)
		}
		f.result(m.ID, map[string]any{})
	case "flood":
		for range n {
			f.notify("notifications/message", map[string]any{"level": "info", "data": text})
		}
		f.result(m.ID, map[string]any{})
	case "family":
		f.result(m.ID, map[string]any{"pids": family()})
	default:
		f.result(m.ID, map[string]any{"text": text})
	}
}

func (f *fixture) changed(method string, params map[string]any) {
	f.mu.Lock()
	listen := f.listen
	f.mu.Unlock()
	if listen != nil {
		if params == nil {
			params = map[string]any{}
		}
		params["_meta"] = map[string]any{metaSubscription: listen}
	}
	f.notify(method, params)
}

// ask sends a request to the client and returns the whole answer.
func (f *fixture) ask(method string) json.RawMessage {
	f.mu.Lock()
	f.asked++
	id := json.RawMessage(fmt.Sprintf(`"ask-%d"`, f.asked))
	ch := make(chan json.RawMessage, 1)
	f.answers[string(id)] = ch
	f.mu.Unlock()
	f.send(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": map[string]string{"q": "?"}})
	return <-ch
}

// family starts processes that want to stay: a child, and one in a session of
// its own.
func family() []int {
	var pids []int
	for _, setsid := range []bool{false, true} {
		cmd := exec.Command(os.Args[0], "fixture-sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: setsid && runtime.GOOS == "linux"}
		if cmd.Start() == nil {
			pids = append(pids, cmd.Process.Pid)
		}
	}
	return pids
}
