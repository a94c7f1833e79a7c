package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

func inquirer(ctx context.Context, method string, p object, peer rpc.Peer) (string, error) {
	if method == "logging/setLevel" {
		return "{}", nil
	}
	peer.Notify("notifications/progress", json.RawMessage(`{"progressToken":"first","progress":1}`))
	answers := make([]string, 3)
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i, q := range []string{"sampling/createMessage", "elicitation/create", "roots/list"} {
		all.Go(func() {
			answer, err := peer.Request(ctx, q, json.RawMessage(fmt.Sprintf(`{"message":"m%d"}`, i)))
			answers[i], errs[i] = string(answer), err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	peer.Notify("notifications/progress", json.RawMessage(`{"progressToken":"first","progress":2}`))
	return `{"content":[],"got":[` + strings.Join(answers, ",") + `]}`, nil
}

type asked struct {
	ResultType    string
	InputRequests map[string]struct {
		Method string
		Params json.RawMessage
	}
	RequestState string
	Got          []json.RawMessage
}

func (r *rig) inquire(c *person, params string) asked {
	r.t.Helper()
	var in asked
	if text := r.ask(c, "tools/call", params); json.Unmarshal([]byte(text), &in) != nil {
		r.t.Fatal(text)
	}
	return in
}

func (in asked) retry(which ...string) string {
	answers := object{}
	for id, q := range in.InputRequests {
		for _, w := range which {
			if q.Method == w {
				answers[id] = encode(object{"to": rpc.Quote(q.Method)})
			}
		}
	}
	return string(encode(object{"name": rpc.Quote("read"), "inputResponses": encode(answers), "requestState": rpc.Quote(in.RequestState),
		"_meta": json.RawMessage(`{"progressToken":"second"}`)}))
}

var questions = []string{"sampling/createMessage", "elicitation/create"}

func TestModernClientLegacyServer(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read", "t:other").answers(inquirer)})
	c := aliceModern()
	first := r.inquire(c, `{"name":"read","inputResponses":{"q1":{}},"_meta":{"progressToken":"first"}}`)
	if first.ResultType != "input_required" || len(first.InputRequests) != 2 {
		t.Fatalf("got %+v", first)
	}
	// What was not answered is asked again.
	second := r.inquire(c, first.retry("elicitation/create"))
	if second.ResultType != "input_required" || len(second.InputRequests) != 1 || second.RequestState == first.RequestState {
		t.Fatalf("got %+v", second)
	}
	contains(t, "used twice", r.ask(c, "tools/call", first.retry(questions...)), "-32602 requestState")
	// The state is for this person, this tool and this server's word alone.
	bob := aliceModern()
	bob.who.Session = "s-bob"
	contains(t, "another session", r.ask(bob, "tools/call", second.retry(questions...)), "-32602 requestState")
	contains(t, "another tool", r.ask(c, "tools/call", strings.Replace(second.retry(questions...), `"read"`, `"other"`, 1)), "-32602 requestState")
	second.RequestState, first.RequestState = flipped(second.RequestState, 10), second.RequestState
	contains(t, "tampered", r.ask(c, "tools/call", second.retry(questions...)), "-32602 requestState")
	second.RequestState = first.RequestState
	third := r.inquire(c, second.retry(questions...))
	equal(t, "got", fmt.Sprintf("%s", third.Got), `[{"to":"sampling/createMessage"} {"to":"elicitation/create"} {"roots":[]}]`)
	equal(t, "progress", strings.Join(c.got, "\n"), `notifications/progress {"progressToken":"first","progress":1}`+"\n"+`notifications/progress {"progressToken":"second","progress":2}`)
	calls := r.mounts.called("a")
	equal(t, "calls", strings.Join(calls, "\n"), `tools/call {"_meta":{"progressToken":"first"},"name":"read"}`)
	var told []string
	for len(r.calls) > 0 {
		told = append(told, strings.Split(<-r.calls, " requestState")[0])
	}
	equal(t, "told", strings.Join(told, ", "), "a read, a read, a other, a read, a read <nil>") // the refused ones too
}

// It handles a server that asks what the client can't answer: the server is told,
// and goes on (MCP 2025-11-25, "Sampling": -32601; a mode or a part that was not
// declared: -32602).
func TestMissingCapability(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read").answers(func(ctx context.Context, method string, _ object, peer rpc.Peer) (string, error) {
		said := ""
		for _, ask := range [][2]string{{"sampling/createMessage", `{}`}, {"elicitation/create", `{"mode":"url"}`}, {"roots/list", `{}`}} {
			var e *rpc.Error
			answer, err := peer.Request(ctx, ask[0], json.RawMessage(ask[1]))
			if errors.As(err, &e) {
				answer = json.RawMessage(fmt.Sprint(e.Code))
			}
			said += string(answer) + " "
		}
		return fmt.Sprintf(`{"content":[{"type":"text","text":%q}]}`, said+"done without"), nil
	})})
	for _, c := range []*person{aliceModern(), alice()} {
		c.capabilities = `{"elicitation":{}}`
		contains(t, c.era.String(), r.ask(c, "tools/call", `{"name":"read"}`), `-32601 -32602 {\"roots\":[]} done without`)
	}
}

func TestVisit(t *testing.T) {
	asked, visited := 0, false
	r := newRig(t, map[string]*server{"a": offering("t:read").answers(func(context.Context, string, object, rpc.Peer) (string, error) {
		if visited {
			return `{"content":[]}`, nil
		}
		return "", &rpc.Error{Code: codeURLRequired, Message: "Sign in first", Data: json.RawMessage(`{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example/","message":"m"}]}`)}
	})}, func(o *Options) {
		o.Settings = func(string) config.ServerSettings { return config.ServerSettings{Ask: []string{"*"}} }
		o.Ask = func(context.Context, status.Approval) error { asked++; return nil }
	})
	c := aliceModern()
	contains(t, "not capable", r.ask(c, "tools/call", `{"name":"read"}`), `-32021 Sign in first {"requiredCapabilities":{"elicitation":{"url":{}}}}`)
	c.capabilities = `{"elicitation":{"url":{}}}`
	in := r.inquire(c, `{"name":"read"}`)
	equal(t, "asked", string(in.InputRequests["q1"].Params), `{"message":"m","mode":"url","url":"https://x.example/"}`)
	visited = true
	equal(t, "again", r.ask(c, "tools/call", in.retry("elicitation/create")), `{"content":[]}`)
	equal(t, "owner asked", fmt.Sprint(asked), "3")
	contains(t, "legacy client", r.ask(alice(), "tools/call", `{"name":"read"}`), `{"content":[]}`)
}

func TestSuspendedEnds(t *testing.T) {
	ended := make(chan error, 10)
	ask := func(ctx context.Context, _ string, _ object, peer rpc.Peer) (string, error) {
		_, err := peer.Request(ctx, "sampling/createMessage", nil)
		if err == nil {
			<-ctx.Done()
			err = ctx.Err()
		}
		ended <- err
		return "", err
	}
	for name, end := range map[string]func(*rig, *person, asked){
		"session":  func(r *rig, c *person, _ asked) { r.Forget(func(s string) bool { return s == "s-alice" }) },
		"close":    func(r *rig, c *person, _ asked) { r.Close() },
		"too long": func(r *rig, c *person, _ asked) {},
		"client leaves": func(r *rig, c *person, in asked) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if _, err := r.All().Call(ctx, c.client(), "tools/call", json.RawMessage(in.retry(questions...))); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		},
	} {
		r := newRig(t, map[string]*server{"a": offering("t:read").answers(ask)}, func(o *Options) {
			if o.Hold = time.Hour; name == "too long" {
				o.Hold = 10 * time.Millisecond
			}
		})
		c := aliceModern()
		in := r.inquire(c, `{"name":"read"}`)
		end(r, c, in)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		contains(t, name, r.ask(c, "tools/call", in.retry(questions...)), "-32602")
	}
}

func TestSuspendedBound(t *testing.T) {
	r := newRig(t, map[string]*server{"a": offering("t:read").answers(inquirer)})
	c := aliceModern()
	first := r.inquire(c, `{"name":"read"}`)
	for range 3 * maxParkedSession {
		r.inquire(c, `{"name":"read"}`)
	}
	last := r.inquire(c, `{"name":"read"}`)
	contains(t, "the first", r.ask(c, "tools/call", first.retry(questions...)), "-32602 requestState")
	contains(t, "the last", r.ask(c, "tools/call", last.retry(questions...)), `"got"`)
	if n := len(r.parked.waiting); n >= maxParkedSession {
		t.Errorf("%d calls wait", n)
	}
}

// flipped is s with another character at i.
func flipped(s string, i int) string {
	c := "A"
	if s[i] == 'A' {
		c = "B"
	}
	return s[:i] + c + s[i+1:]
}
