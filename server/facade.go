package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/drawbridge-app/drawbridge/server/control"
	"github.com/drawbridge-app/drawbridge/server/internal/authserver"
	"github.com/drawbridge-app/drawbridge/server/internal/doctor"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/metrics"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/timeline"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// The facade is what tray, console and command line call. Each change wakes
// whoever watches; they take a new snapshot.

// Status says how Drawbridge does, in a moment however many sessions there are.
func (s *Server) Status() status.Status {
	st := s.status()
	if p := s.parts(); p != nil {
		st.Sessions = p.grants.Count()
	}
	return st
}

// Snapshot returns everything at one moment.
func (s *Server) Snapshot() status.Snapshot {
	snap := status.Snapshot{Status: s.status(), Sessions: []status.Session{}, Events: s.board.Events()}
	if p := s.parts(); p != nil {
		snap.Sessions, snap.Blocked = p.grants.Sessions(), p.grants.Blocked()
		leaves := p.endpoints.Leaves()
		for i := range snap.Sessions {
			snap.Sessions[i].Leaves = leaves[snap.Sessions[i].ID]
			if vouched := snap.Sessions[i].Provider; vouched != "" {
				snap.Sessions[i].Provider = providerName(vouched)
			}
		}
	}
	snap.Status.Sessions = len(snap.Sessions)
	snap.Approvals = s.Approvals()
	return snap
}

// providerName is what people call the provider of an issuer, or its host.
func providerName(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	return cmp.Or(idp.NameOf(issuer), u.Host)
}

// Watch returns a channel that holds one wake-up for each time something has
// changed since it was read. It is closed when ctx ends.
func (s *Server) Watch(ctx context.Context) <-chan struct{} { return s.board.Watch(ctx) }

// Attempts returns the attempts to connect that are remembered, newest first,
// each with its verdict.
func (s *Server) Attempts() []status.Attempt { return s.timeline.Attempts() }

// situation is what a verdict has to know beside the attempt.
func (s *Server) situation() timeline.Situation {
	v := s.current()
	if v == nil {
		return timeline.Situation{}
	}
	base := v.public.URL()
	st, note := v.public.Status()
	situation := timeline.Situation{MCPURL: base + mcpPath, RedirectURI: authserver.RedirectURI(base), Warning: note != ""}
	if st.State == tunnel.Down {
		situation.TunnelDown = st.Error
	}
	return situation
}

// Revoke ends the session of id: its tokens stop working at once, its open
// streams end, the provider's refresh token is revoked there. It returns
// [control.ErrNotFound] if there is none.
func (s *Server) Revoke(_ context.Context, id string) error {
	return s.do(func(p *parts) error { return found(p.grants.Revoke(id, oauth.ByOwner)) })
}

// undoTime is how long a revocation can be taken back.
const undoTime = 5 * time.Second

// RevokeSoon is [Server.Revoke] that [Server.Keep] can take back for five
// seconds. What the session asks for meanwhile waits.
func (s *Server) RevokeSoon(_ context.Context, id string) error {
	return s.do(func(p *parts) error { return found(p.grants.RevokeAfter(id, undoTime)) })
}

// Keep has a session go on that was about to end. It returns
// [control.ErrNotFound] if it has ended.
func (s *Server) Keep(_ context.Context, id string) error {
	return s.do(func(p *parts) error { return found(p.grants.Keep(id)) })
}

// found is err in the words of control.
func found(err error) error {
	if errors.Is(err, oauth.ErrNotFound) {
		return control.ErrNotFound
	}
	return err
}

// Rename gives the session of id a name of the owner's, "" for none. It returns
// [control.ErrNotFound] if there is none.
func (s *Server) Rename(_ context.Context, id, label string) error {
	return s.do(func(p *parts) error { return found(p.grants.Rename(id, label)) })
}

// RevokeAll ends every session and returns how many there were.
func (s *Server) RevokeAll(context.Context) (int, error) {
	return ask(s, func(p *parts) (int, error) { return p.grants.RevokeAll("all sessions were revoked by the owner") })
}

// Pause keeps everybody out: the tunnel closes, open streams end and /mcp answers
// 503 until [Server.Resume], across restarts. Sessions are kept.
func (s *Server) Pause(context.Context) error { return s.setPaused(true) }

// Resume ends a pause.
func (s *Server) Resume(context.Context) error { return s.setPaused(false) }

// Quit ends [Server.Run].
func (s *Server) Quit() { s.stop() }

// Retry opens the keychain or the tunnel again now, if that is what Drawbridge
// waits for.
func (s *Server) Retry() {
	if v := s.current(); v != nil {
		v.public.Retry()
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
	if err := s.setting(quietSetting, quiet); err != nil {
		return err
	}
	s.quiet.Store(quiet)
	s.board.Wake()
	return nil
}

func (s *Server) setPaused(paused bool) error {
	if err := s.setting(pausedSetting, paused); err != nil {
		return err
	}
	s.paused.Store(paused)
	if v := s.current(); v != nil && paused {
		v.public.Pause()
	} else if v != nil {
		v.public.Resume()
	}
	if p := s.parts(); p != nil && paused {
		p.endpoints.Cut()
	}
	s.board.Wake()
	return nil
}

// AcceptURL takes the other URL that the tunnel's provider gives now: every
// session ends, since its tokens were for the old one. It returns what the
// person has to do next. Nobody else can change the address.
func (s *Server) AcceptURL(context.Context) (string, error) {
	v := s.current()
	if v == nil {
		return "", errNotReady
	}
	url, err := v.public.Accept()
	if err != nil {
		return "", err
	}
	s.renew()
	return fmt.Sprintf("The MCP URL is now %s%s. Enter %s as a redirect URI at the provider, and give the MCP URL to your clients: everybody signs in again.",
		url, mcpPath, authserver.RedirectURI(url)), nil
}

// CopyState puts a copy of the state file, sealed as it is, beside it.
func (s *Server) CopyState() (path string, err error) { return s.db.Copy() }

// Metrics writes figures for Prometheus.
func (s *Server) Metrics(w io.Writer) {
	metrics.Write(w, s.Status(), s.timeline.Refusals(), &s.calls)
}

// parts is what answers now; nil while nothing does.
func (s *Server) parts() *parts {
	if v := s.current(); v != nil {
		return v.running()
	}
	return nil
}

// read returns what of finds in what answers now.
func read[T any](s *Server, of func(*parts) T) (found T) {
	if p := s.parts(); p != nil {
		return of(p)
	}
	return found
}

// ask is [read] where that can fail, as it does while nothing answers.
func ask[T any](s *Server, of func(*parts) (T, error)) (found T, err error) {
	if p := s.parts(); p != nil {
		return of(p)
	}
	return found, errNotReady
}

// do has change alter what answers now, and wakes whoever watches.
func (s *Server) do(change func(*parts) error) error {
	defer s.board.Wake()
	_, err := ask(s, func(p *parts) (struct{}, error) { return struct{}{}, change(p) })
	return err
}

// Doctor looks at everything a sign-in needs.
func (s *Server) Doctor(ctx context.Context) []status.Check {
	v := s.current()
	if v == nil {
		return doctor.NotSetUp(s.status().Error)
	}
	p := v.running()
	if p == nil {
		o := s.opts
		o.Config = v.config()
		return Examine(ctx, o)
	}
	look := s.opts.patient(v.config(), p.base, p.provider)
	look.Running = true
	look.Tunnel = s.status().Tunnel
	look.Notes = append(look.Notes, p.endpoints.Findings()...)
	look.Clients, look.Documents = p.grants.Clients(), p.documents.Stale()
	look.Front = v.public.Look
	for i, server := range look.Servers {
		look.Servers[i].Look = func(ctx context.Context) (int, error) { return p.endpoints.CountTools(ctx, server.Name) }
	}
	return doctor.Run(ctx, look)
}
