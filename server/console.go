package server

import (
	"context"
	"errors"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// What the console asks beside what tray and command line do.

// ConsoleLink is an address of the console that works once, within a minute.
func (s *Server) ConsoleLink() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctl == nil {
		return ""
	}
	return s.ctl.ConsoleLink()
}

// Configured reports whether there is a configuration to work with.
func (s *Server) Configured() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unset == nil
}

// errNotBuilt is what a verb answers that nothing stands behind yet.
var errNotBuilt = errors.New("this version of Drawbridge can't do that yet")

// RevokeWhere ends the sessions of a person, of a client, or of both together.
func (s *Server) RevokeWhere(_ context.Context, sub, clientID string) (int, error) {
	c := s.core()
	if c == nil {
		return 0, errNotReady
	}
	return c.store.RevokeWhere(func(session status.Session) bool {
		return (sub == "" || session.User.Sub == sub) && (clientID == "" || session.Client.ID == clientID)
	}, "revoked by the owner")
}

// AllowRedirect adds a redirect URI to those that clients may use.
func (s *Server) AllowRedirect(ctx context.Context, uri string) error {
	cfg := s.Config()
	if slices.Contains(cfg.Clients.Allowed, uri) {
		return nil
	}
	cfg.Clients.Allowed = append(slices.Clone(cfg.Clients.Allowed), uri)
	return s.Configure(ctx, cfg, nil)
}

func (s *Server) Logs(string) ([]status.LogLine, bool)                { return nil, false }
func (s *Server) RestartServer(string) error                          { return errNotBuilt }
func (s *Server) SwitchServer(context.Context, string, bool) error    { return errNotBuilt }
func (s *Server) Changes() []status.ToolChange                        { return nil }
func (s *Server) ApproveChange(context.Context, string, string) error { return errNotBuilt }
func (s *Server) Approvals() []status.Approval                        { return nil }
func (s *Server) Answer(context.Context, string, bool) error          { return errNotBuilt }
func (s *Server) Access(context.Context, string, []string) ([]status.Entry, error) {
	return nil, errNotBuilt
}
