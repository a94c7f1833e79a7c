//go:build unix

package mount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
)

// exists reports whether a process does, and is no zombie.
func exists(pid int) bool {
	if runtime.GOOS == "linux" {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && !strings.Contains(string(stat), ") Z ")
	}
	return syscall.Kill(pid, 0) == nil
}

// parent is the parent of a process on Linux (proc_pid_stat(5)), or -1.
func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if err != nil || len(fields) < 2 {
		return -1
	}
	ppid, _ := strconv.Atoi(fields[1])
	return ppid
}

func gone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d ends", pid), func() bool { return !exists(pid) })
	}
}

func (r *rig) family(sub string) []int {
	var got struct{ Pids []int }
	if err := json.Unmarshal(r.mustTool(sub, "family", "", 0, nil), &got); err != nil || len(got.Pids) != 2 {
		r.t.Fatalf("no family: %v", err)
	}
	return append(got.Pids, r.pid(sub))
}

func TestConversationsAreApart(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	ana, bob := r.pid("ana"), r.pid("bob")
	if ana == bob || ana != r.pid("ana") {
		t.Errorf("ana %d, bob %d", ana, bob)
	}
	// Bob's log messages and questions are not ana's, even while she waits.
	l := &listener{}
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan struct{})
	go func() { defer close(done); _, _ = r.tool(ctx, "ana", "hang", "", 0, l) }()
	eventually(t, "the call hangs", func() bool { return strings.Contains(r.logs(), "hanging") })
	r.mustTool("bob", "progress", "", 0, nil)
	if _, err := r.tool(ctx, "bob", "ask", "sampling/createMessage", 0, nil); err != nil || l.all() != "" {
		t.Errorf("ana got %q, %v", l.all(), err)
	}
	r.Forget(func(s string) bool { return s == "s-bob" })
	gone(t, bob)
	if !exists(ana) {
		t.Error("ana's process ended with bob's")
	}
	cancel()
	<-done
}

func TestManyPeople(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	first := r.pid("p0")
	for i := 1; i <= maxConversations; i++ {
		r.pid("p" + strconv.Itoa(i))
	}
	gone(t, first)
	if running, each, _ := r.Processes(); running > each+1 { // and the one in which the catalog is read
		t.Errorf("%d processes", running)
	}
}

func TestStopsAll(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"close":      func(r *rig) { r.Close() },
		"switch off": func(r *rig) { r.Apply([]config.Server{{Name: "x", Off: true}}) },
		"remove":     func(r *rig) { r.Apply(nil) },
		"change":     func(r *rig) { r.Apply([]config.Server{own("x", "another")}) },
		"restart":    func(r *rig) { _ = r.Restart("x") },
		"crash":      func(r *rig) { _, _ = r.tool(context.Background(), "ana", "crash", "", 0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{own("x")})
			family := r.family("ana")
			calling := make(chan error, 1)
			go func() { _, err := r.tool(context.Background(), "ana", "hang", "", 0, nil); calling <- err }()
			eventually(t, "the call hangs", func() bool { return strings.Contains(r.logs(), "hanging") })
			end(r)
			var e *Error
			if err := <-calling; !errors.As(err, &e) {
				t.Errorf("the call in flight got %v", err)
			}
			gone(t, family...)
		})
	}
}

func TestStubborn(t *testing.T) {
	tune := quick
	tune.grace = process.Grace{EOF: 20 * time.Millisecond, Term: 20 * time.Millisecond}
	r := newRig(t, tune, Options{})
	r.Apply([]config.Server{own("x", "stubborn")})
	pid := r.pid("ana")
	r.Close()
	gone(t, pid)
}

func TestUnchangedAreNotTouched(t *testing.T) {
	r := newRig(t, quick, Options{})
	conf := own("x")
	r.Apply([]config.Server{conf})
	pid := r.pid("ana")
	conf.Ask, conf.HoldChanges, conf.Timeout, conf.Idle = []string{"*"}, true, time.Hour, time.Hour
	conf.Headers = map[string]string{}
	r.Apply([]config.Server{conf, own("y")})
	if again := r.pid("ana"); again != pid {
		t.Errorf("it was restarted")
	}
}

func TestIdle(t *testing.T) {
	r := newRig(t, quick, Options{})
	conf := own("x")
	r.Apply([]config.Server{conf})
	pid := r.pid("ana")
	if _, err := r.Catalog(within(t), "x", Client{}, Needed); err != nil {
		t.Fatal(err)
	}
	conf.Idle = time.Millisecond
	r.Apply([]config.Server{conf})
	gone(t, pid)
	if st := r.state(); st.State != "ok" || st.Tools != 2 {
		t.Errorf("state %+v", st)
	}
	// Unused for so long it would end in the middle of the next call, were that
	// not a use.
	if got := string(r.mustTool("ana", "hang", "", 300, nil)); got != `{"text":"late"}` {
		t.Error(got)
	}
	conf.Idle = -1
	r.Apply([]config.Server{conf})
	pid = r.pid("ana")
	one, _ := r.find("x")
	one.sweep(time.Now().Add(time.Hour))
	if again := r.pid("ana"); again != pid {
		t.Error("it was stopped although it never should be")
	}
}

func TestCrash(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	pid := r.pid("ana")
	_, err := r.tool(within(t), "ana", "crash", "", 0, nil)
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "exit status 4") {
		t.Errorf("the call got %v", err)
	}
	if again := r.pid("ana"); again == pid {
		t.Error("the same process?")
	}
	eventually(t, "it is well again", func() bool { return r.state().State == "ok" })
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) != 0 {
		t.Errorf("one crash is no failure: %+v", r.events)
	}
}

func TestCrashLoop(t *testing.T) {
	r := newRig(t, quick, Options{})
	starts := filepath.Join(t.TempDir(), "starts")
	r.Apply([]config.Server{own("x", "crash", "count="+starts)})
	count := func() int { b, _ := os.ReadFile(starts); return strings.Count(string(b), "\n") }
	eventually(t, "it goes on trying", func() bool { return count() > 8 })
	st := r.state()
	if st.State != "failed" || !strings.Contains(st.Error, "x ended by itself (exit status 3)") {
		t.Errorf("state %+v", st)
	}
	if !strings.Contains(r.logs(), "it crashes at once") {
		t.Errorf("log: %s", r.logs())
	}
	_, err := r.Catalog(within(t), "x", Client{}, Needed)
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("a catalog: %v", err)
	}
	if _, err = r.tool(within(t), "ana", "echo", "", 0, nil); !errors.As(err, &e) {
		t.Errorf("a call: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) != 1 || r.events[0].Type != "server.failed" || r.events[0].Outcome != "error" {
		t.Errorf("events: %+v", r.events)
	}
}

func TestCannotStart(t *testing.T) {
	missing := own("x")
	missing.Command = "no-such-program"
	folder := own("x")
	folder.Dir = "/no/such/folder"
	secret := own("x")
	secret.Env["T"] = "${keychain:T}"
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("\x7fnonsense"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken := config.Server{Name: "x", Command: script}
	for want, conf := range map[string]config.Server{
		"its program was not found":    missing,
		"its folder does not exist":    folder,
		"the keychain is locked":       secret,
		"could not be started. Its lo": broken,
	} {
		t.Run(want, func(t *testing.T) {
			r := newRig(t, quick, Options{Secret: func(context.Context, string, string) (string, error) {
				return "", errors.New("the keychain is locked. Unlock it")
			}})
			r.Apply([]config.Server{conf})
			_, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
			if st := r.state(); st.State != "failed" || !strings.Contains(st.Error, want) {
				t.Errorf("state %+v", st)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	for name, flags := range map[string][]string{
		"dies of the question":    {"die"},
		"ignores the question":    {"mute"},
		"prints a greeting":       {"junk"},
		"starts slowly":           {"slow=300ms"},
		"starts slowly, modern":   {"slow=300ms", "modern"},
		"prints a greeting, slow": {"junk", "slow=300ms", "modern"},
	} {
		t.Run(name, func(t *testing.T) {
			tune := quick
			tune.probe = 100 * time.Millisecond
			r := newRig(t, tune, Options{})
			starts := filepath.Join(t.TempDir(), "starts")
			r.Apply([]config.Server{own("x", append(flags, "count="+starts)...)})
			c, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil {
				t.Fatal(err)
			}
			if modern := strings.Contains(strings.Join(flags, " "), "modern"); modern != (c.Era.String() == "modern") {
				t.Errorf("era %v", c.Era)
			}
			r.pid("ana")
			r.pid("bob")
			b, _ := os.ReadFile(starts)
			if n := strings.Count(string(b), "\n"); n > 4 {
				t.Errorf("it was started %d times for two people", n)
			}
			if len(r.events) != 0 {
				t.Errorf("events: %+v", r.events)
			}
		})
	}
}
