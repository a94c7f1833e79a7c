package server

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/doctor"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The facade is what tray, console and command line call. Each change wakes
// whoever watches; they take a new snapshot.

// Snapshot returns everything at one moment.
func (s *Server) Snapshot() status.Snapshot {
	snap := status.Snapshot{Status: s.status(), Sessions: []status.Session{}, Events: s.board.Events()}
	if c := s.current(); c != nil {
		snap.Sessions = c.store.Sessions()
	}
	snap.Status.Sessions = len(snap.Sessions)
	return snap
}

// Watch returns a channel that holds one wake-up for each time something has
// changed since it was read. It is closed when ctx ends.
func (s *Server) Watch(ctx context.Context) <-chan struct{} { return s.board.Watch(ctx) }

// Clients returns the programs that somebody has signed in with.
func (s *Server) Clients() []status.Client {
	if c := s.current(); c != nil {
		return c.store.Clients()
	}
	return []status.Client{}
}

// errNotReady is what verbs answer while the keychain is not open.
var errNotReady = errors.New("Drawbridge is not ready: see `drawbridge status`")

// Revoke ends the session of id: its tokens stop working at once, its open
// streams end, the provider's refresh token is revoked there. It returns
// [control.ErrNotFound] if there is none.
func (s *Server) Revoke(_ context.Context, id string) error {
	c := s.current()
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
	c := s.current()
	if c == nil {
		return 0, errNotReady
	}
	return c.store.RevokeAll("all sessions were revoked by the owner")
}

// Pause raises the bridge: the tunnel closes, open streams end and /mcp answers
// 503 until [Server.Resume], across restarts. Sessions are kept.
func (s *Server) Pause(context.Context) error { return s.setPaused(true) }

// Resume lowers the bridge again.
func (s *Server) Resume(context.Context) error { return s.setPaused(false) }

// Retry opens the keychain or the tunnel again now, if that is what Drawbridge
// waits for.
func (s *Server) Retry() {
	s.retryTunnel()
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

// settingsBucket holds what the person chose at run time.
const settingsBucket = "settings"

func (s *Server) setPaused(paused bool) error {
	if err := s.setting("paused", paused); err != nil {
		return err
	}
	s.paused.Store(paused)
	if k := s.bridge.keeper; k != nil && paused {
		k.Pause()
	} else if k != nil {
		k.Resume()
	}
	if c := s.current(); c != nil && paused {
		for _, g := range c.guards {
			g.Cut()
		}
	}
	s.board.Wake()
	return nil
}

// setting saves a choice; false takes its record away.
func (s *Server) setting(key string, yes bool) error {
	if !s.isUnlocked() {
		return errNotReady
	}
	change := oauth.Change{Bucket: settingsBucket, Key: key}
	if yes {
		change.Value = []byte("true")
	}
	return s.db.Save([]oauth.Change{change})
}

func (s *Server) loadSettings() error {
	return s.db.Load(settingsBucket, func(key string, value []byte) error {
		switch key {
		case "paused":
			s.paused.Store(string(value) == "true")
		case "quiet":
			s.quiet.Store(string(value) == "true")
		case urlSetting:
			s.bridge.remember = string(value)
		}
		return nil
	})
}

func (s *Server) current() *core {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core
}

// state is the app in one word.
func (s *Server) state() status.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.core == nil && s.problem != "":
		return status.Error
	case s.core == nil && !(s.paused.Load() && s.isUnlocked()):
		return status.Starting
	case s.paused.Load():
		return status.Paused
	}
	return status.Ready
}

// stateReason says why the state is not ready, in words fit for strangers.
func (s *Server) stateReason() string {
	switch s.state() {
	case status.Error:
		return "Drawbridge can't open its keychain. Its owner can see more in its status."
	case status.Starting:
		return "Drawbridge is starting."
	case status.Paused:
		return "The owner has paused Drawbridge."
	}
	return ""
}

// status is what `drawbridge status` prints, without the number of sessions.
func (s *Server) status() status.Status {
	cfg := s.opts.Config
	st := status.Status{State: s.state(), Version: s.version(), PID: pid, LocalURL: s.local,
		Servers: []status.Server{}, IDP: status.IDP{State: status.IDPOK, Issuer: cfg.IDP.Issuer}}
	if base := s.bridge.address(); base != "" {
		st.MCPURL, st.Issuer = base+mcpPath, base
	}
	var note string
	if st.Tunnel, note = s.tunnelStatus(); note != "" {
		st.Notes = append(st.Notes, note)
	}
	s.mu.Lock()
	c := s.core
	st.Error = s.problem
	if s.ctl != nil {
		st.ConsoleURL = s.ctl.ConsoleURL()
	}
	s.mu.Unlock()
	if c != nil {
		st.IDP = c.provider.State()
	}
	if accessList(cfg.Access).Empty() {
		st.Notes = append(st.Notes, "Nobody may sign in: [access] in config.toml is empty. Run `drawbridge setup`, or add an address to emails.")
	}
	return st
}

// Doctor looks at everything a sign-in needs.
func (s *Server) Doctor(ctx context.Context) []status.Check {
	c := s.current()
	if c == nil {
		return Examine(ctx, s.opts)
	}
	return doctor.Run(ctx, s.patient(c.provider, true))
}

// Examine makes doctor's checks without a running server: of the configuration,
// the keychain and the provider.
func Examine(ctx context.Context, o Options) []status.Check {
	s := &Server{opts: o, bridge: newBridge(baseURL(o.Config, "http://"+o.Config.Listen))}
	provider := idp.New(idp.Config{Issuer: o.Config.IDP.Issuer, ClientID: o.Config.IDP.ClientID, Scopes: o.Config.IDP.Scopes,
		RedirectURI: authserver.RedirectURI(s.bridge.address()), ClientSecret: func(ctx context.Context) (string, error) {
			secret, err := o.Keystore.Get(ctx, keystore.IDPClientSecret)
			if errors.Is(err, keystore.ErrNotFound) {
				return "", nil // a public client
			}
			return secret.Reveal(), err
		}})
	return doctor.Run(ctx, s.patient(provider, false))
}

func (s *Server) patient(provider *idp.Client, running bool) doctor.Patient {
	base := s.bridge.address()
	p := doctor.Patient{Config: s.opts.Config, Keystore: s.opts.Keystore, Provider: probed{provider}, PublicURL: base,
		RedirectURI: authserver.RedirectURI(base), Running: running}
	if running {
		p.Tunnel, _ = s.tunnelStatus()
		p.Front = func(ctx context.Context) tunnel.Finding { return s.bridge.front.Look(ctx, base) }
	}
	return p
}

// probed is the provider as doctor asks for it.
type probed struct{ *idp.Client }

func (p probed) Probe(ctx context.Context) (string, error) {
	return p.AuthURL(ctx, idp.AuthRequest{State: "doctor", Nonce: "doctor", Verifier: base64.RawURLEncoding.EncodeToString(randomKey()), Prompt: "none"})
}
