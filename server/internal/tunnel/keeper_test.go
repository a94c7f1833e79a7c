package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// fake is a provider whose lines are loopback listeners.
type fake struct {
	mu    sync.Mutex // guards all below
	fail  error      // of the next attempts
	url   string
	hang  bool // attempts last until they are given up
	opens int
	lost  chan error // of the latest line
}

func (f *fake) Name() string { return "fake" }

func (f *fake) Open(ctx context.Context, url string) (*Line, error) {
	f.mu.Lock()
	f.opens++
	fail, hang := f.fail, f.hang
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if fail != nil {
		return nil, fail
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = make(chan error, 1)
	return &Line{Listener: l, URL: f.url, Lost: f.lost, Hangup: func() { _ = l.Close() }}, nil
}

func (f *fake) change(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opens
}

type keeperRig struct {
	*Keeper
	*fake
	t *testing.T

	mu      sync.Mutex // guards all below
	ahead   time.Duration
	network string
	arrives bool // looks from outside come here
	states  []State
}

func startKeeper(t *testing.T, prepare func(*keeperRig)) *keeperRig {
	t.Helper()
	r := &keeperRig{t: t, fake: &fake{url: "https://a.example"}, network: "10.0.0.1", arrives: true}
	if prepare != nil {
		prepare(r)
	}
	r.Keeper = New(Options{Provider: r.fake, Admit: func(string) error { return nil },
		NewServer: func() *http.Server { return &http.Server{} },
		Look: func(context.Context) Finding {
			r.mu.Lock()
			defer r.mu.Unlock()
			return Finding{OK: r.arrives, Arrived: r.arrives, Result: "looked"}
		},
		OnChange: func(st State) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.states = append(r.states, st)
		},
		Network: func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.network
		},
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return time.Now().Add(r.ahead)
		}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if st := r.State(); st.Name != Off {
			t.Errorf("ended %+v", st)
		}
	})
	return r
}

// sensed changes what the sensors see.
func (r *keeperRig) sensed(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *keeperRig) wait(name string) State {
	r.t.Helper()
	return r.waitFor(name, func(st State) bool { return st.Name == name })
}

func (r *keeperRig) waitFor(what string, cond func(State) bool) State {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if st := r.State(); cond(st) {
			return st
		}
	}
	r.t.Fatalf("waited for %s, it is %+v", what, r.State())
	return State{}
}

func TestBackoffGrowsWithChance(t *testing.T) {
	var b backoff
	now := time.Now()
	b.lost(now)
	gone := &Error{Msg: "gone"}
	if p := b.next(gone, now); p > firstPause/5 {
		t.Errorf("a line that was open is tried again after %v", p)
	}
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000} {
		want *= time.Millisecond
		if p := b.next(gone, now); p < want/2 || p > want {
			t.Errorf("pause %d is %v, want %v to %v", i, p, want/2, want)
		}
	}
	seen := map[time.Duration]bool{}
	for range 20 {
		seen[b.next(gone, now)] = true
	}
	if len(seen) < 10 {
		t.Error("pauses are not left to chance")
	}
	taken := &Error{Fatal: true, Taken: true}
	for _, c := range []struct {
		name string
		err  error
		now  time.Time
		stop bool
	}{
		{"a fatal one", &Error{Fatal: true}, now, true},
		{"a wrapped fatal one", fmt.Errorf("open: %w", &Error{Fatal: true}), now, true},
		{"our own ghost", taken, now.Add(time.Minute), false},
		{"somebody else", taken, now.Add(time.Hour), true},
		{"any other", errors.New("x"), now, false},
	} {
		if p := b.next(c.err, c.now); (p < 0) != c.stop {
			t.Errorf("%s: %v", c.name, p)
		}
	}
}

// After a sleep, or on another network, nobody waits for the backoff.
func TestWakesAtOnce(t *testing.T) {
	for name, change := range map[string]func(*keeperRig){
		"after a sleep":      func(r *keeperRig) { r.ahead = time.Hour },
		"on another network": func(r *keeperRig) { r.network = "192.0.2.1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startKeeper(t, func(r *keeperRig) { r.fail = &Error{Msg: "away"} })
			r.waitFor("a long pause", func(st State) bool { return st.Name == Down && time.Until(st.Next) > 3*time.Second })
			r.fake.change(func(f *fake) { f.fail = nil })
			began := time.Now()
			r.sensed(func() { change(r) })
			r.wait(Up)
			if took := time.Since(began); took > senseEvery+time.Second {
				t.Errorf("open after %v", took)
			}
		})
	}
}

// An open line that is doubted stays if it is alive, and is replaced if not.
func TestDoubt(t *testing.T) {
	r := startKeeper(t, nil)
	r.wait(Up)
	opens := r.count()
	r.Doubt()
	r.Doubt()
	time.Sleep(50 * time.Millisecond) // nothing is to happen in it
	if r.count() != opens || r.State().Name != Up {
		t.Errorf("a living line was replaced: %d lines", r.count()-opens)
	}
	r.sensed(func() { r.arrives = false })
	r.Doubt()
	r.waitFor("another line", func(st State) bool { return r.count() > opens && st.Name == Up })
	r.sensed(func() { r.arrives = true })
}

// A fatal error is not tried again for a network's sake, only for a person's.
func TestFatalWaitsForThePerson(t *testing.T) {
	r := startKeeper(t, func(r *keeperRig) { r.fail = &Error{Code: "ERR_NGROK_105", Msg: "no", Fatal: true} })
	st := r.wait(Down)
	if !st.Next.IsZero() || st.Error != "no (ERR_NGROK_105)" {
		t.Errorf("%+v", st)
	}
	r.Doubt()
	time.Sleep(50 * time.Millisecond) // nothing is to happen in it
	if r.count() != 1 {
		t.Errorf("%d attempts", r.count())
	}
	r.fake.change(func(f *fake) { f.fail = nil })
	r.Retry()
	r.wait(Up)
}

// Pausing works at every moment, and so does resuming.
func TestPauseAtAnyMoment(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fake)
		state   string
	}{
		"while open":       {func(f *fake) {}, Up},
		"while connecting": {func(f *fake) { f.hang = true }, Connecting},
		"while down":       {func(f *fake) { f.fail = &Error{Msg: "away"} }, Down},
		"after a fatal":    {func(f *fake) { f.fail = &Error{Msg: "no", Fatal: true} }, Down},
	} {
		t.Run(name, func(t *testing.T) {
			r := startKeeper(t, func(r *keeperRig) { c.prepare(r.fake) })
			r.waitFor(c.state, func(st State) bool { return st.Name == c.state && (c.state != Connecting || r.count() > 0) })
			began := time.Now()
			r.Pause()
			r.wait(Paused)
			opens := r.count()
			r.Doubt()
			r.Retry()
			time.Sleep(50 * time.Millisecond) // nothing is to happen in it
			if r.count() != opens || r.State().Name != Paused {
				t.Errorf("%d attempts while paused, %s", r.count()-opens, r.State().Name)
			}
			r.fake.change(func(f *fake) { f.fail, f.hang = nil, false })
			r.Resume()
			r.wait(Up)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("paused and resumed in %v", took)
			}
		})
	}
}

// A line under another URL than the one that clients know is not used.
func TestAdmit(t *testing.T) {
	served := false
	p := &fake{url: "https://b.example"}
	k := New(Options{Provider: p, Admit: func(url string) error { return &Error{Msg: url, Fatal: true} },
		NewServer: func() *http.Server { served = true; return &http.Server{} }, Look: func(context.Context) Finding { return Finding{} },
		OnChange: func(State) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	_, err := k.open(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Msg != "https://b.example" || served {
		t.Errorf("%v, served: %t", err, served)
	}
}

// A look that ends when its line is gone leaves no trace.
func TestLateLook(t *testing.T) {
	r := startKeeper(t, nil)
	r.wait(Up)
	r.fake.change(func(f *fake) { f.fail = &Error{Msg: "away"}; f.lost <- &Error{Msg: "lost"} })
	r.wait(Down)
	r.found("https://a.example", "late", "late")
	if st := r.State(); st.Name == Up || st.Note != "" {
		t.Errorf("%+v", st)
	}
}
