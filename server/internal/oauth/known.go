package oauth

import (
	"errors"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

var errNotYet = errors.New("not here yet")

func (s *Grants) AddClient(n status.NewClient) (status.Client, string, error) {
	return status.Client{}, "", errNotYet
}
func (s *Grants) RotateClient(client string) (string, time.Time, error) {
	return "", time.Time{}, errNotYet
}
func (s *Grants) DeleteClient(client string) error { return errNotYet }
func (s *Grants) Blocked() []status.Block          { return nil }
func (s *Grants) Unblock(id string) error          { return errNotYet }
