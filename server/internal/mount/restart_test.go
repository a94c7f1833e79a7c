//go:build unix

package mount

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

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
