//go:build unix

package mount

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
)

func TestNoise(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x"), own("y")})
	r.mustTool("ana", "noise", strings.Repeat("\x1b[31mé", 1000), 1500, nil)
	eventually(t, "all is read", func() bool { return strings.Contains(r.logs(), "\n1499 ") })
	lines, _ := r.Logs("x")
	size := 0
	for _, l := range lines {
		size += len(l.Text)
	}
	if len(lines) > ringLines || size > ringBytes || strings.Contains(lines[0].Text, "\x1b") {
		t.Errorf("%d lines, %d bytes", len(lines), size)
	}
	// A client that never reads, at a server that never stops.
	slow := &blocked{release: make(chan struct{})}
	done := make(chan error)
	go func() {
		_, err := r.tool(within(t), "ana", "flood", strings.Repeat("x", 1000), 5000, slow)
		done <- err
	}()
	if got := string(r.mustTool("ana", "echo", "hi", 0, nil)); got != `{"text":"hi"}` {
		t.Error(got)
	}
	close(slow.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := r.mustTool("ana", "big", "", 2<<20, nil); len(got) != 2<<20+len(`{"text":""}`) {
		t.Errorf("%d bytes", len(got))
	}
	_, err := r.tool(within(t), "ana", "big", "", maxMessage+1, nil)
	if err == nil || !strings.Contains(err.Error(), "more than 16 MiB") {
		t.Errorf("it handles an answer that is too big: %v", err)
	}
	r.pid("ana") // which is well
}

// It handles a server that writes to stderr without end: that is slowed down and
// counted, which the log says.
func TestFloodOfNotes(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	r.mustTool("ana", "noise", strings.Repeat("x", 4000), 4000, nil) // 16 MB
	eventually(t, "it is said", func() bool { return strings.Contains(r.logs(), "more to stderr than is kept") })
	if got := string(r.mustTool("ana", "echo", "hi", 0, nil)); got != `{"text":"hi"}` {
		t.Error(got)
	}
}

type blocked struct {
	nobody
	release chan struct{}
}

func (b *blocked) Notify(string, json.RawMessage) { <-b.release }

func TestEndlessJunk(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x", "endless"), own("y")})
	eventually(t, "it is given up", func() bool { return strings.Contains(r.state().Error, "without end") })
	if _, err := r.Call(within(t), "y", r.client("ana"), "tools/call", json.RawMessage(`{"name":"echo"}`), nil); err != nil {
		t.Errorf("another server: %v", err)
	}
}

func TestDeaf(t *testing.T) {
	tune := quick
	tune.grace = process.Grace{EOF: 20 * time.Millisecond, Term: 20 * time.Millisecond}
	r := newRig(t, tune, Options{})
	conf := own("x")
	conf.Timeout = 3 * time.Second
	r.Apply([]config.Server{conf})
	bob := r.pid("bob")
	ana := r.pid("ana")
	_, _ = r.tool(within(t), "ana", "deaf", "", 0, nil)
	big := strings.Repeat("x", 90_000)
	full := false
	for range 4 {
		_, err := r.tool(within(t), "ana", "echo", big, 0, nil)
		if err == nil {
			t.Fatal("it answered")
		}
		full = full || strings.Contains(err.Error(), "does not read")
	}
	if !full {
		t.Error("more waits for it than may")
	}
	if r.pid("bob") != bob {
		t.Error("bob's process is another")
	}
	r.Close()
	gone(t, ana, bob)
}
