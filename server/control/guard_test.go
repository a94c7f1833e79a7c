package control

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// timed keeps the deadline that an answer has.
type timed struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *timed) SetWriteDeadline(t time.Time) error { w.until = t; return nil }

// A copy of a large state file takes its time, and the client waits as long.
func TestTimeOfABackup(t *testing.T) {
	s := &Server{addr: "127.0.0.1:1", key: "key"}
	for path, least := range map[string]time.Duration{"/api/backup": 10 * answerTime, "/api/status": answerTime} {
		w, start := &timed{ResponseRecorder: httptest.NewRecorder()}, time.Now()
		r := httptest.NewRequest("POST", "http://127.0.0.1:1"+path, nil)
		s.guard(http.NotFoundHandler()).ServeHTTP(w, r)
		if got := w.until.Sub(start); got < least || got > least+answerTime {
			t.Errorf("%s may take %v, want %v", path, got, least)
		}
	}
}
