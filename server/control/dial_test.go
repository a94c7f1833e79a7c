package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// thief answers at the port that a killed Drawbridge had, and keeps what it is
// told.
func thief(t *testing.T, answer http.HandlerFunc) (url string, heard func() string) {
	var mu sync.Mutex
	var all strings.Builder
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		fmt.Fprintln(&all, r.URL.Path, r.Header)
		mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

const staleKey = "stale-key-of-a-run-that-was-killed-aaaaaaaa"

func writeStale(t *testing.T, url string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := writeFile(filepath.Join(dir, fileName), address{url, staleKey, 999999, "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// After kill -9 control.json names a port that nobody or somebody else has.
func TestStaleFile(t *testing.T) {
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	genuine := start(t, t.TempDir())
	relay := func(w http.ResponseWriter, r *http.Request) { // asks a real server, which has another key
		resp, err := http.Get(genuine.URL() + r.URL.RequestURI())
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		resp.Write(w)
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc // nil: nobody listens
	}{
		{"nobody", nil},
		{"a web server", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }},
		{"one that fails", http.NotFound},
		{"one that redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/prove", http.StatusFound) }},
		{"one that asks for the key", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(401)
		}},
		{"one that makes up a proof", func(w http.ResponseWriter, r *http.Request) {
			reply(w, map[string]string{"proof": proof("guess", r.Host, r.URL.Query().Get("nonce"))})
		}},
		{"one that gives the nonce back", func(w http.ResponseWriter, r *http.Request) {
			reply(w, map[string]string{"proof": r.URL.Query().Get("nonce")})
		}},
		{"one that asks another Drawbridge", relay},
		{"one that sends without end", func(w http.ResponseWriter, r *http.Request) {
			for range 10_000 {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, heard := "http://"+free.Addr().String(), func() string { return "" }
			if c.answer != nil {
				url, heard = thief(t, c.answer)
			}
			dir := writeStale(t, url)
			_, err := Dial(dir)
			if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "Start it with `drawbridge run`.") || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(heard(), staleKey) || strings.Contains(heard(), "Authorization") {
				t.Errorf("the key was given away: %s", heard())
			}
		})
	}
}

// The proof must come from the address that was asked: one whose key is right
// but who got the proof from elsewhere can't pass it on.
func TestProofIsBoundToTheAddress(t *testing.T) {
	genuine := start(t, t.TempDir())
	url, heard := thief(t, func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]string{"proof": proof(genuine.key, genuine.addr, r.URL.Query().Get("nonce"))})
	})
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, fileName), address{url, genuine.key, 1, "1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(dir); !errors.Is(err, ErrNotRunning) || strings.Contains(heard(), genuine.key) {
		t.Errorf("got %v; heard %s", err, heard())
	}
}

// The port changes hands after Dial: a later connection asks for proof again.
func TestPortTakenAfterDial(t *testing.T) {
	r := start(t, t.TempDir())
	c := dial(t, r.dir)
	if _, err := c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.http.Close()
	<-r.served
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Error("nobody there:", err)
	}
	l, err := net.Listen("tcp4", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case heard <- r.Header.Get("Authorization"):
		default:
		}
	})}
	go s.Serve(l)
	defer s.Close()
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Error("somebody else there:", err)
	}
	if got := <-heard; got != "" {
		t.Errorf("the key was given away: %s", got)
	}
}

// One that takes connections and says nothing: an answer in time.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &Client{addr: l.Addr().String(), key: staleKey}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.connect(ctx, "", ""); !strings.Contains(fmt.Sprint(c.explain(err)), "does not answer") {
		t.Errorf("got %v", c.explain(err))
	}
}

func TestUnusableFiles(t *testing.T) {
	if _, err := Dial(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNotRunning) {
		t.Error("no folder:", err)
	}
	for _, content := range []string{"", "{", "{}", `{"url":"http://evil.example:80","key":"k"}`, `{"url":"http://127.0.0.1:80@evil.example","key":"k"}`,
		`{"url":"http://127.0.0.1:1/x","key":"k"}`, `{"url":"http://127.0.0.1:1"}`} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Dial(dir); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
			t.Errorf("%q: %v", content, err)
		}
	}
	// A folder in the file's place can't be read by anybody, root included.
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(dir); err == nil || !strings.Contains(err.Error(), "can't be read") {
		t.Error("a folder:", err)
	}
}
