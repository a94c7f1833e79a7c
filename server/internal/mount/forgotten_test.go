//go:build unix

package mount

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// answerWith answers with a status and a body; ID in it is the request's.
func answerWith(status int, kind, body string) func(http.ResponseWriter, message) {
	return func(w http.ResponseWriter, m message) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, strings.ReplaceAll(body, "ID", string(m.ID)))
	}
}

// forget has the server be another, which knows no session of before.
func (s *httpServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// TestForgottenSession has servers that were started again, and say in their own
// words that they don't know the session. Those words are of public servers.
func TestForgottenSession(t *testing.T) {
	const js, sse, text = "application/json", "text/event-stream", "text/plain"
	for name, denies := range map[string]func(http.ResponseWriter, message){
		"404":                            nil,
		"404 with an error that answers": answerWith(404, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"Session not found"}}`),
		"400, TypeScript examples":       answerWith(400, js, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`),
		"400 without id":                 answerWith(400, js, `{"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}`),
		"400, not initialized":           answerWith(400, js, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}`),
		"400 that answers":               answerWith(400, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32600,"message":"Invalid session"}}`),
		"400 in plain text":              answerWith(400, text, "Invalid or missing session ID"),
		"400 and nothing":                answerWith(400, text, ""),
		"409":                            answerWith(409, js, `{"message":"conflict"}`),
		"410":                            answerWith(410, text, "gone"),
		"422":                            answerWith(422, text, ""),
		"500 in plain text":              answerWith(500, text, "session abc does not exist"),
		"500, an error":                  answerWith(500, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32603,"message":"Unknown session"}}`),
		"503":                            answerWith(503, text, "Session terminated"),
		"200, an error":                  answerWith(200, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"Session expired"}}`),
		"200, an error without id":       answerWith(200, js, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"No valid session ID provided"}}`),
		"200, an error in a stream":      answerWith(200, sse, "data: {\"jsonrpc\":\"2.0\",\"id\":ID,\"error\":{\"code\":-32600,\"message\":\"session not found\"}}\n\n"),
		"200, before initialization":     answerWith(200, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"Received request before initialization was complete"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHTTPServer(t, false)
			s.denies = denies
			r := newRig(t, quick, Options{Identity: signer})
			r.Apply([]config.Server{{Name: "x", URL: s.URL}})
			for range 2 { // it works again, each time
				if got, err := r.tool(within(t), "ana", "sql", "", 0, nil); err != nil || string(got) != `{"kept":1.0}` {
					t.Fatalf("%s, %v", got, err)
				}
				s.forget()
			}
			if got, err := r.tool(within(t), "ana", "sql", "", 0, nil); err != nil || string(got) != `{"kept":1.0}` {
				t.Fatalf("the last time: %s, %v", got, err)
			}
			eventually(t, "all is well", func() bool { return r.state().State == "ok" })
		})
	}
}

// TestSessionNotForgotten has answers that are about something else: the session
// stays, and the call is not sent again.
func TestSessionNotForgotten(t *testing.T) {
	const js, text = "application/json", "text/plain"
	for name, c := range map[string]struct {
		says func(http.ResponseWriter, message)
		want string
	}{
		"401":                       {answerWith(401, text, "session"), "refused the request (401)"},
		"403":                       {answerWith(403, text, "session"), "refused the request"},
		"429":                       {answerWith(429, text, "too many sessions"), "HTTP status 429"},
		"500":                       {answerWith(500, text, "oops"), "HTTP status 500"},
		"500, done":                 {answerWith(500, text, "payment done, but the browser session could not be closed"), "HTTP status 500"},
		"503, done":                 {answerWith(503, text, "session"), "HTTP status 503"},
		"409, done":                 {answerWith(409, js, `{"detail":"paid already"}`), "HTTP status 409"},
		"422, done":                 {answerWith(422, text, ""), "HTTP status 422"},
		"400, wrong arguments":      {answerWith(400, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"no such region"}}`), "no such region"},
		"200, wrong arguments":      {answerWith(200, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"no such region"}}`), "no such region"},
		"200, a tool's own session": {answerWith(200, js, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"browser session 7 not found"}}`), "browser session 7 not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHTTPServer(t, false)
			inner := s.Config.Handler
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				body, m := peek(req)
				if strings.Contains(string(body), `"odd"`) {
					s.mu.Lock()
					s.seen = append(s.seen, "odd")
					s.mu.Unlock()
					c.says(w, m)
					return
				}
				inner.ServeHTTP(w, req)
			})
			r := newRig(t, quick, Options{Identity: signer})
			r.Apply([]config.Server{{Name: "x", URL: s.URL}})
			r.mustTool("ana", "sql", "", 0, nil)
			made := s.sessionsMade()
			_, err := r.Call(within(t), "x", r.client("ana"), "tools/call", json.RawMessage(`{"name":"odd"}`), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if n := s.count("odd"); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
			if got, err := r.tool(within(t), "ana", "sql", "", 0, nil); err != nil {
				t.Errorf("the next call: %s, %v", got, err)
			}
			if again := s.sessionsMade(); again != made {
				t.Errorf("%d sessions, before %d", again, made)
			}
		})
	}
}

// TestOthersInFlight has a call under way when another one's answer ends the
// session: it goes on, and is not sent twice.
func TestOthersInFlight(t *testing.T) {
	s := newHTTPServer(t, false)
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{{Name: "x", URL: s.URL}})
	done := make(chan error, 1)
	go func() { _, err := r.tool(within(t), "ana", "held", "", 0, nil); done <- err }()
	eventually(t, "it is under way", func() bool { return s.count(`"held"`) == 1 })
	s.forget()
	r.mustTool("ana", "sql", "", 0, nil)
	close(s.hold)
	if err := <-done; err != nil {
		t.Errorf("the call under way: %v", err)
	}
	if n := s.count(`"held"`); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

// A call comes while another has found the session over, and a third is still
// under way in it: a conversation that ends with its last call takes no new one,
// so that it is not refused again and again.
func TestRetiredTakesNoCall(t *testing.T) {
	s := newHTTPServer(t, false)
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{{Name: "x", URL: s.URL}})
	r.mustTool("ana", "sql", "", 0, nil)
	done := make(chan error)
	go func() { _, err := r.tool(within(t), "ana", "held", "", 0, nil); done <- err }()
	eventually(t, "it is under way", func() bool { return s.count(`"held"`) == 1 })
	s.forget()
	one, err := r.find("x")
	if err != nil {
		t.Fatal(err)
	}
	one.mu.Lock()
	for _, c := range one.clientsLocked() {
		c.retire() // and whoever found it over has not come further yet
	}
	one.mu.Unlock()
	if _, err := r.tool(within(t), "ana", "sql", "", 0, nil); err != nil {
		t.Errorf("the call got %v", err)
	}
	close(s.hold)
	if err := <-done; err != nil {
		t.Errorf("the call under way got %v", err)
	}
}
