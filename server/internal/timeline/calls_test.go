package timeline

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// The first calls of a session are looked at until one comes through, and
// again once something has failed. Only those of tools are counted.
func TestCalls(t *testing.T) {
	r := newRig()
	for _, f := range upTo(Issued) {
		r.see(f)
	}
	status := http.StatusBadRequest
	version := "2031-01-01"
	call := func() {
		if r.Connected("s1") {
			return
		}
		req := httptest.NewRequest("POST", "/mcp", nil)
		req.RemoteAddr = "160.79.104.10:1"
		req.Header.Set("MCP-Protocol-Version", version)
		w, _, done := r.Watch(httptest.NewRecorder(), req, Facts{Session: "s1", User: "ana@example.com"})
		defer done()
		w.WriteHeader(status)
	}
	call()
	if got := r.keys(); got != "call.version" {
		t.Fatalf("comes to %s", got)
	}
	status, version = http.StatusOK, "2026-07-28"
	for range 10 {
		call()
	}
	for range 3 {
		r.CalledTool("s1")
	}
	if a := r.Attempts()[0]; a.VerdictKey != "connected" || a.Calls != 3 {
		t.Errorf("%s after %d calls", a.VerdictKey, a.Calls)
	}
	r.see(Facts{What: CallExpired, Session: "s1"})
	if r.Connected("s1") {
		t.Error("calls need no look after a failure")
	}
	r.Ended("s1", "revoked by the owner")
	if got := r.keys(); got != "over" {
		t.Errorf("comes to %s", got)
	}
}

// A session of before this run is no attempt to connect.
func TestSessionFromBefore(t *testing.T) {
	r := newRig()
	for range 3 {
		if r.Connected("old") {
			continue
		}
		w, _, done := r.Watch(httptest.NewRecorder(), httptest.NewRequest("POST", "/mcp", nil), Facts{Session: "old"})
		w.WriteHeader(http.StatusAccepted)
		done()
	}
	if got := r.keys(); got != "" || !r.Connected("old") {
		t.Errorf("came to %q", got)
	}
	r.Ended("old", "")
	if r.Connected("old") || r.keys() != "" {
		t.Error("it lives on")
	}
}

func TestConcurrentUse(t *testing.T) {
	r := New(time.Now)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 60 {
				for _, f := range goodSteps {
					f.Flow, f.Session = f.Flow+fmt.Sprint(i), f.Session+fmt.Sprint(i)
					r.record(seen{Facts: f, at: time.Now(), remote: fmt.Sprintf("192.0.2.%d", j%200)})
				}
				r.Connected(fmt.Sprint("s1", i))
				r.Ended(fmt.Sprint("s1", i), "")
				for _, a := range r.Attempts()[:1] {
					_ = a.Outcome == status.OK
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkConnected is what the timeline costs a tool call.
func BenchmarkConnected(b *testing.B) {
	r := newRig()
	for _, f := range goodSteps {
		r.see(f)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !r.Connected("s1") {
			b.Fatal("not connected")
		}
	}
}
