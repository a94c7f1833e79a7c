package server

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// serving is one configuration that is being served, as far as that has come.
// The facade talks to the one of the moment.
type serving struct {
	app      *app
	listener *listener
	public   *tunnel.Public
	ctx      context.Context // ends with the app, or when end is called
	end      context.CancelFunc
	answers  atomic.Pointer[handlers]

	mu      sync.Mutex // guards all below
	cfg     config.Config
	parts   *parts // nil until the keychain is open and the address known
	problem string // why the keychain is not open, and what to do
}

// newServing has l answer for cfg from now on: nothing but that it is not
// ready, before [serving.serve].
func newServing(a *app, cfg config.Config, l *listener) *serving {
	v := &serving{app: a, cfg: cfg, listener: l}
	v.ctx, v.end = context.WithCancel(a.streams)
	v.public = tunnel.NewPublic(tunnel.PublicOptions{URL: publicURL(cfg, l.local), Expected: cfg.TunnelProvider(false) == config.TunnelNgrok,
		Remember: a.remember, Record: a.record, Wake: a.board.Wake, HTTP: a.opts.Front, Network: a.opts.network(cfg.Network), Now: a.opts.Now, Log: a.opts.Log})
	v.close()
	l.lead(v.public.Wrap(trusted(cfg.Tunnel.TrustedProxies).wrap(func(w http.ResponseWriter, r *http.Request) {
		answer(v.answers.Load().local, w, r)
	})))
	return v
}

// serve serves the configuration until v.ctx ends. While the keychain is locked
// or away it waits, says so, and tries again; it returns what waiting can't mend.
func (v *serving) serve() error {
	if err := v.unlock(); err != nil || v.ctx.Err() != nil {
		return err
	}
	var tunnel sync.WaitGroup
	tunnel.Go(func() { v.public.Run(v.ctx) })
	defer tunnel.Wait()
	defer v.end()
	select { // the first address of all comes from the tunnel
	case <-v.ctx.Done():
		return nil
	case <-v.public.Known():
	}
	p, err := v.app.build(v.config(), v.public.URL(), v.listener.local, v.health)
	if err != nil {
		return err
	}
	v.open(p)
	p.run(v.ctx)
	if v.app.stopping() { // who is being answered gets the answer
		v.listener.drain()
		tunnel.Wait()
	}
	v.close()
	p.close()
	return nil
}

// unlock opens the keychain, the state file, and learns what the address is.
func (v *serving) unlock() error {
	a, said := v.app, ""
	for {
		err := a.unlock(v.ctx)
		if err == nil {
			err = v.settle()
		}
		if err == nil || v.ctx.Err() != nil {
			v.setProblem("")
			return nil
		}
		if a.opts.Unusable == nil && !keystore.IsKind(err, keystore.Locked) && !keystore.IsKind(err, keystore.Unavailable) {
			return err // else somebody is in Setup, where they read it
		}
		v.setProblem(err.Error())
		if said != err.Error() {
			said = err.Error()
			a.opts.Log.Warn("waiting for the keychain", "cause", said)
			a.board.Wake()
		}
		select {
		case <-v.ctx.Done():
		case <-a.retry:
		case <-time.After(5 * time.Second):
		}
	}
}

func (v *serving) setProblem(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problem = text
}

// open lets requests in.
func (v *serving) open(p *parts) {
	v.mu.Lock()
	v.parts = p
	v.mu.Unlock()
	v.answers.Store(&p.handlers)
	v.app.board.Wake()
	v.app.opts.Log.Info("ready", "mcp_url", p.mcpURL(), "local_url", v.listener.local)
}

// close has everybody told that nothing is served.
func (v *serving) close() {
	v.mu.Lock()
	v.parts = nil
	v.mu.Unlock()
	h := http.HandlerFunc(v.notReady)
	v.answers.Store(&handlers{h, h})
}

// config is the configuration of the moment: what needs no new start may change.
func (v *serving) config() config.Config {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cfg
}

// running is what answers now, or nil.
func (v *serving) running() *parts {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.parts
}

// adjust takes over what may change while cfg is served.
func (v *serving) adjust(cfg config.Config) error {
	v.mu.Lock()
	v.cfg = cfg
	p := v.parts
	v.mu.Unlock()
	if p == nil {
		return nil
	}
	p.endpoints.Adjust(cfg)
	err := p.grants.SetAccess(accessList(cfg.Access)) // their sign-ins under way end, too
	p.signIns.SetAccess(accessList(cfg.Access))
	return err
}

// answer hands a request to whatever answers now.
func answer(h http.Handler, w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		// There may have been a Content-Length besides, which net/http drops
		// without a trace: then the connection must end (RFC 9112 §6.1).
		w.Header().Set("Connection", "close")
	}
	h.ServeHTTP(w, r)
}

// why is what keeps Drawbridge from serving, and what to do; "" if nothing does.
func (v *serving) why() string {
	if v.app.stopping() {
		return "Drawbridge is stopping."
	}
	v.mu.Lock()
	problem := v.problem
	v.mu.Unlock()
	if st, _ := v.public.Status(); problem == "" && v.public.URL() == "" && st.State == tunnel.Down {
		problem = "there is no address yet, since the tunnel is down: " + st.Error
	}
	return problem
}

// state is the app in one word, and a sentence fit for strangers if it is not
// ready.
func (v *serving) state() (status.State, string) {
	ready, paused := v.running() != nil, v.app.paused.Load()
	switch {
	case v.app.stopping():
		return status.Error, v.why()
	case !ready && v.why() != "":
		return status.Error, "Drawbridge can't open its keychain. Its owner can see more in its status."
	case !ready && !(paused && v.app.unlocked() != nil):
		return status.Starting, "Drawbridge is starting."
	case paused:
		return status.Paused, "The owner has paused Drawbridge."
	}
	return status.Ready, ""
}

// health answers 200 while tools can be called, else 503 and why.
func (v *serving) health(w http.ResponseWriter, r *http.Request) {
	if st, reason := v.state(); st != status.Ready {
		w.Header().Set("Retry-After", "10")
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": string(st), "reason": reason})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// notReady answers while the keychain has not been opened.
func (v *serving) notReady(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		w.Header().Set("Retry-After", "5")
		v.health(w, r)
		return
	}
	v.app.timeline.Saw(r, timeline.Facts{What: timeline.NotReady})
	notServing(w, r)
}
