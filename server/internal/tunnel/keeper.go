package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options is what a [Keeper] is made of. All are required.
type Options struct {
	Provider Provider
	URL      string // to ask for; "" takes what the provider gives
	// Admit says whether a line to url may be used. Its error, an [*Error],
	// is why not.
	Admit func(url string) error
	// NewServer returns what serves one line: the keeper starts and stops it.
	NewServer func() *http.Server
	// Look looks at the app from outside, by its public URL.
	Look func(ctx context.Context) Finding
	// OnChange is called after each change, one at a time.
	OnChange func(State)
	// Network names this computer's addresses; nil asks the system.
	Network func() string
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	openTime  = 30 * time.Second // how long one attempt may take
	drainTime = 5 * time.Second  // how long requests may go on after the tunnel was closed
	doubtTime = 3 * time.Second  // how long an open line may take to prove itself after a sleep
)

// Keeper keeps one tunnel open. [Keeper.Run] does the work; the other methods
// may be called from anywhere.
type Keeper struct {
	opts   Options
	pacer  *rate.Limiter
	wake   chan struct{}  // holds one: orders have changed
	behind sync.WaitGroup // lines that are being closed

	mu     sync.Mutex // guards all below
	orders orders
	state  State

	changing sync.Mutex // held while OnChange runs, so that changes keep their order
}

// New returns a keeper that has not begun.
func New(o Options) *Keeper {
	return &Keeper{opts: o, wake: make(chan struct{}, 1), state: State{Name: Connecting, Since: o.Now()},
		// A line that is lost at once, again and again, is not opened faster.
		pacer: rate.NewLimiter(rate.Every(5*time.Second), 60)}
}

// State returns how the tunnel stands.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// Run keeps the tunnel open until ctx ends, and closes it then. It may be called
// once.
func (k *Keeper) Run(ctx context.Context) {
	sensing := k.sense(ctx)
	var b backoff
	for ctx.Err() == nil {
		if k.take().paused {
			k.set(State{Name: Paused})
			k.waitWhilePaused(ctx)
			b = backoff{}
			continue
		}
		k.set(State{Name: Connecting, Error: k.State().Error})
		line, err := k.open(ctx)
		if err == nil {
			err = k.serve(ctx, line) // nil: paused, or the end
			b.lost(k.opts.Now())
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		k.waitDown(ctx, err, b.next(err, k.opts.Now()))
	}
	k.set(State{Name: Off})
	k.behind.Wait()
	<-sensing
}

// open makes one attempt. A pause, or a network that has changed, ends it.
func (k *Keeper) open(ctx context.Context) (*Line, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	type opened struct {
		line *Line
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		line, err := k.opts.Provider.Open(ctx, k.opts.URL)
		done <- opened{line, err}
	}()
	for interrupted := false; ; {
		select {
		case <-k.wake:
			if (k.peek() != orders{}) {
				interrupted = true
				cancel()
			}
		case o := <-done:
			switch {
			case o.err != nil && interrupted:
				return nil, errInterrupted
			case o.err != nil && ctx.Err() != nil:
				return nil, &Error{Msg: fmt.Sprintf("%s does not answer", k.opts.Provider.Name()), Err: o.err}
			case o.err != nil:
				return nil, o.err
			}
			if err := k.opts.Admit(o.line.URL); err != nil {
				_ = o.line.Listener.Close()
				o.line.Hangup()
				return nil, err
			}
			return o.line, nil
		}
	}
}

// errInterrupted ends an attempt that something better comes after.
var errInterrupted = errors.New("the attempt was interrupted")

// serve serves an open line until it is lost, and returns why; nil if that was
// our own wish.
func (k *Keeper) serve(ctx context.Context, line *Line) error {
	srv := k.opts.NewServer()
	k.behind.Go(func() { _ = srv.Serve(line.Listener) })
	k.set(State{Name: Up, URL: line.URL})
	looking, stopLooking := context.WithCancel(ctx)
	defer stopLooking()
	k.behind.Go(func() { k.lookAround(looking, line.URL) })
	proof := make(chan error, 1)
	proving := false
	for {
		select {
		case <-ctx.Done():
			k.set(State{Name: Off})
			k.end(line, srv)
			return nil
		case err := <-line.Lost:
			line.Hangup()
			_ = srv.Close()
			return err
		case err := <-proof:
			if proving = false; err != nil {
				line.Hangup()
				_ = srv.Close()
				return err
			}
		case <-k.wake:
			o := k.take()
			if o.paused {
				k.set(State{Name: Paused})
				k.end(line, srv)
				return nil
			}
			if o.doubt && !proving {
				proving = true
				k.behind.Go(func() { proof <- k.prove(looking) })
			}
		}
	}
}

// prove looks whether visitors still come in by an open line.
func (k *Keeper) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, doubtTime)
	defer cancel()
	if f := k.opts.Look(ctx); !f.Arrived && context.Cause(ctx) != context.Canceled {
		return &Error{Msg: "the network has changed, or this computer has slept"}
	}
	return nil
}

// end closes a line in the orderly way: nobody new comes in, requests in progress
// may end. It returns once the address is free for another line.
func (k *Keeper) end(line *Line, srv *http.Server) {
	_ = line.Listener.Close()
	k.behind.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		_ = srv.Shutdown(ctx)
		line.Hangup() // before srv.Close, which would wait for visitors who don't read
		_ = srv.Close()
	})
}

// lookPauses are the times between looks from outside while they find something
// wrong: a new address takes a moment to be known everywhere.
var lookPauses = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute}

// lookAround looks from outside until all is well there.
func (k *Keeper) lookAround(ctx context.Context, url string) {
	for i := 0; ; i++ {
		f := k.opts.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		problem := ""
		if !f.OK && i > 0 { // the first may come too early
			problem = f.Sentence()
		}
		k.found(url, problem, f.Note)
		if f.OK {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookPauses[min(i, len(lookPauses)-1)]):
		}
	}
}

func (k *Keeper) waitWhilePaused(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		if !k.take().paused {
			return
		}
	}
}

// waitDown waits for the next attempt. Without a time for it, only the person
// can ask for one.
func (k *Keeper) waitDown(ctx context.Context, err error, pause time.Duration) {
	if errors.Is(err, errInterrupted) {
		return
	}
	st := State{Name: Down, Error: err.Error()}
	var timer <-chan time.Time
	if pause >= 0 {
		if r := k.pacer.Reserve(); r.OK() {
			pause = max(pause, r.Delay())
		}
		st.Next = k.opts.Now().Add(pause)
		timer = time.After(pause)
	}
	var e *Error
	if errors.As(err, &e) {
		k.opts.Log.Warn("tunnel down", "provider", k.opts.Provider.Name(), "reason", e.Msg, "code", e.Code, "next", pause.Round(time.Millisecond), "cause", e.Err)
	}
	k.set(st)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer:
			return
		case <-k.wake:
			if o := k.peek(); o.paused || o.retry || o.doubt && timer != nil {
				return
			}
		}
	}
}

// set makes st the state and tells.
func (k *Keeper) set(st State) {
	k.change(func(old State) State {
		st.Since = k.opts.Now()
		if st.Name == old.Name {
			st.Since = old.Since
		}
		return st
	})
}

// found adds to the state what a look from outside has found, unless the line
// is gone meanwhile.
func (k *Keeper) found(url, problem, note string) {
	k.change(func(st State) State {
		if st.Name == Up && st.URL == url {
			st.Error, st.Note = problem, note
		}
		return st
	})
}

// change tells of a state only if it differs from the last.
func (k *Keeper) change(next func(old State) State) {
	k.changing.Lock()
	defer k.changing.Unlock()
	k.mu.Lock()
	old := k.state
	k.state = next(old)
	st := k.state
	k.mu.Unlock()
	if st != old {
		k.opts.OnChange(st)
	}
}
