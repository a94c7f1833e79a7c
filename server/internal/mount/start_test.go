//go:build unix

package mount

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/mount/process"
)

// hasty ends a process that does not listen soon.
var hasty = func() tuning {
	tune := quick
	tune.grace = process.Grace{EOF: 20 * time.Millisecond, Term: 20 * time.Millisecond}
	return tune
}()

// TestSlowStart has a server that needs longer than usual, and is allowed to.
func TestSlowStart(t *testing.T) {
	tune := hasty
	tune.open = 50 * time.Millisecond
	r := newRig(t, tune, Options{})
	conf := own("x", "slow=400ms")
	conf.Start = patient
	r.Apply([]config.Server{conf})
	if pid := r.pid("ana"); pid <= 0 {
		t.Error(pid)
	}
	conf.Start = 0
	r.Apply([]config.Server{own("x", "slow=10m")})
	_, err := r.tool(within(t), "ana", "echo", "", 0, nil)
	for _, want := range []string{"x did not finish starting within 50ms", "`start` in [server.x] of config.toml"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestStartingIsTold has a start that takes long: the status says for how long.
func TestStartingIsTold(t *testing.T) {
	var later atomic.Int64
	r := newRig(t, hasty, Options{Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	conf := own("x", "slow=10m")
	conf.Start = 5 * time.Minute
	r.Apply([]config.Server{conf})
	eventually(t, "it is started", func() bool {
		one, _ := r.find("x")
		one.mu.Lock()
		defer one.mu.Unlock()
		return !one.openingAt.IsZero()
	})
	if st := r.state(); st.State != "starting" || st.Error != "" {
		t.Errorf("at once: %+v", st)
	}
	later.Store(int64(70 * time.Second))
	if st := r.state(); st.State != "starting" || !strings.Contains(st.Error, "x is starting: for 1m1") || !strings.Contains(st.Error, "of the 5m0s that it may take") {
		t.Errorf("after 70 s: %+v", st)
	}
}

// TestLastWords has a server whose last line says why it ended: the owner reads
// it, clients don't, and no secret is in it.
func TestLastWords(t *testing.T) {
	r := newRig(t, quick, Options{Secret: func(context.Context, string, string) (string, error) { return "hunter2hunter2", nil }})
	conf := config.Server{Name: "x", Command: "/bin/sh", Args: []string{"-c", `echo "one"; echo "bad key $KEY" >&2; echo >&2; exit 7`}, Env: map[string]string{"KEY": "${keychain:K}"}}
	r.Apply([]config.Server{conf})
	eventually(t, "it is given up", func() bool { return r.state().State == "failed" })
	if st := r.state(); !strings.Contains(st.Error, "x ended by itself (exit status 7). Its log may say why. It last wrote: bad key [secret]") {
		t.Errorf("state %+v", st)
	}
	_, err := r.tool(within(t), "ana", "echo", "", 0, nil)
	var e *Error
	if !errors.As(err, &e) || strings.Contains(err.Error(), "bad key") {
		t.Errorf("the client reads %v", err)
	}
	if all := r.logs() + r.said(); strings.Contains(all, "hunter2") || !strings.Contains(r.logs(), "bad key [secret]") {
		t.Errorf("logs:\n%s", all)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		if strings.Contains(ev.Reason, "bad key") {
			t.Errorf("event %+v", ev)
		}
	}
}

// TestHowToMend has settings that can't work: the sentence says what to write.
func TestHowToMend(t *testing.T) {
	for name, c := range map[string]struct {
		conf config.Server
		want []string
	}{
		"arguments in command": {config.Server{Name: "x", Command: "npx -y server"}, []string{`holds arguments too`, `into "args"`}},
		"nowhere":              {config.Server{Name: "x", Command: "no-such-program"}, []string{"its program was not found", "Looked in ", "/usr/bin"}},
		"may not be run":       {config.Server{Name: "x", Command: "/etc/passwd"}, []string{"may not be run", "executable"}},
		"an unset variable":    {config.Server{Name: "x", Command: "sh", Args: []string{"${NOT_SET_ANYWHERE}"}, Env: map[string]string{"A": "${NOT_SET_ANYWHERE}"}}, []string{"NOT_SET_ANYWHERE", "${NOT_SET_ANYWHERE:-default}", "${keychain:NOT_SET_ANYWHERE}"}},
		"of a URL":             {config.Server{Name: "x", URL: "https://${NOT_SET_ANYWHERE}/mcp"}, []string{"NOT_SET_ANYWHERE", "which is not set"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, quick, Options{})
			r.Apply([]config.Server{c.conf})
			eventually(t, "it fails", func() bool { return r.state().State == "failed" })
			for _, want := range c.want {
				if st := r.state(); !strings.Contains(st.Error, want) {
					t.Errorf("got %s, without %s", st.Error, want)
				}
			}
		})
	}
}
