package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// fakeBackend stands in for the app: it says the samples and notes what it was
// told to do.
type fakeBackend struct {
	mu   sync.Mutex // guards told
	told []string
	fail error
}

func (b *fakeBackend) tell(what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, what)
	return b.fail
}

func (b *fakeBackend) Snapshot() status.Snapshot {
	return status.Snapshot{Status: sampleStatus, Sessions: sampleSessions}
}
func (b *fakeBackend) Status() status.Status                 { return sampleStatus }
func (b *fakeBackend) Watch(context.Context) <-chan struct{} { return nil }
func (b *fakeBackend) Clients() []status.Client              { return sampleClients }
func (b *fakeBackend) Attempts() []status.Attempt            { return sampleAttempts }
func (b *fakeBackend) EndLeave(_ context.Context, session, server, tool string) error {
	if session != "s1" {
		return ErrNotFound
	}
	return b.tell("end leave " + session + " " + server + " " + tool)
}
func (b *fakeBackend) RevokeAll(context.Context) (int, error) { return 2, b.tell("revoke all") }
func (b *fakeBackend) AddClient(_ context.Context, c status.NewClient) (status.Client, string, error) {
	return status.Client{ID: "dbk_1", Name: c.Name, Grants: c.Grants}, "dbs_1", b.tell("add " + c.Name)
}
func (b *fakeBackend) RotateClient(_ context.Context, client string) (string, time.Time, error) {
	if client != "dbk_1" {
		return "", time.Time{}, ErrNotFound
	}
	return "dbs_2", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), b.tell("rotate " + client)
}
func (b *fakeBackend) DeleteClient(_ context.Context, client string) error {
	if client != "dbk_1" {
		return ErrNotFound
	}
	return b.tell("delete " + client)
}
func (b *fakeBackend) Unblock(_ context.Context, id string) error {
	if id != "s1" {
		return ErrNotFound
	}
	return b.tell("unblock " + id)
}
func (b *fakeBackend) Metrics(w io.Writer)          { _, _ = io.WriteString(w, "drawbridge_sessions 2\n") }
func (b *fakeBackend) CopyState() (string, error)   { return "/data/copy", b.tell("copy state") }
func (b *fakeBackend) Quit()                        { _ = b.tell("quit") }
func (b *fakeBackend) Pause(context.Context) error  { return b.tell("pause") }
func (b *fakeBackend) Resume(context.Context) error { return b.tell("resume") }
func (b *fakeBackend) Retry()                       { b.tell("retry") }
func (b *fakeBackend) AcceptURL(context.Context) (string, error) {
	return "enter the redirect URI", b.tell("accept URL")
}
func (b *fakeBackend) Doctor(ctx context.Context) []status.Check {
	b.tell("doctor")
	return sampleChecks
}
func (b *fakeBackend) SignInServer(_ context.Context, server string) (string, error) {
	return "https://tools.example.com/authorize", b.tell("sign in " + server)
}
func (b *fakeBackend) FinishSignIn(_ context.Context, server, answer string) error {
	return b.tell("finish sign-in " + server + " " + answer)
}
func (b *fakeBackend) SignOutServer(_ context.Context, server string) error {
	return b.tell("sign out " + server)
}
func (b *fakeBackend) SignInAnswer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "answered")
}
func (b *fakeBackend) Logs(server string) ([]status.LogLine, bool) {
	return sampleLogs, server == "my.files"
}
func (b *fakeBackend) Access(_ context.Context, email string, groups []string) ([]status.Entry, error) {
	return sampleAccess, b.tell(fmt.Sprintf("access %q %q", email, groups))
}
func (b *fakeBackend) Revoke(_ context.Context, id string) error {
	if id != "s1" {
		return fmt.Errorf("revoke: %w", ErrNotFound)
	}
	return b.tell("revoke " + id)
}

// fakeConsole stands in for the pages.
type fakeConsole struct{ url, key string }

func (c *fakeConsole) ServeHTTP(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a page") }
func (c *fakeConsole) Open(url, key string)                             { c.url, c.key = url, key }
func (c *fakeConsole) Link() string                                     { return c.url + "/#once=1" }
func (c *fakeConsole) Close()                                           { c.key = "" }

type rig struct {
	*Server
	dir     string
	backend *fakeBackend
	console *fakeConsole
	board   *status.Board
}

func start(t *testing.T, dir string) *rig {
	t.Helper()
	r := &rig{dir: dir, backend: &fakeBackend{}, console: &fakeConsole{}, board: status.NewBoard(time.Now)}
	var err error
	r.Server, err = Listen(dir, "1.0.0", r.backend, r.console, r.board, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Server.http.Close(); r.stop() })
	return r
}

func dial(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCommands(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"))
	c, ctx := dial(t, r.dir), t.Context()

	s, err := c.Status(ctx)
	if err != nil || !reflect.DeepEqual(s, sampleStatus) {
		t.Errorf("Status: %+v, %v", s, err)
	}
	sessions, err := c.Sessions(ctx)
	if want := tidySessions(sampleSessions); err != nil || !reflect.DeepEqual(sessions, want) {
		t.Errorf("Sessions: %+v, %v", sessions, err)
	}
	clients, err := c.Clients(ctx)
	if want := tidyClients(sampleClients); err != nil || !reflect.DeepEqual(clients, want) {
		t.Errorf("Clients: %+v, %v", clients, err)
	}
	if attempts, err := c.Attempts(ctx); err != nil || !reflect.DeepEqual(attempts, sampleAttempts) {
		t.Errorf("Attempts: %+v, %v", attempts, err)
	}
	if events, err := c.Events(ctx); err != nil || len(events) != 0 {
		t.Errorf("Events: %+v, %v", events, err)
	}
	for i := range sampleEvents {
		r.board.Publish(&sampleEvents[i])
	}
	if events, err := c.Events(ctx); err != nil || !slices.Equal(events, sampleEvents) {
		t.Errorf("Events: %+v, %v", events, err)
	}
	checks, err := c.Doctor(ctx)
	if err != nil || !slices.Equal(checks, sampleChecks) {
		t.Errorf("Doctor: %+v, %v", checks, err)
	}
	if link, err := c.ConsoleLink(ctx); err != nil || link != r.URL()+"/#once=1" || r.console.key != r.key {
		t.Errorf("ConsoleLink: %q, %v", link, err)
	}
	added, secret, err := c.AddClient(ctx, status.NewClient{Name: "ci", Grants: []string{"client_credentials"}})
	if err != nil || added.Name != "ci" || !slices.Equal(added.Grants, []string{"client_credentials"}) || secret != "dbs_1" {
		t.Errorf("AddClient: %+v, %q, %v", added, secret, err)
	}
	secret, until, err := c.RotateClient(ctx, "dbk_1")
	if err != nil || secret != "dbs_2" || !until.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("RotateClient: %q, %v, %v", secret, until, err)
	}
	if err := errors.Join(c.DeleteClient(ctx, "dbk_1"), c.Unblock(ctx, "s1")); err != nil {
		t.Errorf("DeleteClient, Unblock: %v", err)
	}
	for _, err := range []error{c.DeleteClient(ctx, "other"), c.Unblock(ctx, "other")} {
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "other") {
			t.Errorf("of nothing: %v", err)
		}
	}
	n, err := c.RevokeAll(ctx)
	if err = errors.Join(err, c.Revoke(ctx, "s1"), c.EndLeave(ctx, "s1", "files", "write"), c.Pause(ctx), c.Resume(ctx)); err != nil || n != 2 {
		t.Errorf("verbs: %d, %v", n, err)
	}
	if want := []string{"doctor", "add ci", "rotate dbk_1", "delete dbk_1", "unblock s1", "revoke all", "revoke s1", "end leave s1 files write", "pause", "resume"}; !slices.Equal(r.backend.told, want) {
		t.Errorf("the app was told %v, want %v", r.backend.told, want)
	}
	for _, id := range []string{"none", "..", "../pause", "a/b?c#d", "\x1b[2J", strings.Repeat("x", 2000)} {
		err := c.Revoke(ctx, id)
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "`drawbridge sessions`") || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("Revoke(%.20q): %v", id, err)
		}
	}
	if err := c.EndLeave(ctx, "s2", "files", "\x1b[2J"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "`drawbridge sessions --json`") || strings.ContainsRune(err.Error(), 0x1b) {
		t.Errorf("a leave that is none: %v", err)
	}
	r.backend.fail = errors.New("The disk is full: make room on it.")
	if err := c.Pause(ctx); err == nil || err.Error() != r.backend.fail.Error() {
		t.Error("a failing verb:", err)
	}
}

func TestControlFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, dir)
	path := filepath.Join(dir, "control.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 { // which has no such bits
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	if a, err := readFile(path); err != nil || a.PID != os.Getpid() || a.Version != "1.0.0" || a.URL != first.URL() || len(a.Key) != 43 {
		t.Errorf("%+v, %v", a, err)
	}
	if want := first.URL() + "/#key=" + first.key; first.ConsoleURL() != want {
		t.Errorf("console at %s, want %s", first.ConsoleURL(), want)
	}

	second := start(t, dir)
	if second.key == first.key {
		t.Error("two starts have one key")
	}
	if err := first.Close(t.Context()); err != nil {
		t.Error(err)
	}
	dial(t, dir) // the first left the second's file alone
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Dial(dir); !errors.Is(err, ErrNotRunning) {
		t.Error("after Close:", err)
	}
}

// What another program or a web page on this machine may try.
func TestAttacks(t *testing.T) {
	r := start(t, t.TempDir())
	other := start(t, t.TempDir())
	_, port, _ := strings.Cut(r.addr, ":")
	for _, c := range []struct {
		name, method, path string
		header             map[string]string // Host, and Key in place of Authorization
		want               int
	}{
		{"its own commands", "GET", "/api/status", map[string]string{"Key": r.key}, 200},
		{"localhost as a name", "GET", "/api/status", map[string]string{"Key": r.key, "Host": "localhost:" + port}, 200},
		{"its own page", "POST", "/api/pause", map[string]string{"Key": r.key, "Origin": r.URL(), "Sec-Fetch-Site": "same-origin"}, 200},
		{"no key", "GET", "/api/status", nil, 401},
		{"no key on a verb", "POST", "/api/revoke-all", nil, 401},
		{"no key on a leave", "POST", "/api/end-leave", nil, 401},
		{"no leave named", "POST", "/api/end-leave", map[string]string{"Key": r.key}, 400},
		{"no key on an unknown path", "GET", "/api/secret", nil, 401},
		{"no key on the figures", "GET", "/metrics", nil, 401},
		{"an empty key", "GET", "/api/status", map[string]string{"Key": ""}, 401},
		{"a wrong key", "GET", "/api/status", map[string]string{"Key": strings.Repeat("A", 43)}, 401},
		{"the beginning of the key", "GET", "/api/status", map[string]string{"Key": r.key[:42]}, 401},
		{"the key of another run", "GET", "/api/status", map[string]string{"Key": other.key}, 401},
		{"the key in the query", "GET", "/api/status?key=" + r.key, nil, 401},
		{"the key as basic", "GET", "/api/status", map[string]string{"Authorization": "Basic " + r.key}, 401},
		{"a rebound name", "GET", "/api/status", map[string]string{"Key": r.key, "Host": "evil.example:" + port}, 403},
		{"a rebound name without a key", "GET", "/", map[string]string{"Host": "evil.example:" + port}, 403},
		{"a rebound name asking for the proof", "GET", "/prove?nonce=" + strings.Repeat("A", 43), map[string]string{"Host": "evil.example"}, 403},
		{"a name without a port", "GET", "/api/status", map[string]string{"Key": r.key, "Host": "127.0.0.1"}, 403},
		{"a name with another port", "GET", "/api/status", map[string]string{"Key": r.key, "Host": other.addr}, 403},
		{"a name that begins like ours", "GET", "/", map[string]string{"Host": "localhost.evil.example:" + port}, 403},
		{"a foreign origin", "POST", "/api/revoke-all", map[string]string{"Key": r.key, "Origin": "https://evil.example"}, 403},
		{"the origin of another port", "POST", "/api/revoke-all", map[string]string{"Key": r.key, "Origin": other.URL()}, 403},
		{"the origin null", "POST", "/api/revoke-all", map[string]string{"Key": r.key, "Origin": "null"}, 403},
		{"our origin with https", "POST", "/api/pause", map[string]string{"Key": r.key, "Origin": "https://" + r.addr}, 403},
		{"the way back from the provider", "GET", "/setup?step=try", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200}, // a page that holds nothing
		{"the way back in a frame", "GET", "/setup?step=try", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"the way back by a script", "GET", "/setup?step=try", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		{"the way back of somebody else", "GET", "/setup?step=try", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"a mounted server's answer", "GET", SignInPath + "x?state=s", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"a mounted server's answer in a frame", "GET", SignInPath + "x?state=s", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"a mounted server's answer as a picture", "GET", SignInPath + "x?state=s", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		{"a mounted server's answer, posted", "POST", SignInPath + "x?state=s", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"a sign-in without a key", "POST", "/api/server/sign-in", nil, 401},
		{"another place from another site", "GET", "/setup?step=tunnel", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"a cross-site link", "GET", "/", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a cross-site request with the key", "GET", "/api/events", map[string]string{"Key": r.key, "Sec-Fetch-Site": "cross-site"}, 403},
		{"a page on another port", "GET", "/api/events", map[string]string{"Key": r.key, "Sec-Fetch-Site": "same-site"}, 403},
		{"a preflight", "OPTIONS", "/api/pause", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 403},
		{"a verb by GET", "GET", "/api/revoke-all", map[string]string{"Key": r.key}, 405},
		{"a verb in an override", "GET", "/api/pause", map[string]string{"Key": r.key, "X-HTTP-Method-Override": "POST"}, 405},
		{"a short nonce", "GET", "/prove?nonce=a", nil, 400},
		{"headers of 64 KB", "GET", "/", map[string]string{"X-Long": strings.Repeat("x", 64<<10)}, 431},
		{"a revocation of nothing", "POST", "/api/revoke", map[string]string{"Key": r.key}, 400},
		{"a start page", "GET", "/", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.backend.told = nil
			req, err := http.NewRequestWithContext(t.Context(), c.method, r.URL()+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				switch k {
				case "Host":
					req.Host = v
				case "Key":
					req.Header.Set("Authorization", "Bearer "+v)
				default:
					req.Header.Set(k, v)
				}
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.want {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, c.want, body)
			}
			if c.want != 200 && len(r.backend.told) > 0 {
				t.Errorf("the app was told %v", r.backend.told)
			}
			if c.want == 431 { // answered before any handler
				return
			}
			if strings.Contains(string(body)+fmt.Sprint(resp.Header), r.key) {
				t.Error("the answer holds the key")
			}
			for k := range resp.Header {
				if strings.HasPrefix(k, "Access-Control-") {
					t.Errorf("the answer holds %s", k)
				}
			}
			for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
				if resp.Header.Get(k) != want {
					t.Errorf("%s: %q, want %q", k, resp.Header.Get(k), want)
				}
			}
			if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Error("the answer may be framed")
			}
			if page := string(body) == "a page"; page != (c.want == 200 && (c.path == "/" || strings.HasPrefix(c.path, "/setup"))) {
				t.Errorf("answered by the console: %v", page)
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	r := start(t, t.TempDir())
	body := strings.NewReader(`{"id":"` + strings.Repeat("s", 20<<20) + `"}`)
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.URL()+"/api/revoke", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return // cut off while it sent
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("20 MB: status %d", resp.StatusCode)
	}
}

// A stream begins with what there is, goes on with what comes, and has each
// event once.
func TestFollow(t *testing.T) {
	const before, n = 200, 10_000
	r := start(t, t.TempDir())
	c := dial(t, r.dir)
	publish := func(i int) {
		ev := status.Event{Type: status.ToolCalled, Reason: fmt.Sprint(i)}
		if i%3 == 0 {
			ev.Type = status.ClientRefused
		}
		prepared := r.board.Prepare(ev)
		r.board.Publish(&prepared)
	}
	for i := range before {
		publish(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next, last := 0, ""
	var flood sync.Once
	err := c.Follow(ctx, func(ev status.Event) error {
		flood.Do(func() {
			go func() {
				for i := before; i < n; i++ {
					publish(i)
				}
			}()
		})
		if ev.Reason != fmt.Sprint(next) || ev.ID == last {
			return fmt.Errorf("event %s, want %d", ev.Reason, next)
		}
		if next++; next == n {
			cancel()
		}
		last = ev.ID
		return nil
	})
	if err != nil || next != n {
		t.Errorf("%d of %d events, %v", next, n, err)
	}
	want := errors.New("enough")
	if err := c.Follow(t.Context(), func(status.Event) error { return want }); err != want {
		t.Errorf("fn's error: %v", err)
	}
}

// The server stops at once although somebody follows, and says so.
func TestFollowEndsWithTheServer(t *testing.T) {
	r := start(t, t.TempDir())
	c := dial(t, r.dir)
	r.board.Publish(&status.Event{Type: status.TunnelUp})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	closed := make(chan error, 1)
	err := c.Follow(ctx, func(status.Event) error {
		go func() { closed <- r.Close(ctx) }()
		return nil
	})
	if !errors.Is(err, ErrNotRunning) {
		t.Error("Follow:", err)
	}
	if err := <-closed; err != nil {
		t.Error("Close:", err)
	}
}

// What Prometheus reads is not worth a Drawbridge that does not start.
func TestStartsWithoutFilesForPrometheus(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, targetFile, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}
