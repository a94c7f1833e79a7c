package control

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// control.json is written by whoever can write to the data folder, or by a
// crash. Whatever it holds, commands say what is wrong with it in a sentence,
// and speak to this machine alone.
func FuzzControlFile(f *testing.F) {
	dir := f.TempDir()
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { silent.Close() })
	go func() { // a program that took the port, and hangs up
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	f.Add([]byte(`{"url":"http://` + silent.Addr().String() + `","key":"k","pid":1,"version":"x"}`))
	f.Add([]byte(`{"url":"http://127.0.0.1:1@evil.example:80","key":"k"}`))
	f.Add([]byte(`{"url":"http://127.0.0.1:http\r\nX: y","key":"k"}`))
	f.Add([]byte(`{"url":"http://127.0.0.1:99999","key":""}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Dial(dir)
		if err == nil {
			t.Fatalf("somebody proved to have the key of %q: %v", data, c)
		}
		if s := err.Error(); !strings.Contains(s, dir) || strings.ContainsAny(s, "\r\n\x00") || strings.Contains(s, `"key"`) {
			t.Errorf("it says %q", s)
		}
	})
}

// idle notes what it was told to do.
type idle struct {
	Backend
	did string
}

func (b *idle) Status() status.Status                     { return status.Status{} }
func (b *idle) Snapshot() status.Snapshot                 { return status.Snapshot{} }
func (b *idle) Watch(context.Context) <-chan struct{}     { return nil }
func (b *idle) Clients() []status.Client                  { return nil }
func (b *idle) Revoke(_ context.Context, id string) error { b.did = "revoke"; return ErrNotFound }
func (b *idle) RevokeAll(context.Context) (int, error)    { b.did = "revoke all"; return 0, nil }
func (b *idle) Metrics(io.Writer)                         {}
func (b *idle) CopyState() (string, error)                { b.did = "backup"; return "", nil }
func (b *idle) Quit()                                     { b.did = "quit" }
func (b *idle) Pause(context.Context) error               { b.did = "pause"; return nil }
func (b *idle) Resume(context.Context) error              { b.did = "resume"; return nil }
func (b *idle) Retry()                                    { b.did = "retry" }
func (b *idle) AcceptURL(context.Context) (string, error) { b.did = "accept"; return "", nil }
func (b *idle) Doctor(context.Context) []status.Check     { return nil }

// Nothing happens without the key, by whatever path, header or body.
func FuzzAPI(f *testing.F) {
	b := &idle{}
	s, err := Listen(f.TempDir(), "fuzz", b, &fakeConsole{}, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close(context.Background()) })
	f.Add("POST", "/api/revoke", "Bearer KEY", []byte(`{"id":"x"}`), "", "")
	f.Add("POST", "/api/revoke-all", "Bearer key", []byte(``), "", "none")
	f.Add("POST", "//api/pause", "Bearer ", []byte(`{}`), "http://evil.example", "cross-site")
	f.Add("GET", "/prove?nonce=0123456789012345678901234567890123456789abc", "", []byte(nil), "null", "")
	f.Add("POST", "/api/revoke", "Bearer KEY", []byte(`{"id":{"a":[`+strings.Repeat("[", 3000)), "", "")
	f.Fuzz(func(t *testing.T, method, path, authorization string, body []byte, origin, site string) {
		r, err := http.NewRequest(method, s.URL()+path, strings.NewReader(string(body)))
		if err != nil || strings.HasPrefix(r.URL.Path, "/api/events") {
			return
		}
		r.Host, r.RequestURI = s.addr, path
		authorization = strings.ReplaceAll(authorization, "KEY", s.key)
		for name, value := range map[string]string{"Authorization": authorization, "Origin": origin, "Sec-Fetch-Site": site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		b.did = ""
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("answered %d: %s", w.Code, w.Body)
		}
		if b.did != "" && (authorization != "Bearer "+s.key || origin != "" && origin != s.URL() && origin != "http://localhost:"+s.addr[len("127.0.0.1:"):]) {
			t.Errorf("%s %s did %q with %q from %q", method, path, b.did, authorization, origin)
		}
		if strings.Contains(w.Body.String(), s.key) {
			t.Error("the key is in an answer")
		}
	})
}
