//go:build unix

package mount

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// patient bounds a wait for something that comes at once on a quiet machine.
const patient = 60 * time.Second

var quick = tuning{
	probe: 20 * time.Second, open: patient, list: patient, rest: patient, again: patient, settle: 10 * time.Millisecond,
	firstPause: 10 * time.Millisecond, maxPause: 100 * time.Millisecond, stable: time.Hour,
	sweep: 20 * time.Millisecond, grace: process.Grace{EOF: 10 * time.Second, Term: 10 * time.Second}, unread: 200_000,
}

// rig is a set, and what it said.
type rig struct {
	*Set
	t *testing.T

	mu      sync.Mutex // guards all below
	events  []status.Event
	changes []Change
	log     strings.Builder
}

func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

// said is what was logged.
func (r *rig) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// newRig returns a set that is closed when t ends.
func newRig(t *testing.T, tune tuning, o Options) *rig {
	t.Helper()
	r := &rig{t: t}
	o.Log = slog.New(slog.NewTextHandler(r, nil))
	o.Record = func(ev status.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, ev)
	}
	o.OnChange = func(_ string, what Change) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changes = append(r.changes, what)
	}
	r.Set = newSet(o, tune)
	t.Cleanup(func() {
		r.Close()
		if t.Failed() {
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Logf("log:\n%s\nevents: %+v", r.log.String(), r.events)
		}
	})
	return r
}

// own is a server that the test binary is.
func own(name string, flags ...string) config.Server {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return config.Server{Name: name, Command: path, Args: append([]string{"fixture"}, flags...), Env: map[string]string{"GORACE": "atexit_sleep_ms=0"}}
}

func person(sub string) *oauth.Caller {
	return &oauth.Caller{Session: "s-" + sub, User: status.User{Sub: sub, Email: sub + "@example.com", Name: "N " + sub},
		Client: status.SessionClient{ID: "c1", Name: "Claude"}}
}

// client is a program of sub that can be asked, and speaks what server "x" does.
func (r *rig) client(sub string) Client {
	c := Client{Caller: person(sub), Capabilities: json.RawMessage(`{"sampling":{},"elicitation":{},"roots":{}}`), Info: json.RawMessage(`{"name":"Claude","version":"7"}`)}
	if cat, err := r.Catalog(within(r.t), "x", Client{}, Needed); err == nil {
		c.Era = cat.Era
	}
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	t.Cleanup(cancel)
	return ctx
}

// tool calls a tool of server "x" with text and n.
func (r *rig) tool(ctx context.Context, sub, name, text string, n int, peer rpc.Peer) (json.RawMessage, error) {
	result, err := r.Call(ctx, "x", r.client(sub), "tools/call", encode(map[string]any{"name": name, "arguments": map[string]any{"text": text, "n": n}}), peer)
	return result.Raw(), err
}

func (r *rig) mustTool(sub, name, text string, n int, peer rpc.Peer) json.RawMessage {
	r.t.Helper()
	result, err := r.tool(within(r.t), sub, name, text, n, peer)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", name, err, r.logs())
	}
	return result
}

func (r *rig) pid(sub string) int {
	r.t.Helper()
	var got struct{ PID int }
	if err := json.Unmarshal(r.mustTool(sub, "params", "", 0, nil), &got); err != nil {
		r.t.Fatal(err)
	}
	return got.PID
}

func (r *rig) logs() string {
	lines, _ := r.Logs("x")
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

func (r *rig) state() status.Server {
	for _, st := range r.Status() {
		if st.Name == "x" {
			return st
		}
	}
	return status.Server{}
}

// eventually waits until ok, and fails with what otherwise.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s\n%s", what, stacks())
}

func stacks() string {
	b := make([]byte, 1<<16)
	return string(b[:runtime.Stack(b, true)])
}

// listener is a client that notes what it hears, and answers what it is asked.
type listener struct {
	answer func(ctx context.Context, method string) (json.RawMessage, error)

	mu  sync.Mutex // guards got
	got []string
}

func (l *listener) Notify(method string, params json.RawMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, method+" "+string(params))
}

func (l *listener) Request(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	l.Notify(method, params)
	if l.answer == nil {
		return nil, rpc.ErrCannotAsk
	}
	return l.answer(ctx, method)
}

func (l *listener) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.got, "\n")
}

// next returns what comes next.
func next(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case got := <-got:
		return got
	case <-time.After(patient):
		t.Fatalf("nothing was got\n%s", stacks())
		return ""
	}
}
