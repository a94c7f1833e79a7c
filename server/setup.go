package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// What Setup asks of the app.

// Config is what Setup changes: what the file says, also where that is not in
// use (it lacks something, or its port is taken), since what a person wrote is
// not to be lost; else what runs, or the default.
func (s *Server) Config() config.Config {
	if cfg, err := config.Load(s.opts.ConfigFile); err == nil {
		return cfg
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unset != nil {
		return config.Default()
	}
	return s.cfg
}

// PublicURL is what clients see, without a slash at the end; "" while nobody
// knows.
func (s *Server) PublicURL() string {
	if v := s.current(); v != nil {
		return v.public.URL()
	}
	cfg := s.Config()
	cfg.Listen = cmp.Or(s.opts.Listen, cfg.Listen)
	return cfg.URL()
}

// secretTime is how long a page waits for the keychain.
const secretTime = 3 * time.Second

// HasSecret reports whether the keychain holds a secret of the account. One
// that is locked may.
func (s *Server) HasSecret(account string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), secretTime)
	defer cancel()
	_, err := s.opts.Keystore.Get(ctx, account)
	return !errors.Is(err, keystore.ErrNotFound)
}

// Wizard checks what is about to be saved, with the app's own keychain.
func (s *Server) Wizard() *wizard.Wizard {
	network := func(n config.Network, password keystore.Secret) *outbound.Network {
		return wizard.WayOut(n, password, s.opts.Keystore)
	}
	return &wizard.Wizard{Keystore: s.opts.Keystore, HTTP: s.opts.network(s.Config().Network).Client(providerTime), Network: network, Open: s.tryTunnel, Now: s.opts.Now}
}

// tryTunnel opens the tunnel of c for a moment and returns its URL; the one that
// is open already is not opened again.
func (s *Server) tryTunnel(ctx context.Context, c wizard.Candidate) (string, error) {
	ask := ""
	if domain := c.Config.Tunnel.Domain; domain != "" {
		ask = "https://" + hostname.Lower(domain)
	}
	now := s.status().Tunnel
	ours := now.State == tunnel.Up && now.URL == ask
	if ours && c.Authtoken.IsZero() {
		return ask, nil
	}
	provider := s.ngrok(c.Config)
	provider.Network = wizard.WayOut(c.Config.Network, c.ProxyPassword, s.opts.Keystore)
	if !c.Authtoken.IsZero() {
		provider.Authtoken = func(context.Context) (string, error) { return c.Authtoken.Reveal(), nil }
	}
	line, err := provider.Open(ctx, ask)
	var taken *tunnel.Error
	if errors.As(err, &taken) && taken.Taken && ours {
		return ask, nil
	}
	if err != nil {
		return "", err
	}
	defer line.Hangup()
	return line.URL, nil
}

// Configure saves a configuration and secrets, all or nothing, and applies them
// at once. Secrets that are missing or zero stay.
func (s *Server) Configure(ctx context.Context, cfg config.Config, secrets map[string]keystore.Secret) error {
	path := s.opts.ConfigFile
	if path == "" {
		return errors.New("this Drawbridge has no configuration to change: it runs as a demo")
	}
	if err := s.canListen(cfg.Listen); err != nil {
		return err
	}
	if err := s.keepBroken(path); err != nil {
		return err
	}
	s.dryRun.Stop() // what came of it was another configuration's
	var env *wizard.ErrSetInEnvironment
	err := wizard.Save(ctx, wizard.Saving{Path: path, Config: cfg, Keystore: s.opts.Keystore, Secrets: secrets})
	if err != nil && !errors.As(err, &env) {
		return err
	}
	changed := slices.ContainsFunc(slices.Collect(maps.Values(secrets)), func(secret keystore.Secret) bool { return !secret.IsZero() })
	if err := s.load(changed); err != nil && len(cfg.Missing()) == 0 { // else there is more to come
		return err
	}
	s.Retry()
	if env != nil {
		return env
	}
	return nil
}

// canListen says at once what would stop Drawbridge from listening there.
func (s *Server) canListen(addr string) error {
	if s.currentListener().at(addr) || s.opts.Listen != "" {
		return nil
	}
	l, err := s.listen(addr)
	if err == nil {
		l.drain()
	}
	return err
}

// keepBroken puts a file that could not be read aside before another takes its
// place: a person wrote it.
func (s *Server) keepBroken(path string) error {
	if _, err := config.Load(path); err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path+".broken", text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep a copy of the configuration that can't be read: %w", err)
	}
	return nil
}

// StartDryRun begins a sign-in that makes no grant, as [wizard.DryRun.Start]
// does, and returns where to send the browser.
func (s *Server) StartDryRun(ctx context.Context, back string, certain bool) (string, error) {
	p := s.parts()
	if p == nil {
		return "", errors.New("the public address is not known yet, so nobody could come back from the provider. See what the tunnel says above")
	}
	cfg := s.current().config()
	return s.dryRun.Start(ctx, s.idpConfig(cfg, p.base, nil), accessList(cfg.Access), back, certain)
}

// DryRun is how that sign-in stands.
func (s *Server) DryRun() wizard.TrialStatus { return s.dryRun.Status() }
