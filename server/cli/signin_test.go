package cli

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// signIns is an instance with a server where somebody can sign in.
type signIns struct {
	backend
	mu     sync.Mutex // guards all below
	signIn status.SignIn
	begun  chan struct{}
	answer string
}

func (b *signIns) Status() status.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return status.Status{State: status.Ready, Servers: []status.Server{{Name: "notes", State: "failed", Error: "wants a sign-in", SignIn: b.signIn}}}
}

func (b *signIns) SignInServer(_ context.Context, name string) (string, error) {
	b.begun <- struct{}{}
	return "https://notes.example.com/authorize?state=s", nil
}

func (b *signIns) FinishSignIn(_ context.Context, name, answer string) error {
	if !strings.Contains(answer, "code=") {
		return errors.New("That is not the address that the browser ended at.")
	}
	b.done(answer)
	return nil
}

func (b *signIns) done(answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer, b.signIn = answer, status.SignIn{State: status.SignInOK, As: status.AsOwner, Account: "ana@notes", Since: time.Now()}
}

func (b *signIns) SignOutServer(_ context.Context, name string) error {
	if name != "notes" {
		return control.ErrNotFound
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signIn = status.SignIn{State: status.SignInNeeded}
	return nil
}

func TestServerSignIn(t *testing.T) {
	t.Setenv("DISPLAY", "") // so that no browser opens
	t.Setenv("WAYLAND_DISPLAY", "")
	h, b := newHome(t), &signIns{begun: make(chan struct{}, 8), signIn: status.SignIn{State: status.SignInNeeded}}
	s, err := control.Listen(h.data, "1.0.0", b, noConsole{}, status.NewBoard(time.Now), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())

	// The browser is on another computer: what it ends at is pasted.
	h.in = strings.NewReader("http://127.0.0.1:1/server-sign-in/x?error=access_denied\n")
	if err := (serverSignIn{Name: "notes", Code: true}).Run(&h.app); err == nil || !strings.Contains(err.Error(), "not the address") {
		t.Errorf("an answer without a code: %v", err)
	}
	h.printed.take()
	h.in = strings.NewReader("http://127.0.0.1:1/server-sign-in/x?code=secretcode&state=s\n")
	got := h.run(t, serverSignIn{Name: "notes", Code: true})
	if lines := strings.Split(got, "\n"); lines[0] != "https://notes.example.com/authorize?state=s" || !strings.Contains(got, "Signed in: notes, ana@notes.") || strings.Contains(got, "secretcode") {
		t.Errorf("printed %q", got)
	}
	if !strings.HasPrefix(b.answer, "http://127.0.0.1:1/server-sign-in/x?code=secretcode&state=s") {
		t.Errorf("the instance got %q", b.answer)
	}
	if got := h.run(t, serverList{}); !strings.Contains(got, "signed in as ana@notes") {
		t.Errorf("list: %q", got)
	}

	if runtime.GOOS == "windows" {
		return // a browser would open
	}
	// It is on this one: the command waits for it, though there is a sign-in already.
	for len(b.begun) > 0 {
		<-b.begun
	}
	go func() {
		<-b.begun
		b.done("")
	}()
	if got := h.run(t, serverSignIn{Name: "notes"}); !strings.Contains(got, "authorize?state=s\n") || !strings.Contains(got, "server sign-in notes --code") || !strings.Contains(got, "Signed in") {
		t.Errorf("printed %q", got)
	}
	if got := h.run(t, serverSignIn{Name: "notes", asJSON: asJSON{true}}); !strings.Contains(got, `"url": "https://notes.example.com/authorize?state=s"`) {
		t.Errorf("as JSON: %q", got)
	}
	if got := h.run(t, serverSignOut{Name: "notes"}); !strings.HasPrefix(got, "Signed out at notes.") {
		t.Errorf("sign-out: %q", got)
	}
	for _, c := range []runner{serverSignIn{Name: "nowhere"}, serverSignOut{Name: "nowhere"}} {
		if err := c.Run(&h.app); err == nil || !strings.Contains(err.Error(), "there is no server nowhere") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
