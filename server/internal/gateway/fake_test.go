package gateway

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// tool is what a tool of fake does.
type tool func(ctx context.Context, c *Client, arguments json.RawMessage) (json.RawMessage, error)

// fake is a Backend whose tools a test adds as it goes.
type fake struct {
	mu       sync.Mutex // guards what follows
	tools    map[string]tool
	schemas  map[string]string
	methods  map[string]func(c *Client, params json.RawMessage) (json.RawMessage, error)
	watched  map[string][]func(json.RawMessage) // by URI
	stopped  []string                           // URIs
	notified []string
	onNotify func()       // nil: none
	gone     string       // a URI that can't be subscribed to any more
	describe func() error // nil: none
}

func newFake() *fake {
	f := &fake{tools: map[string]tool{}, schemas: map[string]string{}, watched: map[string][]func(json.RawMessage){},
		methods: map[string]func(*Client, json.RawMessage) (json.RawMessage, error){}}
	f.tools["echo"] = func(_ context.Context, _ *Client, arguments json.RawMessage) (json.RawMessage, error) {
		message, ok := rpc.String(rpc.Get(arguments, "message"))
		if !ok {
			return said("no message"), nil
		}
		return said("Echo: " + message), nil
	}
	return f
}

// said is a result of one text.
func said(text string) json.RawMessage {
	b, err := json.Marshal(map[string]any{"content": []any{map[string]string{"type": "text", "text": text}}})
	if err != nil {
		panic(err)
	}
	return b
}

const fakeInfo = `{"name":"fake","version":"1","title":"A fake"}`

func (f *fake) Describe(context.Context, *Client) (rpc.Description, error) {
	if f.describe != nil {
		return rpc.Description{}, f.describe()
	}
	return rpc.Description{ServerInfo: json.RawMessage(fakeInfo), Instructions: "Be <brief>.",
		Capabilities: json.RawMessage(`{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"x":{"kept":1.0}}`)}, nil
}

func (f *fake) Call(ctx context.Context, c *Client, method string, params json.RawMessage) (rpc.Object, error) {
	raw, err := f.call(ctx, c, method, params)
	return rpc.ObjectOf(raw), err
}

func (f *fake) call(ctx context.Context, c *Client, method string, params json.RawMessage) (json.RawMessage, error) {
	f.mu.Lock()
	answer := f.methods[method]
	name, _ := rpc.String(rpc.Get(params, "name"))
	do := f.tools[name]
	names := slices.Sorted(maps.Keys(f.tools))
	f.mu.Unlock()
	switch {
	case answer != nil:
		return answer(c, params)
	case method == "tools/list":
		return json.RawMessage(`{"tools":[{"name":"` + strings.Join(names, `"},{"name":"`) + `"}]}`), nil
	case method != "tools/call":
		return nil, rpc.Errorf(rpc.CodeMethodNotFound, "no such method")
	case do == nil:
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "no such tool")
	}
	return do(ctx, c, rpc.Get(params, "arguments"))
}

func (f *fake) Notified(_ context.Context, c *Client, method string, params json.RawMessage) {
	if f.onNotify != nil {
		f.onNotify()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notified = append(f.notified, method+" "+string(params))
}

func (f *fake) Subscribe(_ context.Context, _ *Client, uri string, updated func(json.RawMessage)) (func(), error) {
	if uri == "test://refused" || uri == f.gone {
		return nil, rpc.Errorf(rpc.CodeInvalidParams, "no such resource")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched[uri] = append(f.watched[uri], updated)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stopped = append(f.stopped, uri)
	}, nil
}

func (f *fake) InputSchema(_ context.Context, _ *Client, tool string) json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return json.RawMessage(f.schemas[tool])
}

// update tells everyone who watches uri.
func (f *fake) update(uri, params string) {
	f.mu.Lock()
	told := slices.Clone(f.watched[uri])
	f.mu.Unlock()
	for _, updated := range told {
		updated(json.RawMessage(params))
	}
}

func (r *rig) tool(name string, do tool) {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	r.fake.tools[name] = do
}

func (r *rig) method(name string, do func(c *Client, params json.RawMessage) (json.RawMessage, error)) {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	r.fake.methods[name] = do
}

// stoppedAll returns the URIs whose subscriptions have ended, sorted.
func (f *fake) stoppedAll() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(slices.Values(f.stopped))
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
