//go:build unix

package mount

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// A restart while what the server offers is being read after another: that reading
// comes to nothing, and one more is made.
func TestRestartWhileItIsRead(t *testing.T) {
	s := newHTTPServer(t, false)
	var hold atomic.Bool
	held := make(chan string, 8)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if hold.Load() && bytes.Contains(body, []byte(`"tools/list"`)) {
			held <- "held"
			<-r.Context().Done()
			return
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close) // after whoever listens to it
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{{Name: "x", URL: front.URL}})
	if _, err := r.Catalog(within(t), "x", Client{}, Needed); err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	if err := r.Restart("x"); err != nil {
		t.Fatal(err)
	}
	next(t, held)
	hold.Store(false)
	if err := r.Restart("x"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is read again", func() bool { return r.Status()[0].State == "ok" })
}

// One person's process crashes while another's begins: whoever has to wait for
// the next start is told why, though the server is well by then.
func TestCrashBesideAStart(t *testing.T) {
	tune := quick
	tune.firstPause, tune.maxPause = time.Hour, time.Hour
	r := newRig(t, tune, Options{})
	r.Apply([]config.Server{own("x")})
	client := r.client("ana")
	s, err := r.find("x")
	if err != nil {
		t.Fatal(err)
	}
	s.failed(&failure{text: "crashed.", kind: crashed})
	s.recovered(false)
	_, err = r.Call(within(t), "x", client, "tools/call", json.RawMessage(`{"name":"params"}`), nil)
	var told *Error
	if !errors.As(err, &told) || told.Message != "x crashed." {
		t.Errorf("told %v", err)
	}
}
