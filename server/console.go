package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// What the console asks beside what tray and command line do.

// ConsoleLink is an address of a page of the console ("/approvals") that works
// once, within a minute.
func (s *Server) ConsoleLink(page string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctl == nil {
		return ""
	}
	place, proof, _ := strings.Cut(s.ctl.ConsoleLink(), "/#")
	return place + page + "#" + proof
}

// Configured reports whether there is a configuration to work with.
func (s *Server) Configured() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unset == nil
}

// ChangeConfig is [Server.Configure] of what change makes of the configuration.
// Changes come one after the other, so that none undoes another.
func (s *Server) ChangeConfig(ctx context.Context, change func(*config.Config) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	cfg := s.Config()
	if err := change(&cfg); err != nil {
		return err
	}
	return s.Configure(ctx, cfg, nil)
}

// Logs returns what a mounted server wrote, oldest first; false if there is
// none of that name.
func (s *Server) Logs(server string) ([]status.LogLine, bool) {
	if p := s.parts(); p != nil {
		return p.endpoints.Logs(server)
	}
	return nil, false
}

// RestartServer ends what a mounted server runs and lets it start again.
func (s *Server) RestartServer(name string) error {
	return s.do(func(p *parts) error { return p.endpoints.Restart(name) })
}

// SwitchServer turns a mounted server on or off, in mcp.json.
func (s *Server) SwitchServer(_ context.Context, name string, on bool) error {
	return s.do(func(p *parts) error {
		return p.endpoints.Edit(func(path string) error { return config.SwitchServer(path, name, !on) })
	})
}

// Access returns what a person with this address, as a provider that vouches
// for it would name them, and these groups may use. Without groups those of
// their latest sign-in count.
func (s *Server) Access(ctx context.Context, email string, groups []string) ([]status.Entry, error) {
	p := s.parts()
	if p == nil {
		return nil, errNotReady
	}
	_, domain, _ := strings.Cut(email, "@")
	who := &oauth.Caller{User: status.User{Email: email}, EmailVerified: true, Domain: domain, Groups: groups}
	if known, ok := p.grants.LastSignIn(email); ok && len(groups) == 0 {
		who.Groups = known.Groups
	}
	if err := accessList(s.current().config().Access).Check(who.Identity()); err != nil {
		return nil, fmt.Errorf("%w, so this person can't even sign in. If a group would let them in, name it", err)
	}
	return p.endpoints.Visible(ctx, who), nil
}

// Changes returns the tools whose description is no longer what it was.
func (s *Server) Changes() []status.ToolChange {
	return read(s, func(p *parts) []status.ToolChange { return p.endpoints.Changes() })
}

// ApproveChange takes what a tool says now for good, if that is still what
// version names.
func (s *Server) ApproveChange(_ context.Context, server, tool, version string) error {
	return s.do(func(p *parts) error { return p.endpoints.Approve(server, tool, version) })
}

// Approvals returns the calls that wait for a click, oldest first.
func (s *Server) Approvals() []status.Approval {
	return read(s, func(p *parts) []status.Approval { return p.endpoints.Pending() })
}

// Answer lets a waiting call go on, or refuses it.
func (s *Server) Answer(_ context.Context, id string, allow bool) error {
	return s.do(func(p *parts) error { return p.endpoints.Answer(id, allow) })
}

// Gone returns the calls that have just stopped waiting.
func (s *Server) Gone() []status.Approval {
	return read(s, func(p *parts) []status.Approval { return p.endpoints.Gone() })
}

// AllowTool lets a waiting call go on, and what its session calls of the same
// tool in the next minutes.
func (s *Server) AllowTool(_ context.Context, id string) error {
	return s.do(func(p *parts) error { return p.endpoints.AllowTool(id) })
}

// EndLeave has a session ask about each call of a tool again.
func (s *Server) EndLeave(_ context.Context, session, server, tool string) error {
	return s.do(func(p *parts) error {
		if p.endpoints.EndLeave(session, server, tool) != nil {
			return control.ErrNotFound
		}
		return nil
	})
}
