package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/builtin"
	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/mount"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// server is a mounted server as a test wants it.
type server struct {
	cat   *mount.Catalog
	state string // "": ok
	err   error  // what Catalog answers
	hang  bool   // Catalog waits until it is given up
	call  func(ctx context.Context, method string, params object, peer rpc.Peer) (string, error)

	calls []string // "method params", guarded by fake.mu
}

// fake is the mounted servers.
type fake struct {
	mu      sync.Mutex // guards servers and what they hold
	servers map[string]*server
	updated map[string]func(json.RawMessage) // by "server uri"
	told    []string
}

func (f *fake) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.servers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *fake) Status() []status.Server {
	var list []status.Server
	for _, name := range f.Names() {
		list = append(list, status.Server{Name: name, State: f.get(name).state})
	}
	return list
}

func (f *fake) get(name string) server {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.servers[name]; s != nil {
		return *s
	}
	return server{err: errors.New("no such server")}
}

func (f *fake) Catalog(ctx context.Context, name string, _ mount.Client, how mount.How) (*mount.Catalog, error) {
	s := f.get(name)
	if s.hang {
		if how == mount.Known {
			return nil, nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.cat, s.err
}

func (f *fake) Call(ctx context.Context, name string, _ mount.Client, method string, params json.RawMessage, peer rpc.Peer) (rpc.Object, error) {
	f.mu.Lock()
	s := f.servers[name]
	s.calls = append(s.calls, method+" "+string(params))
	f.mu.Unlock()
	p := fields(params)
	if s.call == nil {
		return rpc.ObjectOf(json.RawMessage(fmt.Sprintf(`{"content":[{"type":"text","text":%q}]}`, name+": "+method))), nil
	}
	result, err := s.call(ctx, method, p, peer)
	return rpc.ObjectOf(json.RawMessage(result)), err
}

func (f *fake) Notify(_ context.Context, name string, _ mount.Client, method string, _ json.RawMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, name+" "+method)
}

func (f *fake) Subscribe(_ context.Context, name string, _ mount.Client, uri string, updated func(json.RawMessage)) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updated[name+" "+uri] = updated
	return func() {}, nil
}

func (f *fake) called(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.servers[name].calls)
}

// offering is a server with items, one word each: "t:name", "r:name" (a tool
// that changes nothing), "p:prompt", "uri:…", "template:…".
func offering(items ...string) *server {
	c := &mount.Catalog{Description: rpc.Description{ServerInfo: json.RawMessage(`{"name":"x","version":"1"}`),
		Capabilities: json.RawMessage(`{"tools":{},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{}}`)}}
	for _, word := range items {
		kind, name, _ := strings.Cut(word, ":")
		item := func(format string) mount.Item {
			return mount.Item{Name: name, Raw: json.RawMessage(fmt.Sprintf(format, name))}
		}
		switch kind {
		case "t":
			c.Tools = append(c.Tools, item(`{"name":%q,"description":"Does it","inputSchema":{"type":"object"},"x":1}`))
		case "r":
			c.Tools = append(c.Tools, item(`{"name":%q,"inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}`))
		case "p":
			c.Prompts = append(c.Prompts, item(`{"name":%q,"description":"Asks it"}`))
		case "uri":
			c.Resources = append(c.Resources, item(`{"uri":%q,"name":"x"}`))
		case "template":
			c.Templates = append(c.Templates, item(`{"uriTemplate":%q,"name":"x"}`))
		}
	}
	return &server{cat: c}
}

func (s *server) modern() *server { s.cat.Era = rpc.Modern; return s }

func (s *server) answers(call func(ctx context.Context, method string, params object, peer rpc.Peer) (string, error)) *server {
	s.call = call
	return s
}

// person is a client and who uses it.
type person struct {
	who          oauth.Caller
	era          rpc.Era
	capabilities string
	level        string
	answer       func(method string, params json.RawMessage) (string, error)

	mu  sync.Mutex // guards got
	got []string
}

func (p *person) client() *gateway.Client {
	return &gateway.Client{Peer: p, Caller: &p.who, Era: p.era, Capabilities: json.RawMessage(p.capabilities),
		Info: json.RawMessage(`{"name":"c","version":"1"}`), LogLevel: p.level}
}

func (p *person) Notify(method string, params json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, method+" "+string(params))
}

func (p *person) Request(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if p.era == rpc.Modern {
		return nil, rpc.ErrCannotAsk
	}
	answer, err := p.answer(method, params)
	return json.RawMessage(answer), err
}

func alice() *person {
	return &person{who: oauth.Caller{Session: "s-alice", User: status.User{Sub: "alice", Email: "alice@example.com"}, Client: status.SessionClient{Name: "Claude"}}}
}

func aliceModern() *person {
	p := alice()
	p.era, p.capabilities = rpc.Modern, `{"sampling":{},"elicitation":{},"roots":{}}`
	return p
}

// own is two built-in tools.
type own struct{}

func (own) List() []builtin.Tool {
	return []builtin.Tool{{Name: "echo", Raw: json.RawMessage(`{"name":"echo","inputSchema":{},"annotations":{"readOnlyHint":true}}`)}, {Name: "whoami", Raw: json.RawMessage(`{"name":"whoami","inputSchema":{},"annotations":{"readOnlyHint":true}}`)}}
}

func (own) Call(_ context.Context, _ *oauth.Caller, name string, arguments json.RawMessage) (json.RawMessage, error) {
	return json.RawMessage(fmt.Sprintf(`{"content":[{"type":"text","text":%q}]}`, "own "+name+string(arguments))), nil
}

// rules is a policy of words "person server tool".
type rules struct {
	mu     sync.Mutex // guards denied
	denied map[string]bool
}

func (r *rules) deny(words ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range words {
		r.denied[w] = true
	}
}

func (r *rules) ok(who *oauth.Caller, server, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.denied[who.User.Sub+" "+server] && !r.denied[who.User.Sub+" "+server+" "+name]
}
func (r *rules) Tool(who *oauth.Caller, server, tool string, readOnly bool) bool {
	r.mu.Lock()
	onlyRead := r.denied[who.User.Sub+" writes"]
	r.mu.Unlock()
	return r.ok(who, server, tool) && (readOnly || !onlyRead)
}
func (r *rules) Prompt(who *oauth.Caller, server, prompt string) bool {
	return r.ok(who, server, prompt)
}
func (r *rules) Resource(who *oauth.Caller, server, uri string) bool { return r.ok(who, server, uri) }
func (r *rules) Template(who *oauth.Caller, server, uri string) bool { return r.ok(who, server, uri) }
func (r *rules) Value(server, value string) bool                     { return true }
func (r *rules) Server(who *oauth.Caller, server string) bool        { return r.ok(who, server, "") }

// rig is a hub in front of fakes.
type rig struct {
	*Hub
	t      testing.TB
	mounts *fake
	rules  *rules
	calls  chan string // OnCall: "server tool outcome"
}

func newRig(t testing.TB, servers map[string]*server, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, mounts: &fake{servers: servers, updated: map[string]func(json.RawMessage){}}, rules: &rules{denied: map[string]bool{}}, calls: make(chan string, 100)}
	o := Options{Mounts: r.mounts, Builtin: own{}, Policy: func() Policy { return r.rules }, Patience: 20 * time.Millisecond,
		Ask:  func(context.Context, status.Approval) error { return errors.New("nobody can be asked") },
		Pins: &fakePins{}, CallsPerMinute: func() int { return 0 }, Settings: func(string) config.ServerSettings { return config.ServerSettings{} },
		ServerInfo: json.RawMessage(`{"name":"drawbridge","title":"Drawbridge","version":"dev"}`), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		OnCall: func(_ *oauth.Caller, server, tool string, _ time.Duration, err error) {
			r.calls <- strings.TrimSpace(fmt.Sprint(server, " ", tool, " ", err))
		}}
	for _, c := range change {
		c(&o)
	}
	r.Hub = New(o)
	t.Cleanup(r.Close)
	return r
}

// ask makes a request at /mcp; the answer is the result, or "CODE message".
func (r *rig) ask(c *person, method, params string) string {
	r.t.Helper()
	return r.askAt(r.All(), c, method, params)
}

func (r *rig) askAt(b gateway.Backend, c *person, method, params string) string {
	r.t.Helper()
	result, err := b.Call(r.t.Context(), c.client(), method, json.RawMessage(params))
	if err != nil {
		var e *rpc.Error
		if errors.As(err, &e) {
			return strings.TrimSpace(fmt.Sprint(e.Code, " ", e.Message, " ", string(e.Data)))
		}
		return "error " + err.Error()
	}
	if !json.Valid(result.Raw()) {
		r.t.Fatalf("%s: not JSON: %s", method, result.Raw())
	}
	return string(result.Raw())
}

// listed returns the names of a list at an endpoint.
func (r *rig) listed(b gateway.Backend, c *person, method string) string {
	r.t.Helper()
	var names []string
	cursor := ""
	for {
		params := "{}"
		if cursor != "" {
			params = `{"cursor":"` + cursor + `"}`
		}
		var page struct {
			Tools, Prompts, Resources, ResourceTemplates []struct{ Name, URI, URITemplate string }
			NextCursor                                   string
		}
		if err := json.Unmarshal([]byte(r.askAt(b, c, method, params)), &page); err != nil {
			r.t.Fatal(err)
		}
		for _, it := range slices.Concat(page.Tools, page.Prompts, page.Resources, page.ResourceTemplates) {
			names = append(names, strings.TrimPrefix(it.URI+it.URITemplate+map[bool]string{true: it.Name}[it.URI+it.URITemplate == ""], ""))
		}
		if cursor = page.NextCursor; cursor == "" {
			return strings.Join(names, " ")
		}
	}
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// offering2 is a catalog of two tools whatever they are called.
func offering2(names ...string) *mount.Catalog {
	c := &mount.Catalog{}
	for _, n := range names {
		c.Tools = append(c.Tools, mount.Item{Name: n, Raw: encode(object{"name": rpc.Quote(n)})})
	}
	return c
}
