//go:build unix

package mount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

func signer(caller *oauth.Caller, audience string) (string, error) {
	if caller.User.Sub == "" {
		return "", errors.New("there is no caller") // as the real one says
	}
	return "token-of-" + caller.User.Sub, nil
}

func keychainOf(context.Context, string, string) (string, error) { return "hush", nil }

func TestHTTP(t *testing.T) {
	for _, modern := range []bool{false, true} {
		t.Run(fmt.Sprintf("modern=%v", modern), func(t *testing.T) {
			s := newHTTPServer(t, modern)
			r := newRig(t, quick, Options{Identity: signer, Secret: keychainOf})
			r.Apply([]config.Server{s.conf()})
			c, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 1, false: 2}[modern]; len(c.Tools) != want || (c.Era == rpc.Modern) != modern {
				t.Errorf("catalog %+v", c)
			}
			l := &listener{answer: func(context.Context, string) (json.RawMessage, error) { return json.RawMessage(`{"ok":1}`), nil }}
			if log := r.said(); log != "" { // what we ask for ourselves is in nobody's name
				t.Errorf("the log says %s", log)
			}
			params := `{"name":"sql","arguments":{"region":" süd","opt":{"n":42}},"_meta":{"progressToken":"mine","drawbridge.app/identity":{"sub":"root"}}}`
			result, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(params), l)
			if err != nil || string(result.Raw()) != `{"kept":1.0}` || l.all() != `notifications/progress {"progressToken":"mine","progress":1}` {
				t.Fatalf("got %s, %v, got %s", result.Raw(), err, l.all())
			}
			log := s.log()
			want := `auth="Bearer token-of-ana" key="k hush" version="2025-06-18" method="" name="" region="" n="" cookie=""`
			if modern {
				want = `auth="Bearer token-of-ana" key="k hush" version="2026-07-28" method="tools/call" name="sql" region="=?base64?IHPDvGQ=?=" n="42" cookie=""`
			}
			if !strings.Contains(log, want) || strings.Contains(log, `"sub":"root"`) || strings.Contains(log, "drawbridge.app") {
				t.Errorf("the server saw %s", log)
			}
			if !modern {
				got, err := r.tool(within(t), "ana", "ask", "", 0, l)
				if err != nil || !strings.Contains(string(got), `"result":{"ok":1}`) {
					t.Errorf("asked: %s, %v", got, err)
				}
				if got, err := r.tool(within(t), "ana", "halves", "", 0, l); err != nil || string(got) != `{"text":"the rest"}` {
					t.Errorf("halves: %s, %v", got, err)
				}
			}
			for name, want := range map[string]string{"cut": "halfway", "flood": "more than 16 MiB"} {
				if _, err := r.tool(within(t), "ana", name, "", 0, l); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", name, err)
				}
			}
			ctx, cancel := context.WithCancel(within(t))
			done := make(chan error)
			go func() { _, err := r.tool(ctx, "ana", "hang", "", 0, l); done <- err }()
			eventually(t, "it hangs", func() bool { return s.count(`"hang"`) > 0 })
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			eventually(t, "the server sees it", func() bool {
				return s.count("call closed") == 1 && (modern || s.count("POST notifications/cancelled") == 1)
			})
			r.Close()
			if n := s.count("DELETE"); !modern && n < 2 || modern && n != 0 {
				t.Errorf("%d sessions of 2 were ended", n)
			}
			if strings.Contains(r.log.String(), "hush") || strings.Contains(r.logs(), "hush") {
				t.Error("a secret is in the log")
			}
		})
	}
}

func TestHTTPChanges(t *testing.T) {
	for _, modern := range []bool{false, true} {
		t.Run(fmt.Sprintf("modern=%v", modern), func(t *testing.T) {
			s := newHTTPServer(t, modern)
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{{Name: "x", URL: s.URL}})
			if _, err := r.Catalog(within(t), "x", Client{}, Needed); err != nil {
				t.Fatal(err)
			}
			got := make(chan string, 10)
			stop, err := r.Subscribe(within(t), "x", r.client("ana"), "a://b", func(p json.RawMessage) { got <- string(p) })
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "a stream for the catalog and one for ana are open", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.streams) == 2 })
			s.mu.Lock()
			s.tools = `[]`
			s.mu.Unlock()
			s.tell(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
			s.tell(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://b"}}`)
			if got := next(t, got); !strings.Contains(got, "a://b") {
				t.Error(got)
			}
			eventually(t, "the list is read again", func() bool { c, _ := r.Catalog(context.Background(), "x", Client{}, Known); return len(c.Tools) == 0 })
			stop()
		})
	}
}

func TestHTTPHeadersChange(t *testing.T) {
	s := newHTTPServer(t, true)
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{{Name: "x", URL: s.URL}})
	if _, err := r.Catalog(within(t), "x", Client{}, Needed); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.tools = strings.ReplaceAll(s.tools, "Region", "Area")
	s.mu.Unlock()
	if _, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(`{"name":"sql","arguments":{"region":"a"}}`), nil); err != nil {
		t.Errorf("it handles a tool that wants other headers now: %v", err)
	}
}

func TestHTTPSessionLost(t *testing.T) {
	s := newHTTPServer(t, false)
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{{Name: "x", URL: s.URL}})
	call := func() error {
		_, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(`{"name":"sql"}`), nil)
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	clear(s.sessions)
	s.mu.Unlock()
	if err := call(); err != nil {
		t.Errorf("it handles a session that the server forgot: %v\n%s", err, s.log())
	}
	if st := r.state(); st.State == "failed" {
		t.Errorf("state %+v", st)
	}
}

func TestHTTPRefuses(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("a request went elsewhere") }))
	defer elsewhere.Close()
	for want, handler := range map[string]http.HandlerFunc{
		"refused the request (401)": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("WWW-Authenticate", `Basic realm="a, b", Bearer realm="x\"y", resource_metadata="https://a/b"`)
			w.WriteHeader(401)
		},
		"refused the request (403)": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) },
		"HTTP status 404":           http.NotFound,
		"HTTP status 503":           func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
		"sends its callers to http://127.0.0.1:": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/new?key=hush", http.StatusTemporaryRedirect)
		},
		"what is no MCP message": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"can't be reached":       func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"no protocol revision": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no","data":{"supported":["2077-01-01"]}}}`)
		},
	} {
		t.Run(want, func(t *testing.T) {
			bad := httptest.NewServer(handler)
			defer bad.Close()
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{{Name: "x", URL: bad.URL}})
			_, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err == nil || !strings.Contains(err.Error(), want) || r.state().State != "failed" {
				t.Errorf("got %v, %+v", err, r.state())
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.events) != 1 {
				t.Errorf("events %+v", r.events)
			}
		})
	}
}

func TestHTTPComesBack(t *testing.T) {
	s := newHTTPServer(t, true)
	inner := s.Config.Handler
	var mu sync.Mutex
	down := true
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		off := down
		mu.Unlock()
		if off {
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	})
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{{Name: "x", URL: s.URL}})
	eventually(t, "it is missed", func() bool { return r.state().State == "failed" })
	mu.Lock()
	down = false
	mu.Unlock()
	eventually(t, "it is back", func() bool { return r.state().State == "ok" })
}
