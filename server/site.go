package server

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// site is Drawbridge as one configuration makes it: where it is served, and
// what answers there.
type site struct {
	app     *Server
	local   string  // http://ADDR of the door
	bridge  *bridge // the tunnel, and the address that clients know
	handler atomic.Pointer[handlers]

	mu   sync.Mutex // guards all below
	cfg  config.Config
	core *core // nil until the keychain is open and the address known
}

// newSite makes the site that d leads to from now on. It serves nothing before
// [site.run].
func (s *Server) newSite(cfg config.Config, d *door) *site {
	t := &site{app: s, cfg: cfg, local: d.local, bridge: newBridge(baseURL(cfg, d.local))}
	t.bridge.front.HTTP, t.bridge.front.Now = s.opts.Front, s.opts.Now
	t.setHandlers(t.notServing())
	d.lead(t.bridge.front.Wrap(trusted(cfg.Tunnel.TrustedProxies).wrap(t.serve)))
	return t
}

// baseURL is what clients see as far as the configuration tells: "" if only the
// tunnel can.
func baseURL(c config.Config, local string) string {
	switch ngrok := c.TunnelProvider(false) == config.TunnelNgrok; {
	case c.PublicURL != "":
		return c.PublicURL
	case ngrok && c.Tunnel.Domain != "":
		return "https://" + strings.ToLower(c.Tunnel.Domain)
	case ngrok:
		return ""
	}
	return local
}

// config is the configuration of the moment: what needs no new site may change.
func (t *site) config() config.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cfg
}

// running is the core, or nil.
func (t *site) running() *core {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.core
}

// run opens the keychain and everything behind it, and serves until ctx ends or
// the site is to be put up anew; then it puts up the next. While the keychain is
// locked or away the app runs on, says so, and tries again; what waiting can't
// mend ends it.
func (t *site) run(ctx context.Context) error {
	here, leave := context.WithCancel(ctx)
	defer leave()
	next := make(chan struct{})
	go func() {
		defer close(next)
		select {
		case <-here.Done():
		case <-t.app.rebuild:
			leave()
		}
	}()
	err := t.serveUntil(here)
	leave()
	<-next
	if err == nil && ctx.Err() == nil {
		t.app.replaceSite(t)
	}
	return err
}

// serveUntil serves until ctx ends.
func (t *site) serveUntil(ctx context.Context) error {
	if ok, err := t.open(ctx); !ok {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var tunnel sync.WaitGroup
	if k := t.bridge.running(); k != nil {
		tunnel.Go(func() { k.Run(ctx) })
	}
	defer tunnel.Wait()
	defer cancel()
	for {
		select { // the first address of all comes from the tunnel
		case <-ctx.Done():
			return nil
		case <-t.bridge.known:
		}
		if err := t.runCore(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// open returns false if ctx ends before the keychain opens, or with what
// waiting can't mend.
func (t *site) open(ctx context.Context) (bool, error) {
	s, said := t.app, ""
	for {
		err := s.unlock(ctx)
		if err == nil {
			err = t.prepareTunnel(ctx)
		}
		if err == nil {
			s.setProblem("")
			return true, nil
		}
		if ctx.Err() != nil {
			return false, nil
		}
		if s.opts.Unusable == nil && !keystore.IsKind(err, keystore.Locked) && !keystore.IsKind(err, keystore.Unavailable) {
			return false, err // else somebody is in Setup, where they read it
		}
		s.setProblem(err.Error())
		if said != err.Error() {
			said = err.Error()
			s.opts.Log.Warn("waiting for the keychain", "cause", said)
			s.board.Wake()
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-s.retry:
		case <-time.After(5 * time.Second):
		}
	}
}

// runCore serves under the address of now, until ctx ends or the person has
// accepted another.
func (t *site) runCore(ctx context.Context) error {
	s := t.app
	core, err := t.newCore(t.bridge.address())
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.core = core
	t.mu.Unlock()
	s.setProblem("")
	t.setHandlers(core.handlers)
	s.board.Wake()
	s.opts.Log.Info("ready", "mcp_url", core.base+mcpPath, "local_url", t.local)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		select {
		case <-running.Done():
		case <-t.bridge.rebuild:
		}
	}()
	core.run(running)
	if ctx.Err() == nil { // at the end requests still drain
		t.dropCore()
	}
	return nil
}

// dropCore ends the core: with the app, or since the address has changed.
func (t *site) dropCore() {
	t.setHandlers(t.notServing())
	t.mu.Lock()
	core := t.core
	t.core = nil
	t.mu.Unlock()
	if core != nil {
		core.close()
	}
}

// handlers is the public side, by the way a request came.
type handlers struct{ local, tunnel http.Handler }

func (t *site) notServing() handlers {
	h := http.HandlerFunc(t.notReady)
	return handlers{h, h}
}

func (t *site) setHandlers(h handlers) { t.handler.Store(&h) }

// serve answers on loopback.
func (t *site) serve(w http.ResponseWriter, r *http.Request) { answer(t.handler.Load().local, w, r) }

// serveTunnel answers in the tunnel.
func (t *site) serveTunnel(w http.ResponseWriter, r *http.Request) {
	answer(t.handler.Load().tunnel, w, r)
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

// state is the site in one word, and a sentence fit for strangers if it is not
// ready.
func (t *site) state() (status.State, string) {
	s := t.app
	s.mu.Lock()
	problem, unlocked := s.problem, s.vault != nil
	s.mu.Unlock()
	core := t.running()
	switch {
	case core == nil && problem != "":
		return status.Error, "Drawbridge can't open its keychain. Its owner can see more in its status."
	case core == nil && !(s.paused.Load() && unlocked):
		return status.Starting, "Drawbridge is starting."
	case s.paused.Load():
		return status.Paused, "The owner has paused Drawbridge."
	}
	return status.Ready, ""
}
