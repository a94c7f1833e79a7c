//go:build unix

package mount

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// program is one of two programs that sub signed in, or of a sign-in.
func (r *rig) program(sub, session, transport string) Client {
	c := r.client(sub)
	caller := *c.Caller
	caller.Session, c.Session = session, transport
	c.Caller, c.Era = &caller, rpc.Legacy
	return c
}

func (r *rig) call(ctx context.Context, c Client, name, text string, peer rpc.Peer) (string, error) {
	result, err := r.Call(ctx, "x", c, "tools/call", encode(map[string]any{"name": name, "arguments": map[string]any{"text": text, "n": 0}}), peer)
	return string(result.Raw()), err
}

// yes is a client that says yes to whatever it is asked.
func yes() *listener {
	return &listener{answer: func(context.Context, string) (json.RawMessage, error) { return json.RawMessage(`{"yes":1}`), nil }}
}

// It handles two clients with calls under way at one server: what the server asks
// or says goes to the one whose call can be the cause; where both can, to nobody.
func TestNothingCrosses(t *testing.T) {
	const asked, refused = `"result":{"yes":1}`, "More than one program"
	for name, c := range map[string]struct {
		shared         bool
		session, other string // of the second client
		givenUp        bool   // the first has left
		want           string
	}{
		"two persons":                        {session: "s-bob", other: "t1", want: asked},
		"two sign-ins of one":                {session: "s-2", other: "t2", want: asked},
		"two programs of a sign-in":          {session: "s-1", other: "t2", want: refused},
		"one program, twice":                 {session: "s-1", other: "t1", want: asked},
		"two sign-ins, one process":          {shared: true, session: "s-2", other: "t2", want: refused},
		"two programs, the first has left":   {session: "s-1", other: "t2", givenUp: true, want: refused},
		"two sign-ins, the first has left":   {session: "s-2", other: "t2", givenUp: true, want: asked},
		"one process, the first has left":    {shared: true, session: "s-2", other: "t2", givenUp: true, want: refused},
		"one program, its other call is off": {session: "s-1", other: "t1", givenUp: true, want: asked},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, quick, Options{})
			conf := own("x")
			conf.Shared = c.shared
			r.Apply([]config.Server{conf})
			sub := map[bool]string{true: "bob", false: "ana"}[c.session == "s-bob"]
			first, second := r.program("ana", "s-1", "t1"), r.program(sub, c.session, c.other)
			one, two := yes(), yes()
			ctx, cancel := context.WithCancel(within(t))
			defer cancel()
			done := make(chan struct{})
			go func() { defer close(done); _, _ = r.call(ctx, first, "hang", "", one) }()
			eventually(t, "the first hangs", func() bool { return strings.Contains(r.logs(), "hanging") })
			if c.givenUp {
				cancel()
				<-done
			}
			got, err := r.call(within(t), second, "ask", "elicitation/create", two)
			if err != nil || !strings.Contains(got, c.want) || one.all() != "" {
				t.Errorf("the server got %s, %v; the first client %q", got, err, one.all())
			}
			if _, err := r.call(within(t), second, "progress", "", two); err != nil || one.all() != "" {
				t.Errorf("the first client was told %q, %v", one.all(), err)
			}
			if told := strings.Contains(two.all(), "half way"); told != (c.want == asked) {
				t.Errorf("the second client was told %q", two.all())
			}
		})
	}
}

// It handles what a client declared: the server sees that, and whose client it is.
func TestServerSeesClient(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	c := r.client("ana")
	c.Capabilities = json.RawMessage(`{"tasks":{},"elicitation":{"form":{}},"experimental":{"a":1.0}}`)
	c.LogLevel = "warning"
	if _, err := r.call(within(t), c, "params", "", nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`opened {"capabilities":{},"clientInfo":{"name":"Drawbridge"`, // the catalog's
		`opened {"capabilities":{"elicitation":{"form":{}},"experimental":{"a":1}},"clientInfo":{"name":"Claude (via Drawbridge)","version":"7"}`, `,"level":"warning"}`} {
		eventually(t, want, func() bool { return strings.Contains(r.logs(), want) })
	}
	for _, level := range []string{"error", "warning", "info"} { // only the last is more than it was asked for
		c.LogLevel = level
		if _, err := r.call(within(t), c, "params", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(r.logs(), "level {"); n != 2 {
		t.Errorf("the level was set %d times\n%s", n, r.logs())
	}
	if n, _, _ := r.Processes(); n != 2 {
		t.Errorf("%d processes for one sign-in", n)
	}
}

// It handles a server of both eras in the client's own, also one that is so slow
// to start that it is asked in both.
func TestBothEras(t *testing.T) {
	for name, probe := range map[string]time.Duration{"": patient, "slow": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			tune := quick
			tune.probe = probe
			r := newRig(t, tune, Options{})
			r.Apply([]config.Server{own("x", "both", "slow=50ms")})
			cat, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil || !cat.Both || cat.Era != rpc.Modern {
				t.Fatalf("%v, %+v", err, cat)
			}
			for _, era := range []rpc.Era{rpc.Legacy, rpc.Modern} {
				c := r.client("ana")
				c.Era = cat.Speaks(era)
				got, err := r.call(within(t), c, "ask", "elicitation/create", yes())
				if asked := strings.Contains(got, `"yes"`); asked != (c.Era == rpc.Legacy) {
					t.Errorf("%v, spoken as %v: %s, %v", era, c.Era, got, err)
				}
				told := make(chan string, 1)
				stop, err := r.Subscribe(within(t), "x", c, "file:///a", func(p json.RawMessage) { told <- string(p) })
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.call(within(t), c, "touch", "file:///a", nil); err != nil {
					t.Fatal(err)
				}
				next(t, told)
				stop()
			}
		})
	}
}

// It handles the end of sign-ins: a process ends with the last that used it.
func TestForget(t *testing.T) {
	for _, shared := range []bool{false, true} {
		r := newRig(t, quick, Options{})
		conf := own("x")
		conf.Shared = shared
		r.Apply([]config.Server{conf})
		pid := func(session string) int {
			t.Helper()
			var got struct{ PID int }
			said, err := r.call(within(t), r.program("ana", session, "t"), "params", "", nil)
			if err != nil || json.Unmarshal([]byte(said), &got) != nil {
				t.Fatal(err)
			}
			return got.PID
		}
		one, two := pid("s-1"), pid("s-2")
		if (one == two) != shared {
			t.Errorf("shared %v: %d, %d", shared, one, two)
		}
		r.Forget(func(s string) bool { return s == "s-1" })
		if !shared {
			gone(t, one)
		}
		if pid("s-2") != two {
			t.Error("the other sign-in's process has ended as well")
		}
		r.Forget(func(s string) bool { return s == "s-2" })
		gone(t, two)
	}
}

func FuzzDeclared(f *testing.F) {
	for _, seed := range []string{`{"elicitation":{},"tasks":{"a":1}}`, `{}`, `null`, `[]`, `{"name":"Cla\u2028ude"}`, `{"name":null,"version":3}`, "\x00"} {
		f.Add([]byte(seed))
	}
	s := newSet(Options{Version: "1"}, quick)
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		var o map[string]json.RawMessage
		if json.Unmarshal(declared(data), &o) != nil || o == nil || o["tasks"] != nil {
			t.Errorf("declared %s", declared(data))
		}
		if string(declared(declared(data))) != string(declared(data)) {
			t.Error("two spellings")
		}
		var info struct{ Name, Version json.RawMessage }
		if got := s.introduced(data); json.Unmarshal(got, &info) != nil || !strings.Contains(string(info.Name), "Drawbridge") || info.Version == nil {
			t.Errorf("introduced %s", got)
		}
		k := keyOf(Client{Caller: &oauth.Caller{Session: "s"}, Capabilities: data}, false)
		if k.who == "" {
			t.Error("a client's key is Drawbridge's own")
		}
	})
}
