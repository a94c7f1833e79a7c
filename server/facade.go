package server

import (
	"context"
	"errors"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/doctor"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The facade is what tray, console and command line call. Each change wakes
// whoever watches; they take a new snapshot.

// Snapshot returns everything at one moment.
func (s *Server) Snapshot() status.Snapshot {
	snap := status.Snapshot{Status: s.status(), Sessions: []status.Session{}, Events: s.board.Events()}
	if c := s.core(); c != nil {
		snap.Sessions = c.store.Sessions()
	}
	snap.Status.Sessions = len(snap.Sessions)
	snap.Approvals = s.Approvals()
	return snap
}

// Watch returns a channel that holds one wake-up for each time something has
// changed since it was read. It is closed when ctx ends.
func (s *Server) Watch(ctx context.Context) <-chan struct{} { return s.board.Watch(ctx) }

// Clients returns the programs that somebody has signed in with.
func (s *Server) Clients() []status.Client {
	if c := s.core(); c != nil {
		return c.store.Clients()
	}
	return []status.Client{}
}

// Attempts returns the attempts to connect that are remembered, newest first,
// each with its verdict.
func (s *Server) Attempts() []status.Attempt { return s.timeline.Attempts() }

// situation is what a verdict has to know beside the attempt.
func (s *Server) situation() timeline.Situation {
	t := s.current()
	if t == nil {
		return timeline.Situation{}
	}
	base := t.bridge.address()
	w := timeline.Situation{MCPURL: base + mcpPath, RedirectURI: authserver.RedirectURI(base)}
	st, note := t.tunnelStatus()
	if st.State == tunnel.Down {
		w.TunnelDown = st.Error
	}
	w.Warning = note != ""
	return w
}

// errNotReady is what verbs answer while the keychain is not open.
var errNotReady = errors.New("Drawbridge is not ready: see `drawbridge status`")

// Revoke ends the session of id: its tokens stop working at once, its open
// streams end, the provider's refresh token is revoked there. It returns
// [control.ErrNotFound] if there is none.
func (s *Server) Revoke(_ context.Context, id string) error {
	c := s.core()
	if c == nil {
		return errNotReady
	}
	err := c.store.Revoke(id, "revoked by the owner")
	if errors.Is(err, oauth.ErrNotFound) {
		return control.ErrNotFound
	}
	return err
}

// RevokeAll ends every session and returns how many there were.
func (s *Server) RevokeAll(context.Context) (int, error) {
	c := s.core()
	if c == nil {
		return 0, errNotReady
	}
	return c.store.RevokeAll("all sessions were revoked by the owner")
}

// Pause keeps everybody out: the tunnel closes, open streams end and /mcp answers
// 503 until [Server.Resume], across restarts. Sessions are kept.
func (s *Server) Pause(context.Context) error { return s.setPaused(true) }

// Resume ends a pause.
func (s *Server) Resume(context.Context) error { return s.setPaused(false) }

// Retry opens the keychain or the tunnel again now, if that is what Drawbridge
// waits for.
func (s *Server) Retry() {
	if t := s.current(); t != nil {
		t.retryTunnel()
	}
	select {
	case s.retry <- struct{}{}:
	default:
	}
}

// Quiet reports whether the owner wants no desktop notifications.
func (s *Server) Quiet() bool { return s.quiet.Load() }

// SetQuiet turns desktop notifications off, or on again, across restarts.
func (s *Server) SetQuiet(_ context.Context, quiet bool) error {
	if err := s.setting("quiet", quiet); err != nil {
		return err
	}
	s.quiet.Store(quiet)
	s.board.Wake()
	return nil
}

func (s *Server) setPaused(paused bool) error {
	if err := s.setting("paused", paused); err != nil {
		return err
	}
	s.paused.Store(paused)
	if t := s.current(); t != nil && t.tunnel() != nil {
		if k := t.tunnel(); paused {
			k.Pause()
		} else {
			k.Resume()
		}
	}
	if c := s.core(); c != nil && paused {
		for _, g := range c.guards {
			g.Cut()
		}
		c.mounts.cut()
	}
	s.board.Wake()
	return nil
}

// core is what serves now; nil while nothing does.
func (s *Server) core() *core {
	if t := s.current(); t != nil {
		return t.running()
	}
	return nil
}

// status is what `drawbridge status` prints, without the number of sessions.
func (s *Server) status() status.Status {
	st := status.Status{State: status.Error, Version: s.version(), PID: pid, Servers: []status.Server{}, IDP: status.IDP{State: status.IDPOK}}
	s.mu.Lock()
	t, unset, problem := s.site, s.unset, s.problem
	if s.ctl != nil {
		st.ConsoleURL = s.ctl.ConsoleURL()
	}
	s.mu.Unlock()
	if t == nil {
		why, _, _ := strings.Cut(unset.Error(), " Run `drawbridge setup`") // which is said below
		st.Error = "Drawbridge is not set up: " + sentence(errors.New(why)) + " Open Setup with `drawbridge console`, or run `drawbridge setup`."
		st.IDP.State, st.Tunnel.State = status.IDPMisconfigured, tunnel.Off
		return st
	}
	st.Error = problem
	t.describe(&st)
	s.staleNote(&st)
	return st
}

// describe fills in what the site knows.
func (t *site) describe(st *status.Status) {
	cfg := t.config()
	st.State, _ = t.state()
	st.LocalURL, st.IDP.Issuer = t.local, cfg.IDP.Issuer
	if base := t.bridge.address(); base != "" {
		st.MCPURL, st.Issuer = base+mcpPath, base
	}
	var note string
	if st.Tunnel, note = t.tunnelStatus(); note != "" {
		st.Notes = append(st.Notes, note)
	}
	if c := t.running(); c != nil {
		st.IDP = c.provider.State()
		st.Servers = c.mounts.set.Status()
		st.Notes = append(st.Notes, c.mounts.notes()...)
	}
	if accessList(cfg.Access).Empty() {
		st.Notes = append(st.Notes, "Nobody may sign in: [access] in config.toml is empty. Run `drawbridge setup`, or add an address to emails.")
	}
}

// sentence ends what may not be one yet.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSuffix(err.Error(), ".") + "."
}

// Doctor looks at everything a sign-in needs.
func (s *Server) Doctor(ctx context.Context) []status.Check {
	t := s.current()
	if t == nil {
		return doctor.NotSetUp(s.status().Error)
	}
	if t.running() != nil {
		return doctor.Run(ctx, t.patient(t.running().provider, true))
	}
	o := s.opts
	o.Config = s.config()
	return Examine(ctx, o)
}

// Examine makes doctor's checks without a running server: of the configuration,
// the keychain and the provider.
func Examine(ctx context.Context, o Options) []status.Check {
	t := &site{app: &Server{opts: o}, cfg: o.Config, bridge: newBridge(baseURL(o.Config, "http://"+o.Config.Listen))}
	provider := idp.New(idp.Config{Issuer: o.Config.IDP.Issuer, ClientID: o.Config.IDP.ClientID, Scopes: o.Config.IDP.Scopes,
		RedirectURI: authserver.RedirectURI(t.bridge.address()), ClientSecret: func(ctx context.Context) (string, error) {
			secret, err := o.Keystore.Get(ctx, keystore.IDPClientSecret)
			if errors.Is(err, keystore.ErrNotFound) {
				return "", nil // a public client
			}
			return secret.Reveal(), err
		}})
	return doctor.Run(ctx, t.patient(provider, false))
}

func (t *site) patient(provider *idp.Client, running bool) doctor.Patient {
	base := t.bridge.address()
	p := doctor.Patient{Config: t.config(), Keystore: t.app.opts.Keystore, Provider: provider, PublicURL: base,
		RedirectURI: authserver.RedirectURI(base), Running: running}
	var servers []config.Server
	servers, p.Mistake = t.readServers()
	servers, p.Notes = t.config().Mount(servers)
	for _, s := range servers {
		p.Notes = append(p.Notes, config.Notes(s)...)
		look := doctor.Server{Name: s.Name, Off: s.Off}
		if running {
			look.Look = t.running().mounts.look(s.Name)
		}
		p.Servers = append(p.Servers, look)
	}
	if running {
		p.Tunnel, _ = t.tunnelStatus()
		p.Notes = append(p.Notes, t.running().mounts.hub.Findings()...)
		p.Front = func(ctx context.Context) tunnel.Finding { return t.bridge.front.Look(ctx, base) }
	}
	return p
}
