package server

import (
	"context"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Clients returns the programs that somebody has signed in with, or that were
// added.
func (s *Server) Clients() []status.Client {
	if p := s.parts(); p != nil {
		return p.grants.Clients()
	}
	return []status.Client{}
}

// AddClient adds a client and returns its secret, which is kept as a hash and
// can't be had again; "" if it has keys of its own.
func (s *Server) AddClient(_ context.Context, c status.NewClient) (added status.Client, secret string, err error) {
	err = s.do(func(p *parts) (err error) {
		added, secret, err = p.grants.AddClient(c)
		return err
	})
	return added, secret, err
}

// RotateClient gives the added client of that id or name another secret, and says
// until when the one before works too. It returns [control.ErrNotFound] if there
// is none.
func (s *Server) RotateClient(_ context.Context, client string) (secret string, oldUntil time.Time, err error) {
	err = s.do(func(p *parts) (err error) {
		secret, oldUntil, err = p.grants.RotateClient(client)
		return found(err)
	})
	return secret, oldUntil, err
}

// DeleteClient forgets the added client of that id or name and ends its sessions.
// It returns [control.ErrNotFound] if there is none.
func (s *Server) DeleteClient(_ context.Context, client string) error {
	return s.do(func(p *parts) error { return found(p.grants.DeleteClient(client)) })
}

// Unblock lets a person come back with a client, see [status.Block]. It returns
// [control.ErrNotFound] if nothing of that id is blocked.
func (s *Server) Unblock(_ context.Context, id string) error {
	return s.do(func(p *parts) error { return found(p.grants.Unblock(id)) })
}
