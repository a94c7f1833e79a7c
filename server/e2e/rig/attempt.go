package rig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// MovedClock is a clock that a test puts forward.
type MovedClock struct{ ahead atomic.Int64 }

func (c *MovedClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *MovedClock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// softly makes what would fail the test an error of the attempt: for work that
// goes on while the program is killed under it.
type softly struct{ testing.TB }

type attemptFailed struct{ text string }

func (softly) Fatal(args ...any)                 { panic(attemptFailed{fmt.Sprint(args...)}) }
func (softly) Fatalf(format string, args ...any) { panic(attemptFailed{fmt.Sprintf(format, args...)}) }
func (softly) Error(args ...any)                 { panic(attemptFailed{fmt.Sprint(args...)}) }
func (softly) Errorf(format string, args ...any) { panic(attemptFailed{fmt.Sprintf(format, args...)}) }

// Softly runs do with a testing.TB whose failures become the error.
func Softly(t testing.TB, do func(t testing.TB)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			failed, ok := p.(attemptFailed)
			if !ok {
				panic(p)
			}
			err = errors.New(failed.text)
		}
	}()
	do(softly{t})
	return nil
}

// MustWorkWith fails the test unless a tool answers to access.
func (app *App) MustWorkWith(t testing.TB, access string) {
	t.Helper()
	if got := app.MCP(t, access).CallTool("echo", map[string]any{"message": "hello"}); got != "Echo: hello" {
		t.Fatalf("echo gave %q", got)
	}
}

// MustNotOpen fails the test unless access is refused as RFC 6750 §3.1 says.
func (app *App) MustNotOpen(t testing.TB, access string) {
	t.Helper()
	r := app.MCP(t, access).Initialize()
	if r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Fatalf("answered %d, %s; want 401 invalid_token", r.Status, r.Header.Get("WWW-Authenticate"))
	}
}

// MustBeDead fails the test unless neither token of a grant works any more.
func (app *App) MustBeDead(t testing.TB, c Client, tokens Tokens) {
	t.Helper()
	app.MustNotOpen(t, tokens.Access)
	app.Refresh(t, c, tokens.Refresh).Want(t, http.StatusBadRequest, "invalid_grant")
}

// StartSignedIn is a running app with a client and alice's tokens.
func StartSignedIn(t testing.TB, o AppOptions) (*App, Client, Tokens) {
	t.Helper()
	app := StartApp(t, o)
	c := app.Register(t, ClientURI)
	return app, c, app.SignIn(t, NewBrowser(t), c, "alice")
}

// MustClose fails the test unless ended closes within a second or so.
func MustClose(t testing.TB, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s did not end", what)
	}
}

// Wire is a bare connection, for requests that no HTTP library would send.
type Wire struct {
	t    testing.TB
	Conn net.Conn
	r    *bufio.Reader
}

// DialWire connects to the host of rawURL.
func DialWire(t testing.TB, rawURL string) *Wire {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &Wire{t, conn, bufio.NewReader(conn)}
}

// Send writes text with HOST replaced by the address and LF by CRLF.
func (w *Wire) Send(text string) {
	w.t.Helper()
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\r\n"), "HOST", w.Conn.RemoteAddr().String())
	if _, err := io.WriteString(w.Conn, text); err != nil {
		w.t.Logf("write: %v", err)
	}
}

// Answer reads one response; nil if the connection ended instead.
func (w *Wire) Answer(within time.Duration) *Reply {
	w.t.Helper()
	_ = w.Conn.SetReadDeadline(time.Now().Add(within))
	resp, err := http.ReadResponse(w.r, nil)
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		w.t.Fatalf("no answer within %v", within)
	}
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

// IOTime is how long an answer may take that needs no waiting.
const IOTime = 5 * time.Second
