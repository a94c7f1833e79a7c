//go:build unix

package mount

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// fixtureEras are the fixture's flags by era.
var fixtureEras = map[string][]string{"legacy": nil, "modern": {"modern"}}

func TestCatalog(t *testing.T) {
	for era, flags := range fixtureEras {
		t.Run(era, func(t *testing.T) {
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{own("x", flags...), {Name: "y", Off: true}})
			c, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil {
				t.Fatal(err)
			}
			if c.Era.String() != era || c.Description.Instructions != "be kind" || !strings.Contains(string(c.Description.ServerInfo), "fixture") {
				t.Errorf("got %v, %+v", c.Era, c.Description)
			}
			if len(c.Tools) != 2 || c.Tools[0].Name != "echo" || c.Tools[1].Name != "last" {
				t.Errorf("tools: %+v", c.Tools)
			}
			want := `{"name":"echo","inputSchema":{"type":"object","oneOf":[{"title":"<b>"}],"x-own":1.50},"x-unknown":[1]}`
			if got := string(c.Tools[0].Raw); got != want {
				t.Errorf("the tool is no longer as it was sent: %s", got)
			}
			if len(c.Prompts) != 1 || len(c.Resources) != 1 || c.Resources[0].Name != "file:///a" || len(c.Templates) != 0 {
				t.Errorf("got %+v", c)
			}
			if st := r.state(); st.State != "ok" || st.Tools != 2 {
				t.Errorf("state %+v", st)
			}
			if all := r.Status(); len(all) != 2 || all[1].State != "off" {
				t.Errorf("status %+v", all)
			}
			// What the server says of a change is read again, and told.
			r.mu.Lock()
			r.changes = nil
			r.mu.Unlock()
			r.mustTool("ana", "grow", "", 3, nil)
			eventually(t, "the catalog grows", func() bool {
				c, _ := r.Catalog(context.Background(), "x", r.client("ana"), Known)
				return len(c.Tools) == 5
			})
			eventually(t, "the change is told", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return len(r.changes) > 0 && r.changes[len(r.changes)-1] == ToolsChanged
			})
		})
	}
}

func TestParams(t *testing.T) {
	for era, flags := range fixtureEras {
		t.Run(era, func(t *testing.T) {
			t.Setenv("DRAWBRIDGE_CANARY", "secret of ours")
			r := newRig(t, quick, Options{Secret: func(_ context.Context, server, name string) (string, error) { return server + "/" + name + "!", nil }})
			conf := own("x", flags...)
			conf.Env["TOKEN"] = "a ${keychain:KEY} b"
			r.Apply([]config.Server{conf})
			params := `{"name":"params","x-own":1.0,"arguments":{"big":12345678901234567890},"_meta":{"mine":true,"progressToken":"tok",` +
				`"drawbridge.app/identity":{"sub":"root"},"io.modelcontextprotocol/protocolVersion":"2099-01-01"}}`
			result, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(params), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Params struct {
					Own       json.RawMessage `json:"x-own"`
					Arguments json.RawMessage
					Meta      object `json:"_meta"`
				}
				Environ []string
				Unknown json.RawMessage `json:"x-unknown"`
			}
			if err := json.Unmarshal(result.Raw(), &got); err != nil {
				t.Fatal(err)
			}
			if string(got.Unknown) != `{"a":1.0}` || string(got.Params.Own) != "1.0" || string(got.Params.Arguments) != `{"big":12345678901234567890}` {
				t.Errorf("bytes were lost: %s", result.Raw())
			}
			meta := got.Params.Meta
			identity := `{"sub":"ana","email":"ana@example.com","name":"N ana","client":{"id":"c1","name":"Claude"},"session":"s-ana"}`
			if string(meta[metaIdentity]) != identity || string(meta["mine"]) != "true" || string(meta[metaProgress]) == `"tok"` {
				t.Errorf("_meta: %s", encode(meta))
			}
			wantVersion := ""
			if era == "modern" {
				wantVersion = `"2026-07-28"`
			}
			if string(meta[metaVersion]) != wantVersion || (era == "modern") != (meta[metaClient] != nil) {
				t.Errorf("_meta: %s", encode(meta))
			}
			all := strings.Join(got.Environ, "\n")
			if !strings.Contains(all, "TOKEN=a x/KEY! b") || strings.Contains(all, "DRAWBRIDGE_CANARY") || !strings.Contains(all, "PATH=") {
				t.Errorf("environment: %s", all)
			}
			if strings.Contains(r.logs(), "KEY!") {
				t.Error("the secret is in the log")
			}
		})
	}
}

func TestMeanwhile(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	l := &listener{answer: func(_ context.Context, method string) (json.RawMessage, error) {
		if method == "elicitation/create" {
			return nil, &rpc.Error{Code: -1, Message: "declined"}
		}
		return json.RawMessage(`{"said":1.0}`), nil
	}}
	_, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(`{"name":"progress","_meta":{"progressToken":{"odd":1}}}`), l)
	want := "notifications/progress {\"progress\":0,\"progressToken\":{\"odd\":1},\"x-own\":1}"
	if got := l.all(); err != nil || !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 3 || strings.Contains(got, "somebody") || !strings.Contains(got, "half way") {
		t.Errorf("the client got %v %s", err, got)
	}
	for method, want := range map[string]string{
		"sampling/createMessage": `{"error":null,"result":{"said":1.0}}`,
		"elicitation/create":     `{"error":{"code":-1,"message":"declined"},"result":null}`,
		"roots/list":             `{"error":null,"result":{"said":1.0}}`,
		"ping":                   `{"error":null,"result":{}}`,
		"tasks/make":             `{"error":{"code":-32601,"message":"Drawbridge does not know this method."},"result":null}`,
	} {
		got := string(r.mustTool("ana", "ask", method, 0, l))
		if got != `{"answer":`+want+`}` {
			t.Errorf("%s: %s", method, got)
		}
	}
	if got := string(r.mustTool("ana", "ask", "roots/list", 0, &listener{})); got != `{"answer":{"error":null,"result":{"roots":[]}}}` {
		t.Errorf("roots of a client that can't be asked: %s", got)
	}
}

func TestErrors(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x"), {Name: "y", Off: true}})
	_, err := r.tool(within(t), "ana", "error", "", 0, nil)
	var own *rpc.Error
	if !errors.As(err, &own) || own.Code != -32042 || own.Message != "no <b>way</b>" || string(own.Data) != `{"kept":1}` {
		t.Errorf("it handles the server's own error: %v", err)
	}
	if got := string(r.mustTool("ana", "lie", "", 0, nil)); got != `{"text":"true"}` {
		t.Errorf("it handles answers that nobody asked for: %s", got)
	}
	for _, name := range []string{"y", "z"} {
		var e *Error
		if _, err := r.Call(within(t), name, r.client("ana"), "ping", nil, nil); !errors.As(err, &e) || e.Server != name {
			t.Errorf("it handles a server that is not there: %v", err)
		}
	}
	if _, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(`[1]`), nil); !errors.As(err, &own) || own.Code != rpc.CodeInvalidParams {
		t.Errorf("it handles params that are no object: %v", err)
	}
}

func TestCancelAndTimeout(t *testing.T) {
	r := newRig(t, quick, Options{})
	conf := own("x")
	r.Apply([]config.Server{conf})
	pid := r.pid("ana")
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error)
	go func() { _, err := r.tool(ctx, "ana", "hang", "", 0, nil); done <- err }()
	eventually(t, "the call hangs", func() bool { return strings.Contains(r.logs(), "hanging") })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it handles a client that leaves: %v", err)
	}
	eventually(t, "the server is told", func() bool { return strings.Contains(r.logs(), `cancelled {"reason"`) })

	conf.Timeout = 50 * time.Millisecond
	r.Apply([]config.Server{conf})
	_, err := r.tool(within(t), "ana", "hang", "", 200, nil)
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "did not answer within 50ms") {
		t.Errorf("it handles a call that hangs: %v", err)
	}
	conf.Timeout = 0
	r.Apply([]config.Server{conf})
	if again := r.pid("ana"); again != pid {
		t.Error("a change of the timeout, or a call that hung, has restarted the server")
	}
}

func TestSubscribe(t *testing.T) {
	for era, flags := range fixtureEras {
		t.Run(era, func(t *testing.T) {
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{own("x", flags...)})
			told := make(chan string, 100)
			note := func(params json.RawMessage) { told <- string(params) }
			stop1, err := r.Subscribe(within(t), "x", r.client("ana"), "file:///a", note)
			if err != nil {
				t.Fatal(err)
			}
			stop2, err := r.Subscribe(within(t), "x", r.client("ana"), "file:///a", note)
			if err != nil {
				t.Fatal(err)
			}
			r.mustTool("ana", "touch", "file:///a/part", 0, nil)
			for range 2 {
				if got := next(t, told); !strings.Contains(got, "file:///a/part") {
					t.Error(got)
				}
			}
			stop2()
			r.mustTool("bob", "touch", "file:///a", 0, nil)
			if era == "modern" { // it is one process, so the resource is one
				next(t, told)
			}
			_, _ = r.tool(within(t), "ana", "crash", "", 0, nil)
			asked := "resources/subscribe"
			if era == "modern" {
				asked = `"resourceSubscriptions":["file:///a"]`
			}
			eventually(t, "the new process is asked again", func() bool { return strings.Count(r.logs(), asked) >= 2 })
			r.mustTool("ana", "touch", "file:///a", 0, nil)
			if got := next(t, told); !strings.Contains(got, `"uri":"file:///a"`) || len(told) != 0 {
				t.Errorf("got %s, and %d more", got, len(told))
			}
			stop1()
			stop1()
			if era == "legacy" {
				eventually(t, "the server is told", func() bool { return strings.Count(r.logs(), "resources/unsubscribe") == 1 })
			}
		})
	}
}
